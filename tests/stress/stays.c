// SPDX-License-Identifier: GPL-2.0
/*
 * The module stays while something of it is in use: one of its files open, or
 * read by a thread that waits; references, pins and mirrors outstanding; its
 * rings mapped, when the file is closed. For scripts.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "kit.h"
#include "tap.h"

#define PAGES	16UL

static unsigned int checks, files;

/* try_stop_module() says so if there are references on the module. */
static void stays(const char *why)
{
	int err = module_unload();

	checks++;
	if (err != EWOULDBLOCK)
		tap_bail("rmmod though %s: %s", why, err ? strerror(err) : "unloaded");
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char buf[256];
	ssize_t n;
	int fd;

	if (type != FTW_F)
		return 0;
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		tap_bail("%s: %s", path, strerror(errno));
	n = read(fd, buf, sizeof(buf));
	(void)n;
	stays(path);
	close(fd);
	files++;
	return 0;
}

static void *wait_for_records(void *arg)
{
	char buf[4096];

	while (read(*(int *)arg, buf, sizeof(buf)) > 0)
		;
	return NULL;
}

static void references(char *mem)
{
	struct cowscope_hold hold = { .size = sizeof(hold), .addr = (uintptr_t)mem,
		.length = PAGES * PAGE };
	struct cowscope_mirror mirror = { .size = sizeof(mirror), .addr = (uintptr_t)mem,
		.length = PAGES * PAGE, .flags = COWSCOPE_MIRROR_GET };
	int fd = dev_open();
	struct rings rings;

	stays("the device is open");
	if (dev_pin(fd, COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_WRITE, mem, PAGES * PAGE) <= 0 ||
	    dev_pin(fd, 0, mem, PAGES * PAGE) <= 0 || dev(fd, COWSCOPE_HOLD, &hold) ||
	    dev(fd, COWSCOPE_MIRROR, &mirror))
		tap_bail("PIN, HOLD or MIRROR");
	memset(mem, 'B', PAGES * PAGE);
	stays("references are outstanding");
	rings_open(fd, &rings);
	close(fd);
	stays("the rings are mapped");
	rings_close(&rings);
}

int main(void)
{
	char *mem = map_anon(PAGES * PAGE);
	pthread_t thread;
	int pipe;

	memset(mem, 'A', PAGES * PAGE);
	nftw(DEBUG, visit, 8, FTW_PHYS);
	if (!access("/sys/kernel/debug/gup_test", F_OK))
		nftw("/sys/kernel/debug/gup_test", visit, 8, FTW_PHYS);
	if (files < 8)
		tap_bail("%u files in debugfs", files);
	references(mem);
	/* Last: it goes on reading until this process ends. */
	pipe = open(DEBUG "trace_pipe", O_RDONLY | O_CLOEXEC);
	if (pipe < 0 || pthread_create(&thread, NULL, wait_for_records, &pipe))
		tap_bail("trace_pipe: %s", strerror(errno));
	stays("somebody reads trace_pipe");
	printf("%u\n", checks);
	return 0;
}
