// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that sleep in a page fault until userfaultfd wakes them: one that writes
 * to memory that is missing, one to memory that is write-protected, and one within
 * a write to clear_refs, whose number is in memory that is missing. For scripts:
 * says "parked" when all sleep; on SIGTERM wakes them and looks at what they did.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/userfaultfd.h>

#include "kit.h"
#include "tap.h"

enum { MISSING, PROTECTED, NUMBER, PAGES };

static char *mem;
static int clear_refs;

static void must(bool good, const char *what)
{
	if (!good)
		tap_bail("parked: %s: %s", what, strerror(errno));
}

static void *fault(void *at)
{
	poke(at, 'B');
	return NULL;
}

static void *clear(void *number)
{
	must(write(clear_refs, number, 1) == 1, "clear_refs");
	return NULL;
}

static int park(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)mem, .len = PAGES * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect protect = {
		.range = { .start = (uintptr_t)mem + PROTECTED * PAGE, .len = PAGE },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	must(fd >= 0 && !ioctl(fd, UFFDIO_API, &api), "userfaultfd");
	must(!ioctl(fd, UFFDIO_REGISTER, &range), "register");
	must(!ioctl(fd, UFFDIO_WRITEPROTECT, &protect), "write-protect");
	return fd;
}

/* Each fault that is parked makes one message. */
static void wait_for_all(int fd)
{
	struct uffd_msg msg;
	int i = 0;

	while (i < PAGES) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		must(poll(&p, 1, 10000) == 1, "they do not fault");
		i += read(fd, &msg, sizeof(msg)) == sizeof(msg);
	}
}

static void wake(int fd)
{
	static char number[PAGE] __attribute__((aligned(4096))) = "4";
	struct uffdio_writeprotect protect = {
		.range = { .start = (uintptr_t)mem + PROTECTED * PAGE, .len = PAGE },
	};
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)mem + MISSING * PAGE, .len = PAGE },
	};
	struct uffdio_copy copy = { .dst = (uintptr_t)mem + NUMBER * PAGE,
		.src = (uintptr_t)number, .len = PAGE };

	must(!ioctl(fd, UFFDIO_COPY, &copy), "copy");
	must(!ioctl(fd, UFFDIO_WRITEPROTECT, &protect), "write-protect no more");
	must(!ioctl(fd, UFFDIO_ZEROPAGE, &zero), "zeropage");
}

int main(void)
{
	pthread_t thread[PAGES];
	sigset_t set;
	int fd, i, sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	clear_refs = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	must(clear_refs >= 0, "clear_refs");
	mem = map_anon(PAGES * PAGE);
	madvise(mem, PAGES * PAGE, MADV_NOHUGEPAGE);
	poke(mem + PROTECTED * PAGE, 'A');
	fd = park();
	for (i = 0; i < PAGES; i++)
		must(!pthread_create(&thread[i], NULL, i == NUMBER ? clear : fault,
				     mem + i * PAGE), "thread");
	wait_for_all(fd);
	puts("parked");
	fflush(stdout);
	sigwait(&set, &sig);
	wake(fd);
	for (i = 0; i < PAGES; i++)
		pthread_join(thread[i], NULL);
	must(mem[MISSING * PAGE] == 'B' && mem[PROTECTED * PAGE] == 'B', "what they wrote is lost");
	return 0;
}
