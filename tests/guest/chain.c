// SPDX-License-Identifier: GPL-2.0
/*
 * Do records contradict each other? Threads and children write to memory that
 * forks write-protect again and again. Afterwards the records are played back in
 * the order of time: each fault must find the page that the one before left
 * there, a child begins with the pages that its parent had when the range was
 * copied, and at the end each page is where the page table says.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kit.h"
#include "tap.h"

#define PAGES		256
#define THREADS		3
#define FORKS		80
#define MOST_RECORDS	200000
#define PROCESSES	(1 + FORKS)

static struct rings rings;
static char *mem;
static bool stop;

/* Not copied by fork, so that writing to it makes no faults. */
static struct cowscope_record *record;
static size_t records;
static pid_t thread_ids[THREADS + 1];

static bool about_memory(const struct cowscope_record *r)
{
	uintptr_t at = (uintptr_t)mem;

	switch (r->type) {
	case COWSCOPE_EVENT_COW_FAULT:
		return r->addr >= at && r->addr < at + PAGES * PAGE;
	case COWSCOPE_EVENT_FORK_RANGE:
		return r->start <= at && r->end >= at + PAGES * PAGE;
	default:
		return r->type == COWSCOPE_EVENT_FORK;
	}
}

static void collect(void)
{
	struct cowscope_record r;
	unsigned int cpu;

	while (rings_next(&rings, &r)) {
		if (!about_memory(&r))
			continue;
		if (records == MOST_RECORDS)
			tap_bail("more records than were thought of");
		record[records++] = r;
	}
	for (cpu = 0; cpu < rings.info.cpus; cpu++)
		if (rings.place[cpu].lost)
			tap_bail("the ring is too small for this test");
}

static unsigned int random_next(unsigned int *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 16;
}

static void *write_pages(void *arg)
{
	unsigned int n = (uintptr_t)arg, seed = n;

	thread_ids[n] = syscall(SYS_gettid);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		poke(mem + random_next(&seed) % PAGES * PAGE, 'a' + n);
		if (!(random_next(&seed) % 64))
			sched_yield();
	}
	return NULL;
}

static void child(unsigned int seed)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		poke(mem + random_next(&seed) % PAGES * PAGE, 'c');
	_exit(0);
}

static void run(void)
{
	pthread_t thread[THREADS];
	unsigned int i, alive = 0;

	for (i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, write_pages, (void *)(uintptr_t)(i + 1));
	for (i = 0; i < FORKS; i++) {
		if (alive == 3) {
			wait(NULL);
			alive--;
		}
		if (!fork())
			child(i);
		alive++;
		sched_yield();
		collect();
	}
	while (wait(NULL) > 0)
		;
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	collect();
}

/* --- played back ------------------------------------------------------------ */

struct process {
	pid_t pid;
	uint64_t pfn[PAGES];	/* 0: not known */
};

static struct process *processes;
static unsigned int known;
static uint64_t forking[PAGES];	/* what the child of the fork under way got */

static int by_time(const void *a, const void *b)
{
	const struct cowscope_record *x = a, *y = b;

	return x->ts < y->ts ? -1 : x->ts > y->ts;
}

static struct process *process_of(pid_t pid)
{
	unsigned int i;

	for (i = 0; i <= THREADS; i++)
		if (pid == thread_ids[i])
			return &processes[0];
	for (i = known; i > 1; i--)
		if (processes[i - 1].pid == pid)
			return &processes[i - 1];
	return NULL;
}

static int faults, compared, wrong, strangers;

static void play_fault(const struct cowscope_record *r)
{
	unsigned int decision = COWSCOPE_OUTCOME_DECISION(r->outcome);
	size_t page = (r->addr - (uintptr_t)mem) / PAGE;
	struct process *p = process_of(r->pid);
	uint64_t before = COWSCOPE_PTE_PFN(r->before), after = COWSCOPE_PTE_PFN(r->after);

	if (decision != COWSCOPE_COPY && decision != COWSCOPE_REUSE)
		return;
	if (!p) {
		strangers++;
		return;
	}
	faults++;
	if (p->pfn[page]) {
		compared++;
		if (p->pfn[page] != before && ++wrong <= 5)
			tap_note("pid %u page %zu: 0x%llx was there, 0x%llx -> 0x%llx says ts %llu",
				 r->pid, page, (unsigned long long)p->pfn[page],
				 (unsigned long long)before, (unsigned long long)after,
				 (unsigned long long)r->ts);
	}
	if ((decision == COWSCOPE_REUSE) != (before == after) && ++wrong <= 5)
		tap_note("pid %u page %zu: decision %u, yet 0x%llx -> 0x%llx", r->pid, page,
			 decision, (unsigned long long)before, (unsigned long long)after);
	p->pfn[page] = after;
}

static void play(void)
{
	size_t i;

	qsort(record, records, sizeof(*record), by_time);
	known = 1;
	for (i = 0; i < records; i++) {
		const struct cowscope_record *r = &record[i];

		if (r->type == COWSCOPE_EVENT_COW_FAULT) {
			play_fault(r);
		} else if (process_of(r->pid) != &processes[0]) {
			continue;
		} else if (r->type == COWSCOPE_EVENT_FORK_RANGE) {
			memcpy(forking, processes[0].pfn, sizeof(forking));
		} else if (known < PROCESSES) {
			processes[known].pid = r->target;
			memcpy(processes[known++].pfn, forking, sizeof(forking));
		}
	}
}

static int misplaced(void)
{
	static uint64_t entries[PAGES];
	int bad = 0;
	size_t i;

	pagemap(0, mem, PAGES, entries);
	for (i = 0; i < PAGES; i++)
		bad += processes[0].pfn[i] && processes[0].pfn[i] != PM_PFN(entries[i]);
	return bad;
}

static void *map_apart(size_t length)
{
	void *at = mmap(NULL, length, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (at == MAP_FAILED || madvise(at, length, MADV_DONTFORK))
		tap_bail("mmap: %s", strerror(errno));
	return at;
}

int main(void)
{
	int fd;

	tap_begin();
	fd = dev_open();
	record = map_apart(MOST_RECORDS * sizeof(*record));
	processes = map_apart(PROCESSES * sizeof(*processes));
	mem = map_anon(PAGES * PAGE);
	memset(mem, 'A', PAGES * PAGE);
	thread_ids[0] = getpid();
	rings_open(fd, &rings);
	rings_seek_end(&rings);
	run();
	play();
	tap_note("%zu records, %d copies and reuses", records, faults);
	tap_ok(compared > 5000, "%d faults have one before them", compared);
	tap_eq(wrong, 0, "each finds the page that the one before left");
	tap_eq(strangers, 0, "each is of a known process");
	tap_eq(misplaced(), 0, "the last one left what the page table has");
	rings_close(&rings);
	close(fd);
	return tap_end();
}
