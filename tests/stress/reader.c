// SPDX-License-Identifier: GPL-2.0
/*
 * Readers of each file that the module makes, whether it is there or not. For scripts:
 *
 *   reader       opens, reads and closes them all the time, until SIGTERM
 *   reader sit   opens what does not keep the module (that of tracefs), says
 *                "sitting", and reads on at SIGTERM, when it may have gone
 */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>

#include "kit.h"
#include "tap.h"

#define SEATS	256

static const char *const keep[] = {
	DEBUG, "/sys/kernel/debug/gup_test", "/sys/module/cowscope/parameters", "/sys/module/cowscope/refcnt",
};
static const char *const leave[] = {
	TRACING "events/cowscope", TRACING "trace", TRACING "trace_pipe",
	TRACING "available_events", TRACING "enabled_functions", "/sys/kernel/debug/kprobes/list",
};

static int stop;
static unsigned long opened, got, left_out;
static int seat[SEATS];
static bool sits;

static bool stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static void ended(int sig)
{
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
}

static void read_on(int fd, int times)
{
	char buf[4096];

	while (times-- > 0 && read(fd, buf, sizeof(buf)) > 0)
		got++;
}

/*
 * 5.10.262 and 6.1.192 free a module's memory without telling who has the format of
 * one of its events open (f_start() in kernel/trace/trace_events.c), and the next read
 * is an oops. 6.12 looks whether the event is still there.
 */
static bool dangerous(const char *name)
{
	return !strcmp(name, "format") && !kernel_has(6, 12);
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	int fd;

	if (stopped() || type != FTW_F)
		return stopped();
	if (dangerous(path + ftw->base)) {
		left_out++;
		return 0;
	}
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return 0;
	read_on(fd, sits ? 1 : 4);
	if (sits && opened < SEATS)
		seat[opened] = fd;
	else
		close(fd);
	opened++;
	if (!sits)
		usleep(500);
	return 0;
}

static void walk(const char *const *root, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		nftw(root[i], visit, 8, FTW_PHYS);
}

int main(int argc, char **argv)
{
	unsigned long i;

	signal(SIGTERM, ended);
	sits = argc > 1 && !strcmp(argv[1], "sit");
	if (sits) {
		walk(leave, sizeof(leave) / sizeof(*leave));
		puts("sitting");
		fflush(stdout);
		while (!stopped())
			usleep(20000);
		for (i = 0; i < opened && i < SEATS; i++)
			read_on(seat[i], 4);
		return opened < 10;
	}
	if (nice(19) < 0)
		tap_bail("nice");
	while (!stopped()) {
		walk(keep, sizeof(keep) / sizeof(*keep));
		walk(leave, sizeof(leave) / sizeof(*leave));
	}
	printf("# reader: %lu files opened, %lu times something read\n", opened, got);
	if (left_out)
		puts("# reader: left out: format");
	return !opened || !got;
}
