// SPDX-License-Identifier: GPL-2.0
/*
 * The rows of the benchmark: each does a thing some times over, and prints what
 * one costs, the least of some rounds. With -icount a ns is an instruction.
 *
 * A round counts only if it was what it is called: that is seen from
 * /proc/self/pagemap and smaps, and from the counters named with -c, which must
 * have grown by as much as was done.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/cowscope.h>
#include <linux/io_uring.h>

#include "memory.h"
#include "rounds.h"
#include "together.h"

#define GIB		(1UL << 30)

#define PAGES		1024	/* of one round: done before the timer ticks, mostly */
#define HUGE_PAGES	16
#define FAULT_ROUNDS	9
#define HUGE_ROUNDS	5
#define GIB_ROUNDS	1	/* long enough that ticks of the timer do not matter */

#define ENTRY_PFN(e)	((e) & ((1ULL << 55) - 1))
#define ENTRY_SOFT	(1ULL << 55)

/* Entries of /proc/self/pagemap of n pages, `step` bytes apart. */
static void entries(const char *p, size_t step, size_t n, u64 *to)
{
	static int fd = -1;
	size_t i;

	if (fd < 0)
		fd = open("/proc/self/pagemap", O_RDONLY);
	for (i = 0; i < n; i++)
		if (pread(fd, to + i, 8, (uintptr_t)(p + i * step) / PAGE * 8) != 8)
			fail("/proc/self/pagemap");
}

/* How many of n pages are others than before. */
static size_t moved(const u64 *before, const u64 *after, size_t n)
{
	size_t i, count = 0;

	for (i = 0; i < n; i++)
		count += ENTRY_PFN(before[i]) != ENTRY_PFN(after[i]);
	return count;
}

/* Bytes that PMDs map, in kB, of the mapping that begins at p. */
static unsigned long huge_kb(const char *p)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long start, end, kb, sum = 0;
	char line[512];
	bool in = false;

	if (!f)
		fail("/proc/self/smaps");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			in = start >= (uintptr_t)p && start < (uintptr_t)p + HUGE_PAGES * HUGE;
		else if (in && sscanf(line, "AnonHugePages: %lu kB", &kb) == 1)
			sum += kb;
	}
	fclose(f);
	return sum;
}

/* A child that shares all memory until it is told to end. */
static pid_t child;
static int child_end;

