// SPDX-License-Identifier: GPL-2.0
/*
 * Recording is switched off and on, and filters come and go, while processes
 * fault and fork: nothing stays in flight, and off means off.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "kit.h"
#include "tap.h"

#define WORKERS	3
#define PAGES	32
#define ROUNDS	15

static const char *const probes[] = {
	"cow_fault", "fork", "fork_range", "early_copy", "clear_refs", "clear_refs_range",
	"uffd_wp", "wrprotect"
};

static void work(void)
{
	char *mem = map_anon(PAGES * PAGE);
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		memset(mem, 'A', PAGES * PAGE);
		pid = fork();
		if (!pid) {
			memset(mem, 'B', PAGES * PAGE);
			_exit(0);
		}
		memset(mem, 'C', PAGES * PAGE);
		write_file("/proc/self/clear_refs", "4");
		mprotect(mem, PAGES * PAGE, PROT_READ);
		mprotect(mem, PAGES * PAGE, PROT_READ | PROT_WRITE);
		wait_status(pid);
	}
}

static void balanced(int fd, const char *when)
{
	static struct stats s;
	unsigned int i;

	stats_read(fd, &s);
	for (i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
		char name[64];

		snprintf(name, sizeof(name), "%s.in_flight", probes[i]);
		tap_eq(stats_get(&s, name), 0, "%s: %s", when, name);
	}
	tap_eq(stats_sum(&s, "cow_fault.pte.", ""), stats_get(&s, "cow_fault.ended"),
	       "%s: decisions", when);
	tap_eq(stats_get(&s, "recorded.cow_fault") + stats_get(&s, "ring.dropped"),
	       stats_get(&s, "cow_fault.ended"), "%s: records", when);
	tap_eq(stats_get(&s, "ring.dropped"), 0, "%s: none dropped", when);
}

static void start(pid_t pid[WORKERS])
{
	int i;

	for (i = 0; i < WORKERS; i++) {
		pid[i] = fork();
		if (!pid[i])
			work();
	}
}

static void end(pid_t pid[WORKERS])
{
	int i;

	for (i = 0; i < WORKERS; i++) {
		kill(pid[i], SIGKILL);
		wait_status(pid[i]);
	}
	/* Their children are init's by now; they end by themselves. */
	usleep(200000);
}

int main(void)
{
	int fd = dev_open(), owner, i, errors = 0;
	long long entered, written;
	pid_t pid[WORKERS];

	tap_begin();
	start(pid);
	for (i = 0; i < ROUNDS; i++) {
		errors += dev_control(fd, COWSCOPE_CONTROL_DISABLE, 0) != 0;
		errors += dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0) != 0;
	}
	tap_eq(errors, 0, "off and on, %d times", ROUNDS);
	for (i = 0; i < ROUNDS; i++) {
		owner = dev_open();
		errors += dev_control(owner, COWSCOPE_CONTROL_FOLLOW, pid[i % WORKERS]) != 0;
		if (i & 1)
			errors += dev_control(owner, COWSCOPE_CONTROL_FOLLOW_ALL, 0) != 0;
		close(owner);
	}
	tap_eq(errors, 0, "filters come and go, %d times", ROUNDS);

	dev_control(fd, COWSCOPE_CONTROL_DISABLE, 0);
	entered = stat_now(fd, "cow_fault.entered");
	written = stat_now(fd, "ring.written");
	usleep(100000);
	tap_eq(stat_now(fd, "cow_fault.entered"), entered, "off: no call is seen");
	tap_eq(stat_now(fd, "ring.written"), written, "off: no record is written");
	dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0);

	owner = dev_open();
	dev_control(owner, COWSCOPE_CONTROL_FOLLOW, getpid());
	end(pid);
	balanced(fd, "followed");
	start(pid);
	usleep(100000);
	end(pid);
	tap_ok(stat_now(fd, "cow_fault.ended") > 0, "descendants are followed");
	close(owner);
	balanced(fd, "at the end");
	return tap_end();
}
