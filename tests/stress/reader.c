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

static volatile sig_atomic_t stop;
static unsigned long opened, got;
static int seat[SEATS];
static bool sits;

static void ended(int sig)
{
	stop = 1;
}

static void read_on(int fd, int times)
{
	char buf[4096];

	while (times-- > 0 && read(fd, buf, sizeof(buf)) > 0)
		got++;
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	int fd;

	if (stop || type != FTW_F)
		return stop;
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
		while (!stop)
			usleep(20000);
		for (i = 0; i < opened && i < SEATS; i++)
			read_on(seat[i], 4);
		return opened < 10;
	}
	if (nice(19) < 0)
		tap_bail("nice");
	while (!stop) {
		walk(keep, sizeof(keep) / sizeof(*keep));
		walk(leave, sizeof(leave) / sizeof(*leave));
	}
	printf("# reader: %lu files opened, %lu times something read\n", opened, got);
	return !opened || !got;
}