static void share(void)
{
	int ready[2], end[2];
	char c;

	if (pipe(ready) || pipe(end))
		fail("pipe");
	child = fork();
	if (child < 0)
		fail("fork");
	if (!child) {
		close(end[1]);
		if (write(ready[1], "r", 1) != 1 || read(end[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(ready[1]);
	close(end[0]);
	if (read(ready[0], &c, 1) != 1)
		fail("the child");
	close(ready[0]);
	child_end = end[1];
}

static void unshare_all(void)
{
	close(child_end);
	waitpid(child, NULL, 0);
}

static u64 before[PAGES], after[PAGES];

/* A write-protect fault on each of some small pages. */
static void small(bool shared)
{
	char *p = map(PAGES * PAGE, MADV_NOHUGEPAGE);
	u64 t;

	write_all(p, PAGE, PAGES);
	while (rounds < FAULT_ROUNDS) {
		bool holds;
		size_t n;

		if (shared)
			share();
		else
			clear_refs();
		entries(p, PAGE, PAGES, before);
		checks_begin();
		t = now();
		write_all(p, PAGE, PAGES);
		t = now() - t;
		holds = checks_hold(PAGES);
		entries(p, PAGE, PAGES, after);
		if (shared)
			unshare_all();
		n = moved(before, after, PAGES);
		if (n != (shared ? PAGES : 0)) {
			fault_of("%zu of %d pages were copied", n, PAGES);
			holds = false;
		}
		round_end(t, PAGES, holds);
	}
}

/* Pages that are nobody else's. */
static void row_reuse(void)
{
	small(false);
}

/* Pages that a child maps, too. */
static void row_copy(void)
{
	small(true);
}

static void thp(bool shared)
{
	while (rounds < HUGE_ROUNDS) {
		char *p = map(HUGE_PAGES * HUGE, MADV_HUGEPAGE);
		unsigned long kb, kb_after;
		bool holds;
		size_t n;
		u64 t;

		write_all(p, HUGE, HUGE_PAGES);
		if (shared)
			share();
		else
			clear_refs();
		entries(p, HUGE, HUGE_PAGES, before);
		kb = huge_kb(p);
		checks_begin();
		t = now();
		write_all(p, HUGE, HUGE_PAGES);
		t = now() - t;
		holds = checks_hold(HUGE_PAGES);
		entries(p, HUGE, HUGE_PAGES, after);
		kb_after = huge_kb(p);
		if (shared)
			unshare_all();
		n = moved(before, after, HUGE_PAGES);
		if (kb != HUGE_PAGES * HUGE / 1024 || kb_after != (shared ? 0 : kb) ||
		    n != (shared ? HUGE_PAGES : 0)) {
			fault_of("huge before %lu kB, after %lu kB, %zu pages copied", kb, kb_after, n);
			holds = false;
		}
		munmap(p, HUGE_PAGES * HUGE);
		round_end(t, HUGE_PAGES, holds);
	}
}

static void row_thp_reuse(void)
{
	thp(false);
}

/* Split, and the page that is written is copied. */
static void row_thp_split(void)
{
	thp(true);
}

/* 1 GiB of small pages, of all rows that need it: to write it first takes long. */
static char *gib(void)
{
	static char *p;

	if (!p) {
		p = map(GIB, MADV_NOHUGEPAGE);
		write_all(p, PAGE, GIB / PAGE);
	}
	return p;
}

/* ... each page of it writable. */
static char *gib_writable(void)
{
	write_all(gib(), PAGE, GIB / PAGE);
	return gib();
}

static void row_fork(void)
{
	while (rounds < GIB_ROUNDS) {
		bool holds;
		pid_t pid;
		u64 t;

		gib_writable();
		checks_begin();
		t = now();
		pid = fork();
		if (!pid)
			_exit(0);
		t = now() - t;
		if (pid < 0)
			fail("fork");
		holds = checks_hold(1);
		waitpid(pid, NULL, 0);
		round_end(t, 1, holds);
	}
}

/* One page of the process has been pinned: the kernel remembers that. */
static void row_fork_pinned(void)
{
	struct io_uring_params params = { 0 };
	struct iovec iov = { gib(), PAGE };
	int fd = syscall(__NR_io_uring_setup, 1, &params);

	if (fd < 0 || syscall(__NR_io_uring_register, fd, IORING_REGISTER_BUFFERS, &iov, 1) ||
	    syscall(__NR_io_uring_register, fd, IORING_UNREGISTER_BUFFERS, NULL, 0))
		fail("io_uring");
	close(fd);
	row_fork();
}

static void row_clear_refs(void)
{
	while (rounds < GIB_ROUNDS) {
		const char *p = gib_writable();
		bool holds;
		size_t i, j, n = 0;
		u64 t;

		checks_begin();
		t = now();
		clear_refs();
		t = now() - t;
		holds = checks_hold(1);
		for (i = 0; i < GIB / PAGE; i += PAGES) {
			entries(p + i * PAGE, PAGE, PAGES, before);
			for (j = 0; j < PAGES; j++)
				n += !!(before[j] & ENTRY_SOFT);
		}
		if (n)
			fault_of("%zu pages are soft-dirty still", n);
		round_end(t, 1, holds && !n);
	}
}

/* PIN and UNPIN. */
static void pin(size_t pages, unsigned int times)
{
	struct cowscope_pin arg = {
		.size = sizeof(arg), .flags = COWSCOPE_PIN_FOLL_PIN, .length = pages * PAGE,
	};
	struct cowscope_unpin unpin = { .size = sizeof(unpin) };
	int fd = open("/dev/cowscope", O_RDWR);
	unsigned int i;

	if (fd < 0)
		fail("/dev/cowscope");
	/* Pages that a fork has left shared would be unshared first, by a fault each. */
	arg.addr = (uintptr_t)gib_writable();
	while (rounds < GIB_ROUNDS) {
		bool holds = true;
		u64 t;

		checks_begin();
		t = now();
		for (i = 0; i < times && holds; i++) {
			holds = !ioctl(fd, COWSCOPE_PIN, &arg) && arg.id;
			unpin.id = arg.id;
			holds = holds && !ioctl(fd, COWSCOPE_UNPIN, &unpin);
		}
		t = now() - t;
		if (!holds)
			fault_of("PIN or UNPIN failed");
		holds = holds && checks_hold(times);
		round_end(t, times, holds);
	}
	close(fd);
}

static void row_pin_1(void)
{
	pin(1, 512);
}

static void row_pin_512(void)
{
	pin(512, 16);
}

static void row_pin_262144(void)
{
	pin(262144, 1);
}

static const struct row {
	const char *name;
	void (*run)(void);
} rows[] = {
	{ "reuse", row_reuse },
	{ "copy", row_copy },
	{ "thp_reuse", row_thp_reuse },
	{ "thp_split", row_thp_split },
	{ "fork", row_fork },
	{ "clear_refs", row_clear_refs },
	{ "fork_pinned", row_fork_pinned },
	{ "pin_1", row_pin_1 },
	{ "pin_512", row_pin_512 },
	{ "pin_262144", row_pin_262144 },
	{ "smp_1", row_smp_1 },
	{ "smp_2", row_smp_2 },
	{ "smp_4", row_smp_4 },
	{ "smp_8", row_smp_8 },
	{ "threads_1", row_threads_1 },
	{ "threads_2", row_threads_2 },
	{ "threads_4", row_threads_4 },
	{ "threads_8", row_threads_8 },
	{ "flat", row_flat },
};

static void usage(void)
{
	fprintf(stderr, "usage: work {[-c FILE,KEY[+KEY]...,PER[+]]... ROW}...\n"
		"each thing done in ROW must add PER, or more if a + follows, to the sum of\n"
		"the KEYs in FILE\n");
	exit(2);
}

int main(int argc, char **argv)
{
	struct sched_param param = { .sched_priority = 1 };
	size_t i;

	/* Nobody else runs within the timed part; children are as others. */
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param))
		fail("sched_setscheduler");
	if (argc < 2)
		usage();
	while (*++argv) {
		if (!strcmp(*argv, "-c") && argv[1]) {
			if (!check_add(*++argv))
				usage();
			continue;
		}
		for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
			if (!strcmp(rows[i].name, *argv))
				break;
		if (i == sizeof(rows) / sizeof(*rows))
			usage();
		rounds_begin();
		rows[i].run();
		rounds_print(rows[i].name);
		checks_forget();
	}
	return 0;
}
