// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "rounds.h"
#include "together.h"

#define AT_ONCE		8192	/* pages of each process or thread */
#define FLAT_NS		10000000000ull
#define MOST		64

/* What they share; the pipes have a byte for each of them. */
static struct {
	int ready[2], go[2], done[2], end[2];
	unsigned int there;
	u64 began[MOST], ended[MOST];
	u64 faults[MOST];
	char *memory[MOST];
} *t;

/* Tell sharing.c where the part begins and ends that it watches: NOPs of no other use. */
static inline void mark_first(void)
{
	asm volatile(".byte 0x0f, 0x1f, 0x80\n\t.ascii \"cow1\"" ::: "memory");
}

static inline void mark_last(void)
{
	asm volatile(".byte 0x0f, 0x1f, 0x80\n\t.ascii \"cow2\"" ::: "memory");
}

static void settle_on(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("sched_setaffinity");
}

static void get(const int *end, unsigned int n)
{
	char c;

	while (n--)
		if (read(end[0], &c, 1) != 1)
			fail("read");
}

static void put(const int *end, unsigned int n)
{
	while (n--)
		if (write(end[1], "", 1) != 1)
			fail("write");
}

/* Of one of them: its pages are written, protected by @protect or by others, written. */
static void take_part(unsigned int self, unsigned int all, void (*protect)(void))
{
	char *p = t->memory[self];

	settle_on(self);
	write_all(p, PAGE, AT_ONCE);
	if (protect)
		protect();
	put(t->ready, 1);
	get(t->go, 1);
	__atomic_add_fetch(&t->there, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&t->there, __ATOMIC_SEQ_CST) != all)
		__builtin_ia32_pause();
	t->began[self] = now();
	write_all(p, PAGE, AT_ONCE);
	t->ended[self] = now();
	put(t->done, 1);
	/* What it does to end is not for the others to pay. */
	get(t->end, 1);
}

/* When all are ready: from the first one's first fault to the last one's last. */
static void measure(unsigned int all, void (*protect)(void))
{
	u64 first = -1, last = 0;
	unsigned int i;
	bool holds;

	get(t->ready, all);
	if (protect)
		protect();
	checks_begin();
	mark_first();
	put(t->go, all);
	get(t->done, all);
	mark_last();
	holds = checks_hold(all * AT_ONCE);
	put(t->end, all);
	for (i = 0; i < all; i++) {
		first = t->began[i] < first ? t->began[i] : first;
		last = t->ended[i] > last ? t->ended[i] : last;
	}
	round_end(last - first, all * AT_ONCE, holds);
}

static void share(unsigned int all)
{
	if (all > MOST || all > sysconf(_SC_NPROCESSORS_ONLN)) {
		errno = ENXIO;
		fail("processors");
	}
	if (!t)
		t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t == MAP_FAILED || pipe(t->ready) || pipe(t->go) || pipe(t->done) || pipe(t->end))
		fail("what they share");
	t->there = 0;
}

static void forget(void)
{
	int *ends[] = { t->ready, t->go, t->done, t->end };
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		close(ends[i][0]);
		close(ends[i][1]);
	}
}

static void processes(unsigned int all)
{
	unsigned int i;

	share(all);
	for (i = 0; i < all; i++) {
		pid_t pid = fork();

		if (pid < 0)
			fail("fork");
		if (pid)
			continue;
		t->memory[i] = map(AT_ONCE * PAGE, MADV_NOHUGEPAGE);
		take_part(i, all, clear_refs);
		_exit(0);
	}
	measure(all, NULL);
	while (wait(NULL) > 0)
		;
	forget();
}

void row_smp_1(void) { processes(1); }
void row_smp_2(void) { processes(2); }
void row_smp_4(void) { processes(4); }
void row_smp_8(void) { processes(8); }

static unsigned int threads_all;

static void *thread(void *self)
{
	take_part((uintptr_t)self, threads_all, NULL);
	return NULL;
}

static void threads(unsigned int all)
{
	pthread_t of[MOST];
	uintptr_t i;

	share(all);
	threads_all = all;
	for (i = 0; i < all; i++) {
		t->memory[i] = map(AT_ONCE * PAGE, MADV_NOHUGEPAGE);
		errno = pthread_create(&of[i], NULL, thread, (void *)i);
		if (errno)
			fail("pthread_create");
	}
	measure(all, clear_refs);
	for (i = 0; i < all; i++) {
		pthread_join(of[i], NULL);
		munmap(t->memory[i], AT_ONCE * PAGE);
	}
	forget();
}

void row_threads_1(void) { threads(1); }
void row_threads_2(void) { threads(2); }
void row_threads_4(void) { threads(4); }
void row_threads_8(void) { threads(8); }

void row_flat(void)
{
	unsigned int all = sysconf(_SC_NPROCESSORS_ONLN), i;
	u64 began = now(), faults = 0;

	share(all);
	for (i = 0; i < all; i++) {
		pid_t pid = fork();
		char *p;

		if (pid < 0)
			fail("fork");
		if (pid)
			continue;
		settle_on(i);
		p = map(AT_ONCE * PAGE, MADV_NOHUGEPAGE);
		for (write_all(p, PAGE, AT_ONCE); now() - began < FLAT_NS; t->faults[i] += AT_ONCE) {
			clear_refs();
			write_all(p, PAGE, AT_ONCE);
		}
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
	for (i = 0; i < all; i++)
		faults += t->faults[i];
	round_end(now() - began, faults, true);
}
