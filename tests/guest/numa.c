// SPDX-License-Identifier: GPL-2.0
/*
 * NUMA balancing makes entries PROT_NONE while other threads take the mmap_lock
 * for writing: of the pages that somebody holds, those that the page tables
 * have as PROT_NONE afterwards are recorded, once each by a thread, and no others.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "kit.h"
#include "tap.h"

#define HELD	40
#define PIN	COWSCOPE_PIN_FOLL_PIN
#define NOBODY	(~0U)		/* takes no reference at all */
#define SWITCH	"/proc/sys/kernel/numa_balancing"
#define SECONDS	60		/* until it must have come by */

static int fd;
static struct rings rings;
static char enough;		/* to be read again each time */

/* Keeps a processor busy, as only such tasks are looked at. */
static void *busy(void *arg)
{
	char *mem = map_anon(PAGE);

	while (!peek(&enough))
		poke(mem, peek(mem) + 1);
	return NULL;
}

static void *mapper(void *arg)
{
	while (!peek(&enough)) {
		char *p = map_anon(4 * PAGE);

		memset(p, 'x', 4 * PAGE);
		munmap(p, 4 * PAGE);
		usleep(200);
	}
	return NULL;
}

static struct area {
	const char *name;
	bool huge;
	unsigned int flags;
	int since[2];		/* of tests/kernels, the first that touches it */
	int until[2];		/* ... and the first that does not any more */
	char *mem;
	size_t pages;
	int id;
	int records[512], wrong, together;
	unsigned int by[512];	/* the thread of the last record */
} areas[] = {
	{ .name = "referenced", .since = { 6, 12 }, .until = { 99, 0 } },
	{ .name = "pinned", .flags = PIN, .since = { 99, 0 }, .until = { 99, 0 } },
	{ .name = "THP referenced", .huge = true, .until = { 99, 0 } },
	{ .name = "THP pinned", .huge = true, .flags = PIN, .until = { 7, 2 } },
	{ .name = "nobody's", .flags = NOBODY, .until = { 99, 0 } },
};

#define AREAS	(sizeof(areas) / sizeof(*areas))

static bool make(struct area *a)
{
	a->mem = a->huge ? map_thp() : map_anon(HELD * PAGE);
	if (!a->mem)
		return false;
	a->pages = a->huge ? 512 : HELD;
	memset(a->mem, 'A', a->pages * PAGE);
	drain();
	if (a->flags == NOBODY)
		return true;
	a->id = dev_pin(fd, a->flags, a->mem, a->huge ? PAGE : a->pages * PAGE);
	if (a->id <= 0)
		tap_bail("PIN: %s", strerror(-a->id));
	return true;
}

static size_t protnone(const struct area *a, struct cowscope_page *page)
{
	size_t i, n = 0;

	if (dev_pages(fd, 0, a->mem, a->pages, page))
		tap_bail("PAGE_STATE failed");
	for (i = 0; i < a->pages; i++)
		n += !!(page[i].pte & COWSCOPE_PTE_PROTNONE);
	return n;
}

static void read_records(void)
{
	struct cowscope_record r;
	size_t i;

	while (rings_next(&rings, &r)) {
		if (r.type != COWSCOPE_EVENT_WRPROTECT || r.source != COWSCOPE_SOURCE_NUMA)
			continue;
		for (i = 0; i < AREAS; i++) {
			struct area *a = &areas[i];
			size_t at = (r.addr - (uintptr_t)a->mem) / PAGE;

			if (!a->mem || at >= a->pages)
				continue;
			/* Another one that scans at the same time sees the same. */
			if (a->records[at] && a->by[at] != r.pid)
				a->together++;
			else
				a->records[at]++;
			a->by[at] = r.pid;
			a->wrong += r.lock != COWSCOPE_LOCK_READ || (int)r.holder != a->id ||
				    !(r.before & COWSCOPE_PTE_WRITE) ||
				    r.before & COWSCOPE_PTE_PROTNONE ||
				    COWSCOPE_PTE_PFN(r.before) != PM_PFN(pagemap_one(a->mem + at * PAGE)) ||
				    COWSCOPE_STATE_LEVEL(r.state) != (a->huge ? COWSCOPE_LEVEL_PMD :
							       COWSCOPE_LEVEL_PTE);
		}
	}
}

static bool wanted(const struct area *a)
{
	return kernel_has(a->since[0], a->since[1]) && !kernel_has(a->until[0], a->until[1]);
}

static bool came_by(const struct area *a)
{
	static struct cowscope_page page[512];

	return !wanted(a) || protnone(a, page) == a->pages;
}

static void check(struct area *a)
{
	static struct cowscope_page page[512];
	size_t done = protnone(a, page), i, missing = 0, surplus = 0;
	bool want = wanted(a);

	tap_ok(done == (want ? a->pages : 0), "%s: this kernel %s", a->name,
	       want ? "makes it PROT_NONE" : "leaves it alone");
	if (done != (want ? a->pages : 0))
		tap_note("PROT_NONE are %zu of %zu pages", done, a->pages);
	for (i = 0; i < a->pages; i++) {
		/* A huge page has one entry. */
		int expected = a->flags != NOBODY && page[i].pte & COWSCOPE_PTE_PROTNONE &&
			       !(a->huge && i);

		missing += a->records[i] < expected;
		surplus += a->records[i] > expected;
	}
	tap_ok(!missing && !surplus, "%s: a record for each that is held, once", a->name);
	if (missing || surplus)
		tap_note("missing %zu, too many %zu", missing, surplus);
	if (a->together)
		tap_note("%s: %d by two threads at once", a->name, a->together);
	tap_eq(a->wrong, 0, "%s: mmap_lock=read, the page, its holder", a->name);
}

int main(void)
{
	pthread_t thread[3];
	long long updates;
	size_t i;
	int tries;

	tap_begin();
	fd = dev_open();
	rings_open(fd, &rings);
	if (access("/sys/devices/system/node/node1", F_OK) ||
	    access(SWITCH, F_OK)) {
		tap_skip("NUMA balancing", "one node only: tests/vm/boot --nodes 2");
		return tap_end();
	}
	write_file(SWITCH, "0");
	for (i = 0; i < AREAS; i++)
		if (!make(&areas[i]))
			tap_bail("no huge page to be had");
	updates = vmstat("numa_pte_updates");
	rings_seek_end(&rings);
	write_file(SWITCH, "1");
	pthread_create(&thread[0], NULL, busy, NULL);
	pthread_create(&thread[1], NULL, busy, NULL);
	pthread_create(&thread[2], NULL, mapper, NULL);
	for (tries = 0; tries < SECONDS * 10; tries++) {
		for (i = 0; i < AREAS && came_by(&areas[i]); i++)
			;
		if (i == AREAS)
			break;
		usleep(100000);
	}
	write_file(SWITCH, "0");
	poke(&enough, 1);
	for (i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	tap_note("%lld entries in %d tenths of a second", vmstat("numa_pte_updates") - updates,
		 tries);
	read_records();
	for (i = 0; i < AREAS; i++)
		check(&areas[i]);
	tap_eq(stat_now(fd, "numa.in_flight"), 0, "none is in flight");
	for (i = 0; i < AREAS; i++)
		if (areas[i].id)
			dev_unpin(fd, areas[i].id);
	return tap_end();
}
