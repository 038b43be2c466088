// SPDX-License-Identifier: GPL-2.0
/*
 * The file gup_test, call by call. What the kernel's selftests do with it is seen by
 * tests/selftests. Also built for 32 bit.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <linux/capability.h>

#include "../../module/gup_test_abi.h"
#include "kit.h"
#include "tap.h"

#define TEST_FILE	"/sys/kernel/debug/gup_test"
#define OLD_FILE	"/sys/kernel/debug/gup_benchmark"
#define PAGES	8
#define SIZE	(PAGES * PAGE)
#define LIMIT	(1ULL << 20)	/* pages; see COWSCOPE_PIN */
#define NOWHERE	((void *)8)

static int fd;
static char *mem;		/* PAGES, then a hole */

static int call(int file, unsigned long cmd, const void *arg)
{
	return ioctl(file, cmd, arg) ? -errno : 0;
}

static int start(int file, const void *addr, uint64_t size, unsigned int flags)
{
	struct gup_test_pin arg = { .addr = (uintptr_t)addr, .size = size, .flags = flags };

	return call(file, GUP_TEST_START, &arg);
}

static int read_back(int file, void *to)
{
	uint64_t addr = (uintptr_t)to;

	return call(file, GUP_TEST_READ, &addr);
}

static int stop(int file)
{
	return call(file, GUP_TEST_STOP, NULL);
}

static int open_file(void)
{
	int file = open(TEST_FILE, O_RDWR | O_CLOEXEC);

	if (file < 0)
		tap_bail(TEST_FILE ": %s", strerror(errno));
	return file;
}

static bool served_by(const char *who)
{
	char line[16];

	return read_file(DEBUG "gup_test", line, sizeof(line)) && !strcmp(line, who);
}

/* So many pins are held, are charged, and are known as one of cowscope's. */
static bool held(long long pages)
{
	return foll_pins() == pages && pins_listed() == !!pages &&
	       memlock(0) == (long)(pages * PAGE / 1024);
}

#define REFUSED(err, call, what) do {					\
	tap_eq(call, -(err), what);					\
	if (!held(0))							\
		tap_ok(false, what ": nothing is held");		\
} while (0)

static void bad_starts(void)
{
	char *hole = mem + SIZE;

	REFUSED(EINVAL, start(fd, mem + 1, PAGE, 0), "START: address off by one");
	REFUSED(EINVAL, start(fd, mem, PAGE + 1, 0), "START: a page and a byte");
	REFUSED(EINVAL, start(fd, mem, 0, 0), "START: nothing");
	REFUSED(EINVAL, start(fd, mem, 1ULL << 63, 0), "START: 2^63 bytes");
	REFUSED(EINVAL, start(fd, mem, -4096ULL, 0), "START: 2^64 bytes less a page");
	REFUSED(EINVAL, start(fd, mem, PAGE, 4), "START: unknown flag");
	REFUSED(EINVAL, start(fd, mem, PAGE, 1U << 31), "START: another one");
	REFUSED(EFAULT, start(fd, hole, PAGE, 0), "START: unmapped");
	REFUSED(EFAULT, start(fd, hole, PAGE, GUP_TEST_PIN_FAST), "START: unmapped, fast");
	REFUSED(EFAULT, start(fd, hole - PAGE, 2 * PAGE, 0), "START: half of it unmapped");
	REFUSED(EFAULT, start(fd, hole - PAGE, 2 * PAGE, GUP_TEST_PIN_FAST),
		"START: half of it unmapped, fast");
	REFUSED(EFAULT, start(fd, mem, 1ULL << 62, 0), "START: beyond all addresses");
	REFUSED(ENOSPC, start(fd, mem, (LIMIT + 1) * PAGE, 0), "START: beyond the limit");
	REFUSED(EFAULT, call(fd, GUP_TEST_START, NULL), "START: no struct");
	REFUSED(EFAULT, call(fd, GUP_TEST_START, NOWHERE), "START: struct unmapped");
	REFUSED(EINVAL, read_back(fd, mem), "READ before START");
	tap_eq(stop(fd), 0, "STOP before START");
}

static void unknown_commands(void)
{
	REFUSED(EINVAL, call(fd, _IO('g', 0), NULL), "command 0");
	REFUSED(EINVAL, call(fd, _IO('g', 10), NULL), "command 10");
	REFUSED(EINVAL, call(fd, _IO('h', 8), NULL), "another type");
	REFUSED(EINVAL, call(fd, _IOW('g', 7, __u64), mem), "START of another size");
	REFUSED(EINVAL, call(fd, _IOR('g', 7, struct gup_test_pin), mem), "START, other direction");
	REFUSED(EINVAL, call(fd, _IOWR('g', 4, struct gup_test_pin), mem), "a run of another size");
}

