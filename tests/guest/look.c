// SPDX-License-Identifier: GPL-2.0
/*
 * PAGE_STATE over 64 MiB, again and again, while threads fault on a half of it
 * and fork: what does not change is shown unchanged, and what does is shown as
 * something that it was at some moment.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "kit.h"
#include "tap.h"

#define SMALL	6144UL		/* pages of each half that are small */
#define THPS	4UL
#define HALF	(SMALL + THPS * 512)
#define HOT	64UL		/* of the busy half, looked at most */
#define LOOKS	20
#define FIELDS	(~(COWSCOPE_PTE_YOUNG | COWSCOPE_PTE_DIRTY))

static int fd, stop;
static char *calm, *busy;
static unsigned long forks, writes;
static bool exclusive_known;
static bool resting;		/* nobody faults nor forks any more */

static const char *why;
static char reason[200];

static bool must(size_t i, const struct cowscope_page *p, bool good, const char *what)
{
	if (!good && !why) {
		snprintf(reason, sizeof(reason),
			 "page %zu: %s; pte 0x%llx state 0x%x refcount %d mapcount %d of folio %d explained %d",
			 i, what, (unsigned long long)p->pte, p->state, p->refcount, p->mapcount,
			 p->folio_mapcount, p->explained);
		why = reason;
	}
	return good;
}

/* Small pages, then huge ones, aligned. */
static char *half(void)
{
	char *all = map_anon(HALF * PAGE + HUGE), *mem;

	mem = (char *)(((uintptr_t)all + SMALL * PAGE + HUGE - 1) & ~(HUGE - 1)) - SMALL * PAGE;
	madvise(mem + SMALL * PAGE, THPS * HUGE, MADV_HUGEPAGE);
	memset(mem, 'A', HALF * PAGE);
	return mem;
}

