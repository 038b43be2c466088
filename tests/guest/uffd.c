// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that a userfaultfd parks in a write fault for as long as it likes, at
 * each level of the page tables: they are accounted for, keep nothing busy, and
 * the module can go and come back meanwhile.
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

#include "account.h"
#include "tap.h"

#define THREADS	64
#define HUGES	8UL		/* huge pages that they share */

enum meanwhile { STAYS, GOES, RETURNS };

static const struct mode {
	const char *name;
	void *(*map)(size_t n);
	size_t pages, size;	/* size: of one */
} modes[] = {
	{ "pte", NULL, THREADS, PAGE },
	{ "pmd", map_thps, HUGES, HUGE },
	{ "hugetlb", map_hugetlbs, HUGES, HUGE },
};

static const struct mode *mode;
static char *mem;
static size_t length;
static int uf;

static char *place(size_t thread)
{
	return mem + thread % mode->pages * mode->size + thread / mode->pages * PAGE;
}

static void *writer(void *arg)
{
	poke(place((uintptr_t)arg), 'W');
	return NULL;
}

static void protect(bool on)
{
	struct uffdio_writeprotect wp = { .range = { (uintptr_t)mem, length },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0 };

	if (ioctl(uf, UFFDIO_WRITEPROTECT, &wp))
		tap_bail("UFFDIO_WRITEPROTECT: %s", strerror(errno));
}

/* Reads the faults of all threads: then each is parked. */
static int parked(void)
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

static void check_records(struct rings *rings)
{
	struct cowscope_record r;
	int records = 0, wrong = 0;

	while (rings_next(rings, &r)) {
		if (r.type != COWSCOPE_EVENT_COW_FAULT || r.addr - (uintptr_t)mem >= length)
			continue;
		records++;
		wrong += COWSCOPE_OUTCOME_DECISION(r.outcome) != COWSCOPE_UFFD ||
			 !(r.before & COWSCOPE_PTE_UFFD_WP) || r.verdict || r.after;
	}
	tap_ok(records == THREADS && !wrong, "each has a record: %d, wrong %d", records, wrong);
}

static void check_parked(const struct stats *from, struct rings *rings)
{
	char name[64];
	static struct stats now;
	int fd = dev_open();

	account_check(fd, 0, "while they are parked");
	stats_read(fd, &now);
	tap_eq(stats_sum(&now, "", ".in_flight"), 0, "%d parked: none is in flight", THREADS);
	tap_eq(stats_sum(&now, "", ".missed"), stats_sum(from, "", ".missed"), "none was missed");
	snprintf(name, sizeof(name), "cow_fault.%s.uffd.none", mode->name);
	tap_eq(stats_get(&now, name) - stats_get(from, name), THREADS, "each was decided: uffd");
	check_records(rings);
	close(fd);
}

static void reload(bool load)
{
	tap_eq(load ? module_load("") : module_unload(), 0, "the module %s",
	       load ? "comes back" : "goes while they wait");
	tap_eq(access("/dev/cowscope", F_OK), load ? 0 : -1, "it is %s", load ? "there" : "gone");
}

static void park(enum meanwhile what)
{
	pthread_t thread[THREADS];
	static struct stats before;
	struct rings rings;
	int fd, written = 0;
	uintptr_t i;

	memset(mem, 'A', length);
	protect(true);
	fd = dev_open();
	rings_open(fd, &rings);
	rings_seek_end(&rings);
	stats_read(fd, &before);
	for (i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, writer, (void *)i);
	tap_eq(parked(), THREADS, "%s: all threads wait", mode->name);
	check_parked(&before, &rings);
	rings_close(&rings);
	close(fd);

	if (what != STAYS)
		reload(false);
	if (what == RETURNS) {
		reload(true);
		fd = dev_open();
		account_check(fd, 0, "parked before it was loaded");
		close(fd);
	}
	protect(false);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < THREADS; i++)
		written += *place(i) == 'W';
	tap_eq(written, THREADS, "released, all have written");
	if (what == GOES)
		reload(true);
	fd = dev_open();
	account_check(fd, 0, "released");
	close(fd);
}

static void try(const struct mode *m)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_WP };
	enum meanwhile what;

	mode = m;
	length = m->pages * m->size;
	mem = m->map ? m->map(m->pages) : map_anon(length);
	if (!mem)
		return tap_skip(m->name, "no huge pages to be had");
	reg.range = (struct uffdio_range){ (uintptr_t)mem, length };
	uf = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uf < 0 || ioctl(uf, UFFDIO_API, &api) || ioctl(uf, UFFDIO_REGISTER, &reg))
		tap_skip(m->name, "no userfaultfd write-protect here: %s", strerror(errno));
	else
		for (what = STAYS; what <= RETURNS; what++)
			park(what);
	close(uf);
	munmap(mem, length);
}

int main(void)
{
	size_t i;

	tap_begin();
	for (i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		try(&modes[i]);
	return tap_end();
}
