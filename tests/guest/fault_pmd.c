// SPDX-License-Identifier: GPL-2.0
/*
 * Write faults on memory that a PMD maps: each act ends as the rule in force
 * has it, is recorded as that at that level, and what memory and holders read
 * shows who was right.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <linux/kernel-page-flags.h>

#include "act.h"

#define EXCLUSIVE	kernel_has(5, 19)
#define ZERO_COPIED	kernel_has(6, 13)
#define ASYNC		kernel_has(6, 7)

static int fd;
static char *mem;

static void fresh(void)
{
	mem = map_thp();
	if (!mem)
		tap_bail("no huge page");
}

static void gone(void)
{
	munmap(mem, HUGE);
}

static void alone(void)
{
	uint64_t before;

	fresh();
	wrprotect();
	before = pfn_of(mem);
	act_begin(mem, HUGE);
	poke(mem + 7 * PAGE, 'B');
	act_leaves("pmd reuse fine anon", mem + 7 * PAGE, 'B', "nobody else's");
	tap_ok(act.fault[0].addr == (uintptr_t)mem && COWSCOPE_PTE_PFN(act.fault[0].before) == before &&
	       COWSCOPE_PTE_PFN(act.fault[0].after) == before && pfn_of(mem) == before,
	       "... in place, and addressed by its first page");
	tap_ok(COWSCOPE_OUTCOME_PREDICTED(act.fault[0].outcome) == COWSCOPE_REUSE &&
	       act.fault[0].refcount == 1 && act.fault[0].mapcount == 1, "... as predicted");
	gone();
}

/* A filter for one page lets the fault on the huge page pass that has it. */
static void filtered(void)
{
	struct cowscope_filter f = { .size = sizeof(f) };

	fresh();
	f.start = (uintptr_t)mem + 100 * PAGE;
	f.end = f.start + PAGE;
	wrprotect();
	tap_eq(dev(fd, COWSCOPE_FILTER, &f), 0, "a filter for a page in the middle");
	act_begin(mem, HUGE);
	poke(mem + 7 * PAGE, 'B');
	act_leaves("pmd reuse fine anon", mem + 7 * PAGE, 'B', "... is for the huge page, too");
	f.start = (uintptr_t)mem + HUGE;
	f.end = f.start + PAGE;
	wrprotect();
	dev(fd, COWSCOPE_FILTER, &f);
	act_begin(mem, HUGE);
	poke(mem + 7 * PAGE, 'C');
	act_leaves("", mem + 7 * PAGE, 'C', "one for the page behind it is not");
	f.start = 0;
	f.end = 0;
	tap_eq(dev(fd, COWSCOPE_FILTER, &f), 0, "... and none again");
	gone();
}

static void pinned(unsigned int flags, const char *what)
{
	uint64_t before;
	int id;

	fresh();
	id = act_pin(flags | COWSCOPE_PIN_WRITE, mem + 5 * PAGE);
	wrprotect();
	before = pfn_of(mem);
	act_begin(mem, HUGE);
	poke(mem + 5 * PAGE, 'B');
	act_leaves("pmd reuse fine anon", mem + 5 * PAGE, 'B', "with %s of its own", what);
	tap_ok(pfn_of(mem) == before && act_held(id) == 'B' && (int)act.fault[0].holder == id,
	       "... the holder reads it, and is named");
	act_unpin(id);
	gone();
}

/* A child takes a reference, unmaps the page, and reads it later: the dispute. */
static void zygote(void)
{
	struct gate go, done;
	pid_t pid;

	fresh();
	gate_open(&go);
	gate_open(&done);
	pid = fork();
	if (!pid) {
		int own = dev_open(), id;
		char c = 0;

		id = dev_pin(own, 0, mem + 3 * PAGE, PAGE);
		munmap(mem, HUGE);
		gate_pass(&done);
		gate_wait(&go);
		_exit(id <= 0 || dev_read(own, id, 0, &c, 1) ? 255 : c);
	}
	gate_wait(&done);
	act_begin(mem, HUGE);
	poke(mem + 3 * PAGE, 'B');
	/* 5.10 goes by mapcount here; from 5.19 on the reference counts. */
	act_leaves(EXCLUSIVE ? "pmd split none anon, pte copy needed anon" : "pmd reuse leak anon",
		   mem + 3 * PAGE, 'B', "held by a child that has unmapped it");
	gate_pass(&go);
	tap_eq(wait_status(pid), EXCLUSIVE ? 'A' : 'B', "... which reads what it should not, or not");
	gone();
}