static void *writer(void *arg)
{
	unsigned int n = (uintptr_t)arg;
	char *at;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		n = n * 1103515245 + 12345;
		at = busy + (n >> 8) % HALF * PAGE;
		poke(at, n);
		/* Some come and go all the time. */
		at = busy + (n >> 8) % HOT * PAGE;
		madvise(at, PAGE, MADV_DONTNEED);
		poke(at, n);
		__atomic_fetch_add(&writes, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* One child at a time, which has the busy half only and writes to its small pages. */
static void *forker(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		pid_t pid = fork();
		size_t i;

		if (!pid) {
			for (i = forks % 7; i < SMALL; i += 7)
				poke(busy + i * PAGE, 'C');
			_exit(0);
		}
		if (wait_status(pid))
			tap_bail("a child failed");
		forks++;
	}
	return NULL;
}

static bool same_page(const struct cowscope_page *a, const struct cowscope_page *b)
{
	return a->addr == b->addr && (a->pte & FIELDS) == (b->pte & FIELDS) &&
	       a->state == b->state && a->refcount == b->refcount &&
	       a->mapcount == b->mapcount && a->folio_mapcount == b->folio_mapcount &&
	       a->pincount == b->pincount && a->explained == b->explained;
}

#define KHUGEPAGED	"/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs"

/* Pages that compaction has looked at; it refers to each meanwhile, and locks some. */
static long long compacted(void)
{
	return vmstat("compact_migrate_scanned");
}

/* Has it been here since? It counts only once it is done with many. */
static bool compaction_came(long long since)
{
	int tries;

	for (tries = 0; tries < 500 && compacted() == since; tries++)
		usleep(10000);
	return compacted() != since;
}

/*
 * Compaction takes pages at rest, too: it holds a reference meanwhile, and moves
 * some. Once it has let go, all is as it was but the page frame, which pagemap says.
 */
static bool was_moved(struct cowscope_page *first, char *at)
{
	struct cowscope_page now;
	int tries;

	for (tries = 0; tries < 1000; tries++) {
		uint64_t before = PM_PFN(pagemap_one(at));

		/* What it moved waits in an LRU cache. */
		drain();
		if (dev_pages(fd, 0, at, 1, &now))
			tap_bail("PAGE_STATE failed");
		if (before != PM_PFN(pagemap_one(at)) || before != COWSCOPE_PTE_PFN(now.pte))
			continue;
		first->pte += COWSCOPE_PTE_PFN(now.pte) - COWSCOPE_PTE_PFN(first->pte);
		if (same_page(first, &now))
			return true;
	}
	return false;
}

/*
 * The call holds the mmap_lock for reading: no fork comes between what it reads
 * of a page, but faults do, and the child may write and exit.
 */
static bool plausible(size_t i, const struct cowscope_page *p)
{
	unsigned int level = COWSCOPE_STATE_LEVEL(p->state);
	unsigned int order = COWSCOPE_STATE_ORDER(p->state);
	uint64_t pfn = COWSCOPE_PTE_PFN(p->pte);
	bool huge = i >= SMALL;

	must(i, p, p->addr == (uintptr_t)busy + i * PAGE, "addr");
	must(i, p, !!(p->pte & COWSCOPE_PTE_READ), "not read");
	/* It is gone; or to be copied, which takes the entry away first. */
	if (!(p->pte & COWSCOPE_PTE_PRESENT))
		return must(i, p, !resting && p->pte == COWSCOPE_PTE_READ &&
			    p->refcount == COWSCOPE_COUNT_NA && p->mapcount == COWSCOPE_COUNT_NA &&
			    p->explained == COWSCOPE_COUNT_NA, "not present");
	must(i, p, !!(p->pte & COWSCOPE_PTE_HUGE) == (level == COWSCOPE_LEVEL_PMD), "level");
	must(i, p, pfn && pfn < 1ULL << 30, "pfn");
	/* It changed each time that it was looked at: then nothing is said of it. */
	if (p->refcount == COWSCOPE_COUNT_NA)
		return must(i, p, !resting && p->mapcount == COWSCOPE_COUNT_NA && p->explained == COWSCOPE_COUNT_NA,
			    "counts of a page that was not read");
	must(i, p, COWSCOPE_STATE_KIND(p->state) == COWSCOPE_KIND_ANON, "kind");
	must(i, p, order == 0 || (huge && order == 9), "order");
	must(i, p, p->refcount >= 1 && p->refcount <= 3 + 2 * 512, "refcount");
	must(i, p, p->mapcount >= 0 && p->mapcount <= (order ? 4 : 2), "mapcount");
	must(i, p, COWSCOPE_STATE_PINNED(p->state) == COWSCOPE_NO && !p->holders, "holders");
	if (order)
		return !why;
	must(i, p, p->folio_mapcount == p->mapcount, "mapcount of one page");
	must(i, p, p->refcount >= p->mapcount, "fewer references than mappings");
	if (exclusive_known && p->pte & COWSCOPE_PTE_WRITE)
		must(i, p, COWSCOPE_STATE_EXCLUSIVE(p->state) == COWSCOPE_YES, "exclusive");
	return !why;
}

/* Returns of how many nothing was said. */
static size_t all_plausible(const struct cowscope_page *p, size_t pages)
{
	size_t i, unknown = 0;

	for (i = 0; i < pages; i++)
		unknown += plausible(i, &p[i]) && p[i].refcount == COWSCOPE_COUNT_NA;
	return unknown;
}

int main(void)
{
	static struct cowscope_page first[HALF], again[HALF], moving[HALF];
	pthread_t thread[3];
	size_t i, unknown = 0, large = 0, moved = 0;
	char sleep[32];
	long long at_rest;
	int look;

	tap_begin();
	fd = dev_open();
	exclusive_known = kernel_has(5, 19);
	/* It, too, takes pages that are at rest. */
	if (!read_file(KHUGEPAGED, sleep, sizeof(sleep)) || !write_file(KHUGEPAGED, "10000000"))
		tap_bail("khugepaged: %s", strerror(errno));
	calm = half();
	busy = half();
	/* Of all kinds, and nobody else has it. */
	mprotect(calm + 100 * PAGE, 400 * PAGE, PROT_READ);
	madvise(calm + 600 * PAGE, 300 * PAGE, MADV_DONTNEED);
	for (i = 700; i < 800; i++)
		peek(calm + i * PAGE);
	mprotect(calm + (SMALL + 512 + 3) * PAGE, PAGE, PROT_NONE);
	if (madvise(calm, HALF * PAGE, MADV_DONTFORK))
		tap_bail("MADV_DONTFORK: %s", strerror(errno));
	drain();
	at_rest = compacted();
	if (dev_pages(fd, 0, calm, HALF, first) || dev_pages(fd, 0, busy, HALF, moving))
		tap_bail("PAGE_STATE failed");
	for (i = 0; i < HALF; i++)
		large += COWSCOPE_STATE_ORDER(first[i].state) == 9;
	tap_ok(large > 512, "%zu pages are of huge ones", large);

	pthread_create(&thread[0], NULL, writer, (void *)1);
	pthread_create(&thread[1], NULL, writer, (void *)77);
	pthread_create(&thread[2], NULL, forker, NULL);
	why = NULL;
	for (look = 0; !why && (look < LOOKS || __atomic_load_n(&forks, __ATOMIC_RELAXED) < LOOKS);
	     look++) {
		if (dev_pages(fd, look & 1 ? getpid() : 0, calm, HALF, again) ||
		    dev_pages(fd, look & 1 ? 0 : getpid(), busy, HALF, moving))
			tap_bail("PAGE_STATE failed");
		for (i = 0; i < HALF; i++) {
			if (same_page(&first[i], &again[i]))
				continue;
			moved++;
			must(i, &again[i], compaction_came(at_rest), "it has changed");
			must(i, &again[i], was_moved(&first[i], calm + i * PAGE),
			     "it has changed, and stays so");
		}
		unknown += all_plausible(moving, HALF);
		for (i = 0; i < HOT; i++) {
			if (dev_pages(fd, 0, busy, HOT, moving))
				tap_bail("PAGE_STATE failed");
			unknown += all_plausible(moving, HOT);
		}
	}
	stop = 1;
	for (i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	if (!tap_ok(!why, "%d looks at %lu pages, half of them at rest", look, 2 * HALF))
		tap_note("%s", why);
	resting = true;
	for (i = 0; i < HALF; i++)
		poke(busy + i * PAGE, 'R');
	look = 0;
	do {
		why = NULL;
		if (dev_pages(fd, 0, busy, HALF, moving))
			tap_bail("PAGE_STATE failed");
		all_plausible(moving, HALF);
		/* Compaction is at it. */
	} while (why && ++look < 100);
	if (!tap_ok(!why, "all rest: nothing is left unsaid"))
		tap_note("%s", why);
	write_file(KHUGEPAGED, sleep);
	tap_note("%lu forks, %lu writes; %zu of which nothing could be said, %zu at rest that were compacted",
		 forks, writes, unknown, moved);
	return tap_end();
}