static void pins(unsigned int flags)
{
	static char copy[SIZE];
	int other;

	memset(mem, 'A', SIZE);
	tap_eq(start(fd, mem, SIZE, flags), 0, "START, flags %u", flags);
	tap_ok(held(PAGES), "%u pages are pinned", PAGES);
	tap_eq(start(fd, mem, PAGE, flags), -EINVAL, "a second START");
	mem[PAGE] = 'B';
	tap_ok(!read_back(fd, copy) && !memcmp(mem, copy, SIZE), "READ: what is there now");
	tap_eq(read_back(fd, mem + SIZE - PAGE), -EFAULT, "READ: no room for all");
	tap_eq(call(fd, GUP_TEST_READ, NULL), -EFAULT, "READ: no pointer");
	tap_ok(held(PAGES), "and all is still pinned");

	other = open_file();
	tap_eq(read_back(other, copy), -EINVAL, "another open file has nothing to READ");
	tap_eq(stop(other), 0, "nor to STOP");
	tap_ok(held(PAGES), "and returned nothing");
	tap_eq(start(other, mem, PAGE, flags), 0, "it pins for itself");
	tap_eq(foll_pins(), PAGES + 1, "one page more");
	close(other);
	tap_ok(held(PAGES), "close returns it");

	tap_eq(stop(fd), 0, "STOP");
	tap_ok(held(0), "all is returned");
	tap_eq(read_back(fd, copy), -EINVAL, "READ after STOP");
}

/* What is pinned goes with its process, however that ends. */
static void process_ends(bool killed)
{
	struct gate ready;
	pid_t pid;
	int err;

	gate_open(&ready);
	pid = fork();
	if (!pid) {
		memset(mem, 'C', SIZE);
		err = start(open_file(), mem, SIZE, GUP_TEST_PIN_WRITE);
		gate_pass(&ready);
		if (killed && !err)
			pause();
		_exit(!!err);
	}
	gate_wait(&ready);
	if (killed) {
		tap_eq(foll_pins(), PAGES, "held until then");
		kill(pid, SIGKILL);
	}
	tap_eq(wait_status(pid), killed ? 128 + SIGKILL : 0, killed ? "SIGKILL" : "exit");
	tap_ok(held(0), "all is returned");
}

static const struct {
	const char *name;
	unsigned long cmd;
	unsigned int test_flags;
} runs[] = {
	{ "GUP_FAST_BENCHMARK", GUP_TEST_RUN_GUP_FAST, 0 },
	{ "PIN_FAST_BENCHMARK", GUP_TEST_RUN_PIN_FAST, 0 },
	{ "PIN_LONGTERM_BENCHMARK", GUP_TEST_RUN_PIN_LONGTERM, 0 },
	{ "GUP_BASIC_TEST", GUP_TEST_RUN_GUP, 0 },
	{ "PIN_BASIC_TEST", GUP_TEST_RUN_PIN, 0 },
	{ "DUMP_USER_PAGES_TEST", GUP_TEST_RUN_DUMP, 0 },
	{ "DUMP_USER_PAGES_TEST with pins", GUP_TEST_RUN_DUMP, GUP_TEST_DUMP_PIN },
};

/* One run: the bytes that it got, or an error. */
static long long run(int n, uint64_t size, unsigned int per_call, unsigned int flags)
{
	struct gup_test_run arg = { .get_usec = -1ULL, .put_usec = -1ULL, .addr = (uintptr_t)mem,
		.size = size, .pages_per_call = per_call, .gup_flags = flags,
		.test_flags = runs[n].test_flags, .dump = { PAGES + 1, ~0U } };
	int err = call(fd, runs[n].cmd, &arg);

	if (err)
		return err;
	if (arg.get_usec == -1ULL || arg.put_usec == -1ULL)
		return -ETIME;
	/* There are no such pages. */
	return runs[n].cmd == GUP_TEST_RUN_DUMP && (arg.dump[0] || arg.dump[1]) ? -ERANGE :
	       (long long)arg.size;
}

static void run_rules(int n)
{
	const char *name = runs[n].name;
	struct gup_test_run arg = { .addr = -4096ULL, .size = 2 * PAGE };
	long long pinned;

	tap_ok(held(0), "%s: nothing is held", name);
	pinned = vmstat("nr_foll_pin_acquired");
	tap_eq(run(n, SIZE, PAGES, GUP_TEST_WRITE), SIZE, "%s: in one go", name);
	tap_eq(run(n, SIZE, 1, GUP_TEST_TOUCH), SIZE, "%s: page by page", name);
	tap_eq(run(n, SIZE, 3, 0), SIZE, "%s: three by three", name);
	tap_eq(run(n, SIZE, 1000, 0), SIZE, "%s: more a call than there are", name);
	tap_eq(run(n, SIZE + 2 * PAGE, 2, 0), SIZE, "%s: up to what is unmapped", name);
	tap_eq(run(n, PAGE + 1, 2, 0), PAGE, "%s: whole pages only", name);
	tap_eq(run(n, 1, 1, 0), 0, "%s: less than a page", name);
	tap_eq(run(n, 0, 1, 0), 0, "%s: nothing", name);
	tap_eq(run(n, SIZE, 0, 0), 0, "%s: no page a call", name);
	tap_eq(run(n, SIZE, 1, 4), -EINVAL, "%s: unknown flag", name);
	tap_eq(run(n, SIZE, 1, 1U << 31), -EINVAL, "%s: another one", name);
	tap_eq(run(n, (LIMIT + 1) * PAGE, 1, 0), -ENOSPC, "%s: beyond the limit", name);
	tap_eq(run(n, -4096ULL, 1, 0), -EINVAL, "%s: wraps", name);
	tap_eq(call(fd, runs[n].cmd, &arg), -EINVAL, "%s: wraps to 0", name);
	tap_eq(call(fd, runs[n].cmd, NULL), -EFAULT, "%s: no struct", name);
	tap_eq(call(fd, runs[n].cmd, NOWHERE), -EFAULT, "%s: struct unmapped", name);
	tap_ok(held(0), "%s: nor afterwards", name);
	tap_eq(vmstat("nr_foll_pin_acquired") != pinned,
	       runs[n].cmd == GUP_TEST_RUN_PIN_FAST || runs[n].cmd == GUP_TEST_RUN_PIN_LONGTERM ||
	       runs[n].cmd == GUP_TEST_RUN_PIN || runs[n].test_flags, "%s: by pins or not", name);
}