static void shared_child_writes(void)
{
	struct gate done, go;
	pid_t pid;

	fresh();
	gate_open(&go);
	gate_open(&done);
	act_begin(mem, HUGE);
	pid = fork();
	if (!pid) {
		poke(mem + PAGE, 'C');
		gate_pass(&done);
		gate_wait(&go);
		CHILD_SEES(mem + 2 * PAGE);
	}
	gate_wait(&done);
	act_leaves("pmd split none anon, pte copy needed anon", mem + PAGE, 'A',
		   "shared by a fork, the child writes");
	act_begin(mem, HUGE);
	poke(mem + 2 * PAGE, 'B');
	act_leaves("pmd split none anon, pte copy needed anon", mem + 2 * PAGE, 'B',
		   "... then the parent, elsewhere");
	gate_pass(&go);
	tap_eq(wait_status(pid), 'A', "... and the child reads what was there");
	gone();
}

static void shared_parent_writes(void)
{
	struct gate go;
	pid_t pid;
	int id;

	fresh();
	gate_open(&go);
	id = act_pin(0, mem + 9 * PAGE);
	pid = fork();
	if (!pid) {
		gate_wait(&go);
		CHILD_SEES(mem + 9 * PAGE);
	}
	act_begin(mem, HUGE);
	poke(mem + 9 * PAGE, 'B');
	act_leaves("pmd split none anon, pte copy pin_lost anon", mem + 9 * PAGE, 'B',
		   "shared by a fork, the parent holds and writes");
	tap_eq(act.losses, 1, "... the loss is recorded once, by the copy");
	tap_eq(act_held(id), 'A', "... the holder reads what was there");
	gate_pass(&go);
	tap_eq(wait_status(pid), 'A', "... so does the child");
	act_unpin(id);
	gone();
}

/* The huge zero page: copied as a whole since 6.13, split before. */
static void zero(bool hold)
{
	int id = 0;

	mem = map_anon(2 * HUGE);
	mem = (char *)(((uintptr_t)mem + HUGE - 1) & ~(HUGE - 1));
	madvise(mem, HUGE, MADV_HUGEPAGE);
	(void)peek(mem);
	if (!(kpageflags(pfn_of(mem)) & 1ULL << KPF_ZERO_PAGE) || pfn_of(mem + PAGE) != pfn_of(mem) + 1) {
		tap_skip("huge zero page", "read access maps something else here");
		return gone();
	}
	if (hold)
		id = act_pin(0, mem + 4 * PAGE);
	act_begin(mem, HUGE);
	poke(mem + 4 * PAGE, 'B');
	if (ZERO_COPIED)
		act_leaves(hold ? "pmd copy pin_lost zero" : "pmd copy needed zero",
			   mem + 4 * PAGE, 'B', "huge zero page%s", hold ? ", held" : "");
	else
		act_leaves(hold ? "pmd split pin_lost zero, pte copy needed zero" :
				  "pmd split none zero, pte copy needed zero",
			   mem + 4 * PAGE, 'B', "huge zero page%s", hold ? ", held" : "");
	tap_ok(!peek(mem + 5 * PAGE) &&
	       (pfn_of(mem + 5 * PAGE) == pfn_of(mem + 4 * PAGE) + 1) == ZERO_COPIED,
	       "... a huge page or a small one in its place");
	tap_eq(act.losses, hold, "... losses");
	if (hold) {
		tap_ok(act.lost[0].addr == (uintptr_t)mem + 4 * PAGE && (int)act.lost[0].holder == id,
		       "... by that holder, of that page");
		tap_eq(act_held(id), 0, "... which reads zero");
		act_unpin(id);
	}
	gone();
}

/* A read-only pin unshares first, where the rule has that. */
static void unshared(bool alone_again)
{
	struct gate go;
	pid_t pid;
	int id;

	fresh();
	gate_open(&go);
	pid = fork();
	if (!pid) {
		gate_wait(&go);
		CHILD_SEES(mem);
	}
	if (alone_again) {
		gate_pass(&go);
		wait_status(pid);
		drain();
	}
	act_begin(mem, HUGE);
	id = act_pin(COWSCOPE_PIN_FOLL_PIN, mem);
	act_end();
	if (!EXCLUSIVE)
		act_is("", 0, "pinned for reading");
	else if (alone_again)
		act_is("pmd unshare none anon", 0, "pinned for reading, the child is gone");
	else
		act_is("pmd split none anon, pte unshare needed anon", 0,
		       "pinned for reading while shared");
	if (!alone_again)
		gate_pass(&go), wait_status(pid);
	tap_eq(act_held(id), 'A', "... and the holder reads it");
	act_unpin(id);
	gone();
}

