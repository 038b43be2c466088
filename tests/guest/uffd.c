// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that a userfaultfd parks in a write fault for as long as it likes:
 * they are accounted for, keep nothing busy, and the module can go meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/userfaultfd.h>

#include "kit.h"
#include "tap.h"

#define THREADS	64
#define ROUNDS	3

static char *mem;

static void *writer(void *arg)
{
	poke(mem + (uintptr_t)arg * PAGE, 'W');
	return NULL;
}

static int protect(int uf, bool on)
{
	struct uffdio_writeprotect wp = { .range = { (uintptr_t)mem, THREADS * PAGE },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0 };

	return ioctl(uf, UFFDIO_WRITEPROTECT, &wp) ? errno : 0;
}

/* Reads the faults of all threads: then each is parked. */
static int parked(int uf)
{
	struct pollfd p = { .fd = uf, .events = POLLIN };
	struct uffd_msg msg;
	int n = 0;

	while (n < THREADS && poll(&p, 1, 60000) == 1)
		while (n < THREADS && read(uf, &msg, sizeof(msg)) == sizeof(msg))
			n += msg.event == UFFD_EVENT_PAGEFAULT &&
			     msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP;
	return n;
}

static long long delta(const struct stats *from, const struct stats *to, const char *name)
{
	return stats_get(to, name) - stats_get(from, name);
}

static void accounted(const struct stats *from, struct rings *rings)
{
	struct cowscope_record r;
	static struct stats now;
	int fd = dev_open(), records = 0, wrong = 0;

	stats_read(fd, &now);
	tap_eq(stats_get(&now, "cow_fault.in_flight"), 0, "%d parked: none is in flight", THREADS);
	tap_eq(delta(from, &now, "cow_fault.pte.uffd.none"), THREADS, "each was decided: uffd");
	tap_eq(delta(from, &now, "cow_fault.missed"), 0, "none was missed");
	while (rings_next(rings, &r)) {
		if (r.type != COWSCOPE_EVENT_COW_FAULT ||
		    r.addr - (uintptr_t)mem >= THREADS * PAGE)
			continue;
		records++;
		wrong += COWSCOPE_OUTCOME_DECISION(r.outcome) != COWSCOPE_UFFD ||
			 !(r.before & COWSCOPE_PTE_UFFD_WP) || r.verdict || r.after;
	}
	tap_ok(records == THREADS && !wrong, "each has a record: %d, wrong %d", records, wrong);
	close(fd);
}

static void park(int uf, bool reload)
{
	pthread_t thread[THREADS];
	static struct stats before;
	struct rings rings;
	int fd, written = 0;
	uintptr_t i;

	memset(mem, 'A', THREADS * PAGE);
	if (protect(uf, true))
		tap_bail("UFFDIO_WRITEPROTECT: %s", strerror(errno));
	fd = dev_open();
	rings_open(fd, &rings);
	rings_seek_end(&rings);
	stats_read(fd, &before);
	for (i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, writer, (void *)i);
	tap_eq(parked(uf), THREADS, "all threads wait");
	accounted(&before, &rings);
	rings_close(&rings);
	close(fd);

	if (reload) {
		tap_eq(module_unload(), 0, "the module goes while they wait");
		tap_ok(access("/dev/cowscope", F_OK), "it is gone");
	}
	if (protect(uf, false))
		tap_bail("UFFDIO_WRITEPROTECT: %s", strerror(errno));
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < THREADS; i++)
		written += mem[i * PAGE] == 'W';
	tap_eq(written, THREADS, "released, all have written");
	if (reload)
		tap_eq(module_load(""), 0, "the module comes back");
	fd = dev_open();
	tap_eq(stat_now(fd, "cow_fault.in_flight"), 0, "none is in flight");
	close(fd);
}

int main(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int uf = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), round;
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_WP };

	tap_begin();
	mem = map_anon(THREADS * PAGE);
	reg.range = (struct uffdio_range){ (uintptr_t)mem, THREADS * PAGE };
	if (uf < 0 || ioctl(uf, UFFDIO_API, &api) || ioctl(uf, UFFDIO_REGISTER, &reg)) {
		tap_skip("uffd", "%s", strerror(errno));
		return tap_end();
	}
	park(uf, false);
	for (round = 0; round < ROUNDS; round++)
		park(uf, true);
	return tap_end();
}