/* The file and the numbers of 5.10; its own program leaves flags as they happen to be. */
static void benchmark(void)
{
	static const struct {
		unsigned long cmd;
		bool pins;
	} old[] = {
		{ GUP_BENCHMARK_GUP_FAST, false },
		{ GUP_BENCHMARK_GUP, false },
		{ GUP_BENCHMARK_PIN_FAST, true },
		{ GUP_BENCHMARK_PIN, true },
		{ GUP_BENCHMARK_PIN_LONGTERM, true },
	};
	int file = open(OLD_FILE, O_RDWR | O_CLOEXEC);
	size_t i;

	if (kernel_has(5, 11)) {
		tap_ok(file < 0 && errno == ENOENT, "no " OLD_FILE " from 5.11 on");
		return;
	}
	for (i = 0; i < sizeof(old) / sizeof(*old); i++) {
		struct gup_benchmark_run arg = { .put_usec = -1ULL, .addr = (uintptr_t)mem,
			.size = SIZE + PAGE, .pages_per_call = 2, .gup_flags = ~0U, .room = { ~0ULL } };
		long long pinned;

		held(0);
		pinned = vmstat("nr_foll_pin_acquired");
		tap_eq(call(file, old[i].cmd, &arg), 0, OLD_FILE ": command %zu", i + 1);
		tap_ok(arg.size == SIZE && arg.put_usec != -1ULL && arg.room[0] == ~0ULL && held(0),
		       "all pages were had and returned");
		tap_eq(vmstat("nr_foll_pin_acquired") - pinned, old[i].pins ? PAGES : 0,
		       "by pins or not");
	}
	close(file);
}

/* Exit status of a child: whether it may not do that. */
static int as_somebody_else(unsigned int lacks, bool limited)
{
	const struct rlimit limit = { PAGE, PAGE };
	pid_t pid = fork();

	if (!pid) {
		drop(lacks);
		if (!limited)
			_exit(open(TEST_FILE, O_RDWR) < 0 && errno == EPERM ? 0 : 1);
		setrlimit(RLIMIT_MEMLOCK, &limit);
		memset(mem, 'D', SIZE);
		_exit(start(fd, mem, SIZE, 0) == -ENOMEM &&
		      run(0, SIZE, 1, 0) == -ENOMEM && !start(fd, mem, PAGE, 0) ? 0 : 1);
	}
	return wait_status(pid);
}

static void privileges(void)
{
	struct stat st;

	tap_ok(!stat(TEST_FILE, &st) && (st.st_mode & 07777) == 0600 && !st.st_uid, "0600, root's");
	tap_eq(as_somebody_else(CAP_SYS_ADMIN, false), 0, "without CAP_SYS_ADMIN: EPERM");
	tap_eq(as_somebody_else(CAP_IPC_LOCK, true), 0, "without CAP_IPC_LOCK: RLIMIT_MEMLOCK");
	stop(fd);
	tap_ok(held(0), "nothing is held");
}

static void module_stays(void)
{
	tap_eq(start(fd, mem, SIZE, 0), 0, "START");
	tap_eq(module_unload(), EWOULDBLOCK, "the module stays while the file is open");
	tap_eq(stop(fd), 0, "STOP");
	tap_ok(served_by("cowscope\n"), "cowscope says that it serves the file");
}

int main(void)
{
	size_t i;

	if (kernel_configured("GUP_TEST")) {
		tap_ok(served_by("kernel\n"), "cowscope leaves the file to the kernel");
		tap_skip("the file", "the kernel serves it itself (CONFIG_GUP_TEST)");
		return tap_end();
	}
	fd = open_file();
	mem = map_anon(SIZE + 2 * PAGE);
	munmap(mem + SIZE, 2 * PAGE);
	memset(mem, 'A', SIZE);

	bad_starts();
	unknown_commands();
	for (i = 0; i < 4; i++)
		pins(i);
	process_ends(false);
	process_ends(true);
	for (i = 0; i < sizeof(runs) / sizeof(*runs); i++)
		run_rules(i);
	benchmark();
	privileges();
	module_stays();
	close(fd);
	return tap_end();
}