static void *writer(void *arg)
{
	poke(arg, 'B');
	return NULL;
}

static void uffd_sync(void)
{
	pthread_t thread;
	int uf;

	fresh();
	uf = uffd_protect(mem, HUGE, false);
	if (uf < 0) {
		tap_skip("uffd", "%s", strerror(-uf));
		return gone();
	}
	act_begin(mem, HUGE);
	pthread_create(&thread, NULL, writer, mem + PAGE);
	uffd_wait(uf);
	act_end();
	act_is("pmd uffd none anon", 0, "left to userfaultfd");
	tap_ok(act.faults && act.fault[0].before & COWSCOPE_PTE_UFFD_WP &&
	       act.fault[0].addr == (uintptr_t)mem, "... write-protected by it");
	tap_eq(stat_now(fd, "cow_fault_uffd.in_flight"), 0, "... nothing waits for its return");
	act_begin(mem, HUGE);
	uffd_release(uf, mem, HUGE);
	pthread_join(thread, NULL);
	/* Since 6.2 its exclusive page is made writable again at once. */
	act_leaves(kernel_has(6, 2) ? "" : "pmd reuse fine anon", mem + PAGE, 'B', "... released");
	close(uf);
	gone();
}

static void uffd_async(void)
{
	int uf;

	if (!ASYNC)
		return tap_skip("asynchronous userfaultfd", "since 6.7");
	fresh();
	uf = uffd_protect(mem, HUGE, true);
	if (uf < 0)
		tap_bail("userfaultfd: %s", strerror(-uf));
	act_begin(mem, HUGE);
	poke(mem + PAGE, 'B');
	act_end();
	act_is("pte reuse fine anon", 1, "write-protected asynchronously");
	tap_ok(act.faults && act.fault[0].before & COWSCOPE_PTE_UFFD_WP, "... as the PTE says");
	tap_eq(peek(mem + PAGE), 'B', "... and reads what it should");
	close(uf);
	gone();
}

/* Another process writes, as a debugger does. */
static void remote(void)
{
	struct gate go, done;
	pid_t pid;

	gate_open(&go);
	gate_open(&done);
	fresh();
	act_begin(mem, HUGE);
	pid = fork();
	if (!pid) {
		madvise(mem, HUGE, MADV_DONTNEED);
		memset(mem, 'C', HUGE);
		wrprotect();
		gate_pass(&done);
		gate_wait(&go);
		CHILD_SEES(mem + PAGE);
	}
	gate_wait(&done);
	act_begin(mem, HUGE);
	write_remote(pid, mem + PAGE, 'R');
	act_end();
	act_is("pmd reuse fine anon remote", 0, "written by another process");
	gate_pass(&go);
	tap_eq(wait_status(pid), 'R', "... and its owner reads it");
	gone();
}

/* Threads that write to one huge page at once: one of them reuses it. */
static pthread_barrier_t start;

static void *racer(void *arg)
{
	pthread_barrier_wait(&start);
	poke(arg, 'B');
	return NULL;
}

static void races(void)
{
	int round, i, reused = 0, others = 0;
	pthread_t thread[4];

	fresh();
	pthread_barrier_init(&start, NULL, 4);
	for (round = 0; round < 50; round++) {
		wrprotect();
		act_begin(mem, HUGE);
		for (i = 0; i < 4; i++)
			pthread_create(&thread[i], NULL, racer, mem + i * PAGE);
		for (i = 0; i < 4; i++)
			pthread_join(thread[i], NULL);
		act_end();
		for (i = 0; i < act.faults; i++) {
			reused += COWSCOPE_OUTCOME_DECISION(act.fault[i].outcome) == COWSCOPE_REUSE;
			others += COWSCOPE_OUTCOME_DECISION(act.fault[i].outcome) != COWSCOPE_REUSE &&
				  COWSCOPE_OUTCOME_DECISION(act.fault[i].outcome) != COWSCOPE_RACED;
		}
	}
	if (!tap_ok(reused == 50 && !others, "threads at once: each round is reused once"))
		tap_note("%d reused, %d neither that nor raced", reused, others);
	gone();
}

int main(void)
{
	tap_begin();
	fd = act_open();
	alone();
	filtered();
	pinned(COWSCOPE_PIN_FOLL_PIN, "a pin");
	pinned(0, "a reference");
	zygote();
	shared_child_writes();
	shared_parent_writes();
	zero(false);
	zero(true);
	unshared(true);
	unshared(false);
	uffd_sync();
	uffd_async();
	remote();
	races();
	act_close();
	return tap_end();
}
