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
#include <stdarg.h>
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
#include <time.h>
#include <unistd.h>
#include <linux/cowscope.h>
#include <linux/io_uring.h>

typedef unsigned long long u64;

#define PAGE		4096UL
#define HUGE		(2UL << 20)
#define GIB		(1UL << 30)

#define PAGES		1024	/* of one round: done before the timer ticks, mostly */
#define HUGE_PAGES	16
#define FAULT_ROUNDS	9
#define HUGE_ROUNDS	5
#define GIB_ROUNDS	1	/* long enough that ticks of the timer do not matter */

#define ENTRY_PFN(e)	((e) & ((1ULL << 55) - 1))
#define ENTRY_SOFT	(1ULL << 55)

/* A counter that must grow by `per` each time. */
struct check {
	const char *file;
	const char *keys;	/* joined by +; empty: the file is one number */
	unsigned int per;
	bool others;		/* it may grow by more: others' doings count in it */
};

static struct check checks[4];
static unsigned int n_checks;
static u64 began[4];

/* Of one row: */
static u64 best;
static u64 done;		/* in all rounds, also those that do not count */
static unsigned int rounds, good;
static char wrong[160];		/* why the last round that does not count does not */

static void __attribute__((format(printf, 1, 2))) fault_of(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(wrong, sizeof(wrong), format, args);
	va_end(args);
}

static void __attribute__((noreturn)) fail(const char *what)
{
	perror(what);
	exit(1);
}

static bool is_key(const char *keys, const char *name)
{
	size_t n = strlen(name);
	const char *p;

	if (n && name[n - 1] == ':')
		n--;
	for (p = keys; p; p = strchr(p, '+') ? strchr(p, '+') + 1 : NULL)
		if (strcspn(p, "+") == n && !strncmp(p, name, n))
			return true;
	return false;
}

static u64 counter(const struct check *c)
{
	static char text[65536];
	char name[64], *line, *rest;
	int fd = open(c->file, O_RDONLY);
	size_t len = 0;
	ssize_t got;
	u64 value, sum = 0;

	if (fd < 0)
		fail(c->file);
	while ((got = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += got;
	close(fd);
	text[len] = 0;
	if (!*c->keys)
		return strtoull(text, NULL, 0);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (sscanf(line, "%63s %llu", name, &value) == 2 && is_key(c->keys, name))
			sum += value;
	return sum;
}

static u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* What is done between a page's write-protection and the timed part, so that no
 * page of the program's own is written for the first time there.
 */
static void checks_begin(void)
{
	unsigned int i, twice;

	/* Whoever had to wait for us gets the processor now, not in the timed part. */
	usleep(50000);
	for (twice = 0; twice < 2; twice++)
		for (i = 0; i < n_checks; i++)
			began[i] = counter(&checks[i]);
	now();
}

static bool checks_hold(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n_checks; i++) {
		u64 grew = counter(&checks[i]) - began[i];

		if (grew < (u64)n * checks[i].per ||
		    (!checks[i].others && grew > (u64)n * checks[i].per)) {
			fault_of("%s %s grew by %llu, not by %llu", checks[i].file, checks[i].keys,
				 grew, (u64)n * checks[i].per);
			return false;
		}
	}
	return true;
}

/* The end of a round: `n` things took `ns`; `holds`: it was what it should be. */
static void round_end(u64 ns, unsigned int n, bool holds)
{
	u64 each = (ns + n / 2) / n;

	rounds++;
	done += n;
	if (holds) {
		if (!good++ || each < best)
			best = each;
	}
}

static void write_all(char *p, size_t step, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		__atomic_store_n(p + i * step, 1, __ATOMIC_RELAXED);
}

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

static void clear_refs(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/proc/self/clear_refs", O_WRONLY);
	if (write(fd, "4", 1) != 1)
		fail("/proc/self/clear_refs");
}

static char *map(size_t length, int advice)
{
	/* Room to align it to huge pages; nothing behind it becomes part of it. */
	char *p = mmap(NULL, length + 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	if (mprotect(p, length, PROT_READ | PROT_WRITE) || madvise(p, length, advice))
		fail("madvise");
	return p;
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

/* A write-protect fault on a page that is nobody else's. */
static void row_reuse(void)
{
	char *p = map(PAGES * PAGE, MADV_NOHUGEPAGE);
	u64 t;

	write_all(p, PAGE, PAGES);
	while (rounds < FAULT_ROUNDS) {
		bool holds;
		size_t n;

		clear_refs();
		entries(p, PAGE, PAGES, before);
		checks_begin();
		t = now();
		write_all(p, PAGE, PAGES);
		t = now() - t;
		holds = checks_hold(PAGES);
		entries(p, PAGE, PAGES, after);
		n = moved(before, after, PAGES);
		if (n)
			fault_of("%zu of %d pages were copied", n, PAGES);
		round_end(t, PAGES, holds && !n);
	}
}

/* A write-protect fault on a page that a child maps, too. */
static void row_copy(void)
{
	char *p = map(PAGES * PAGE, MADV_NOHUGEPAGE);
	u64 t;

	write_all(p, PAGE, PAGES);
	while (rounds < FAULT_ROUNDS) {
		bool holds;
		size_t n;

		share();
		entries(p, PAGE, PAGES, before);
		checks_begin();
		t = now();
		write_all(p, PAGE, PAGES);
		t = now() - t;
		holds = checks_hold(PAGES);
		entries(p, PAGE, PAGES, after);
		unshare_all();
		n = moved(before, after, PAGES);
		if (n != PAGES)
			fault_of("%zu of %d pages were copied", n, PAGES);
		round_end(t, PAGES, holds && n == PAGES);
	}
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
	arg.addr = (uintptr_t)gib();
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
};

/* A line "ROW FIGURE DONE", or "ROW ! WHY". */
static void run(const struct row *row)
{
	best = 0;
	done = 0;
	rounds = 0;
	good = 0;
	wrong[0] = 0;
	row->run();
	if (2 * good < rounds || !good)
		printf("%s ! %s\n", row->name, wrong);
	else
		printf("%s %llu %llu\n", row->name, best, done);
	fflush(stdout);
}

static void usage(void)
{
	fprintf(stderr, "usage: work {[-c FILE,KEY[+KEY]...,PER[+]]... ROW}...\n"
		"each thing done in ROW must add PER, or more if a + follows, to the sum of\n"
		"the KEYs in FILE\n");
	exit(2);
}

static void add_check(char *spec)
{
	char *keys = strchr(spec, ','), *per = strrchr(spec, ',');

	if (n_checks == sizeof(checks) / sizeof(*checks) || !keys || keys == per)
		usage();
	*keys = 0;
	*per = 0;
	checks[n_checks].file = spec;
	checks[n_checks].keys = keys + 1;
	checks[n_checks].per = strtoul(per + 1, &keys, 10);
	checks[n_checks++].others = *keys == '+';
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
			add_check(*++argv);
			continue;
		}
		for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
			if (!strcmp(rows[i].name, *argv))
				break;
		if (i == sizeof(rows) / sizeof(*rows))
			usage();
		run(&rows[i]);
		n_checks = 0;
	}
	return 0;
}
