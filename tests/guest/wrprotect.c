// SPDX-License-Identifier: GPL-2.0
/*
 * Every operation that write-protects in place, over pages of which some are
 * held, while other threads fault, map and unmap in the same process: which
 * pages it took the write bit from, at every page size, and how the mmap_lock
 * was held. The page tables are read before and after.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/userfaultfd.h>

#include "kit.h"
#include "tap.h"

#define PAGES	64
#define SIZE	(PAGES * PAGE)
#define FIRST	10
#define HELD	8
#define ROUNDS	25
#define GIB	(1UL << 30)
#define PIN	COWSCOPE_PIN_FOLL_PIN

/* PAGEMAP_SCAN of linux/fs.h, 6.7. */
struct scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

struct scan_region {
	uint64_t start, end, categories;
};

#define SCAN		_IOWR('f', 16, struct scan)
#define SCAN_WP		1
#define SCAN_WRITTEN	2
#define FEATURE_WP_UNPOPULATED	(1 << 13)
#define FEATURE_WP_ASYNC	(1 << 15)

static int fd;
static struct rings rings;

/* --- who stands in the way ------------------------------------------------------ */

static char enough;		/* to be read again each time */

/* Takes the mmap_lock for writing, and for reading where faults still do. */
static void *mapper(void *arg)
{
	while (!peek(&enough)) {
		char *p = map_anon(8 * PAGE);

		memset(p, 'x', 8 * PAGE);
		munmap(p, 8 * PAGE);
	}
	return NULL;
}

/* Takes it for reading. */
static void *reader(void *arg)
{
	static struct cowscope_page page[16];

	while (!peek(&enough))
		dev_pages(fd, 0, arg, 16, page);
	return NULL;
}

/* --- what is write-protected, and how ----------------------------------------- */

struct area {
	char *mem;
	size_t pages;
	int uffd, scan;		/* or -1 */
};

static bool uffd_register(struct area *a, unsigned int features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	struct uffdio_register reg = { .range = { (uintptr_t)a->mem, a->pages * PAGE },
		.mode = UFFDIO_REGISTER_MODE_WP };

	a->uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	return a->uffd >= 0 && !ioctl(a->uffd, UFFDIO_API, &api) &&
	       !ioctl(a->uffd, UFFDIO_REGISTER, &reg);
}

static int by_clear_refs(struct area *a)
{
	return write_file("/proc/self/clear_refs", "4") ? 0 : errno;
}

static int by_uffd(struct area *a)
{
	struct uffdio_writeprotect wp = { .range = { (uintptr_t)a->mem, a->pages * PAGE },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP };

	return ioctl(a->uffd, UFFDIO_WRITEPROTECT, &wp) ? errno : 0;
}

static int by_mprotect(struct area *a)
{
	return mprotect(a->mem, a->pages * PAGE, PROT_READ) ? errno : 0;
}

static int scan(struct area *a, uint64_t flags, size_t most)
{
	static struct scan_region region[1024];
	struct scan arg = {
		.size = sizeof(arg), .flags = flags, .start = (uintptr_t)a->mem,
		.end = (uintptr_t)a->mem + a->pages * PAGE, .vec = (uintptr_t)region,
		.vec_len = 1024, .max_pages = most, .category_mask = SCAN_WRITTEN,
		.return_mask = SCAN_WRITTEN,
	};

	return ioctl(a->scan, SCAN, &arg) < 0 ? errno : 0;
}

static int by_scan(struct area *a)
{
	return scan(a, SCAN_WP, 0);
}

static const struct way {
	const char *name;
	int source, event, lock;	/* event: 0 if it has none */
	int (*protect)(struct area *a);
	unsigned int features;		/* of the userfaultfd it needs */
} ways[] = {
	{ "clear_refs", COWSCOPE_SOURCE_CLEAR_REFS, COWSCOPE_EVENT_CLEAR_REFS,
	  COWSCOPE_LOCK_WRITE, by_clear_refs, 0 },
	{ "uffd_wp", COWSCOPE_SOURCE_UFFD_WP, COWSCOPE_EVENT_UFFD_WP,
	  COWSCOPE_LOCK_READ, by_uffd, 0 },
	{ "mprotect", COWSCOPE_SOURCE_MPROTECT, 0, COWSCOPE_LOCK_WRITE, by_mprotect, 0 },
	{ "pagemap_scan", COWSCOPE_SOURCE_PAGEMAP_SCAN, COWSCOPE_EVENT_PAGEMAP_SCAN,
	  COWSCOPE_LOCK_READ, by_scan, FEATURE_WP_UNPOPULATED | FEATURE_WP_ASYNC },
};

#define WAYS	(sizeof(ways) / sizeof(*ways))

/* Is there such an operation here, and does it do such memory? */
static bool prepared(struct area *a, const struct way *w)
{
	a->uffd = -1;
	a->scan = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (w->protect == by_uffd || w->protect == by_scan)
		if (!uffd_register(a, w->features))
			return false;
	return w->protect != by_scan || !scan(a, 0, 0);
}

static void done(struct area *a)
{
	close(a->scan);
	if (a->uffd >= 0)
		close(a->uffd);
}

/* --- what is recorded ------------------------------------------------------------ */

struct seen {
	int ops, records, wrong_lock, wrong_page;
	unsigned int pages;		/* that the records stand for */
	struct cowscope_record op;
};

/* What cowscope says of one operation over an area. */
static void read_records(struct seen *s, const struct area *a, const struct way *w)
{
	struct cowscope_record r;

	*s = (struct seen){ 0 };
	while (rings_next(&rings, &r)) {
		if (r.pid != (unsigned int)getpid())
			continue;
		if (w->event && r.type == w->event) {
			s->ops++;
			s->op = r;
			s->wrong_lock += r.op_lock != w->lock;
		}
		if (r.type != COWSCOPE_EVENT_WRPROTECT || r.source != w->source ||
		    r.addr - (uintptr_t)a->mem >= a->pages * PAGE)
			continue;
		s->records++;
		s->pages += r.before & COWSCOPE_PTE_HUGE ? 512 : 1;
		s->wrong_lock += r.lock != w->lock;
		s->wrong_page += !r.holder || !(r.before & COWSCOPE_PTE_WRITE) ||
				 COWSCOPE_PTE_PFN(r.before) !=
				 PM_PFN(pagemap_one((void *)(uintptr_t)r.addr));
	}
}

static size_t writable(const struct area *a)
{
	static struct cowscope_page page[4096];
	size_t i, n = 0;

	if (dev_pages(fd, 0, a->mem, a->pages, page))
		tap_bail("PAGE_STATE failed");
	for (i = 0; i < a->pages; i++)
		n += !!(page[i].pte & COWSCOPE_PTE_WRITE);
	return n;
}

/*
 * Over and over, with threads in the way: whatever they do to the mmap_lock, its
 * mode is the operation's own.
 */
static bool contended(const struct way *w)
{
	int round, records = 0, ops = 0, wrong_lock = 0, wrong_page = 0, failed = 0, miscounted = 0;
	struct area a = { .mem = map_anon(SIZE), .pages = PAGES };
	pthread_t thread[3];
	struct seen s;

	memset(a.mem, 'A', SIZE);
	if (!prepared(&a, w)) {
		if (w->protect != by_scan || kernel_has(6, 7))
			tap_bail("no %s", w->name);
		tap_skip(w->name, "this kernel has none");
		done(&a);
		return false;
	}
	poke(&enough, 0);
	pthread_create(&thread[0], NULL, mapper, NULL);
	pthread_create(&thread[1], NULL, mapper, NULL);
	pthread_create(&thread[2], NULL, reader, a.mem);
	for (round = 0; round < ROUNDS; round++) {
		size_t before;
		int id;

		/* Undone, and made writable again. */
		mprotect(a.mem, SIZE, PROT_READ | PROT_WRITE);
		if (w->protect == by_uffd) {
			struct uffdio_writeprotect wp = { .range = { (uintptr_t)a.mem, SIZE } };

			ioctl(a.uffd, UFFDIO_WRITEPROTECT, &wp);
		}
		memset(a.mem, 'A' + round, SIZE);
		id = dev_pin(fd, round & 1 && w->protect != by_clear_refs ? PIN : 0,
			     a.mem + FIRST * PAGE, HELD * PAGE);
		before = writable(&a);
		rings_seek_end(&rings);
		failed += id <= 0 || w->protect(&a);
		read_records(&s, &a, w);
		records += s.records;
		ops += s.ops;
		wrong_lock += s.wrong_lock;
		wrong_page += s.wrong_page;
		miscounted += before - writable(&a) != PAGES;
		if (w->protect == by_scan)
			miscounted += s.op.changed != PAGES || s.op.held != HELD ||
				      s.op.seen != PAGES ||
				      s.op.pinned != (round & 1 ? HELD : 0);
		dev_unpin(fd, id);
	}
	poke(&enough, 1);
	for (round = 0; round < 3; round++)
		pthread_join(thread[round], NULL);
	tap_eq(failed, 0, "%s: done %d times beside other threads", w->name, ROUNDS);
	tap_eq(wrong_lock, 0, "%s: mmap_lock=%s each time", w->name,
	       w->lock == COWSCOPE_LOCK_WRITE ? "write" : "read");
	tap_eq(records, ROUNDS * HELD, "%s: each held page, and no other", w->name);
	tap_eq(wrong_page, 0, "%s: each the page that is mapped, with its holder", w->name);
	tap_eq(miscounted, 0, "%s: counted as the page tables have it", w->name);
	if (w->event)
		tap_eq(ops, ROUNDS, "%s: one record an operation", w->name);
	done(&a);
	munmap(a.mem, SIZE);
	return true;
}

/* One huge page, of which one page is held, or none. */
static void huge(const struct way *w, const char *kind, void *(*map)(void), bool held)
{
	struct area a = { .mem = map(), .pages = 512 };
	struct seen s;
	size_t before;
	int id = 0;

	if (!a.mem || !prepared(&a, w)) {
		tap_skip(w->name, "%s: not to be had here", kind);
		return done(&a);
	}
	poke(a.mem, 'B');
	if (held)
		id = dev_pin(fd, COWSCOPE_PIN_WRITE, a.mem + FIRST * PAGE, PAGE);
	before = writable(&a);
	rings_seek_end(&rings);
	tap_eq(w->protect(&a), 0, "%s, %s: done", w->name, kind);
	read_records(&s, &a, w);
	tap_ok(before == 512 && !writable(&a), "%s, %s: the page tables lose all of it",
	       w->name, kind);
	tap_ok(s.pages == (held ? 512 : 0) && !s.wrong_lock,
	       "%s, %s: records for what is held", w->name, kind);
	if (w->event && w->event != COWSCOPE_EVENT_CLEAR_REFS)
		tap_ok(s.op.seen == 512 && s.op.changed == 512 &&
		       s.op.held == (held ? 512 : 0), "%s, %s: counted in small pages",
		       w->name, kind);
	if (s.pages != (held ? 512 : 0))
		tap_note("records %d for %u pages; seen %u changed %u held %u", s.records,
			 s.pages, s.op.seen, s.op.changed, s.op.held);
	if (held)
		dev_unpin(fd, id);
	done(&a);
	munmap(a.mem, HUGE);
}

static void sizes(const struct way *w)
{
	huge(w, "THP", map_thp, true);
	huge(w, "THP that nobody holds", map_thp, false);
	if (w->protect == by_clear_refs)	/* leaves it alone: soft_dirty.c */
		return;
	huge(w, "hugetlb", map_hugetlb, true);
	huge(w, "hugetlb that nobody holds", map_hugetlb, false);
}

/* It stops where it was told to; what it only reports is no event. */
static void part_of_a_scan(void)
{
	const struct way *w = &ways[3];
	struct area a = { .mem = map_anon(SIZE), .pages = PAGES };
	struct seen s;
	int id;

	memset(a.mem, 'A', SIZE);
	if (!prepared(&a, w))
		tap_bail("no %s", w->name);
	id = dev_pin(fd, PIN, a.mem, SIZE);
	rings_seek_end(&rings);
	tap_eq(scan(&a, 0, 0), 0, "a scan that does not write-protect");
	read_records(&s, &a, w);
	tap_ok(!s.ops && !s.records && writable(&a) == PAGES, "it is no event");
	tap_eq(scan(&a, SCAN_WP, FIRST), 0, "one that stops after %d pages", FIRST);
	read_records(&s, &a, w);
	tap_ok(s.ops == 1 && s.op.changed == FIRST && s.op.pinned == FIRST &&
	       s.records == FIRST && writable(&a) == PAGES - FIRST, "these are recorded");
	tap_ok(s.op.start == (uintptr_t)a.mem && s.op.end == (uintptr_t)a.mem + SIZE &&
	       !s.op.error && s.op.target == (unsigned int)getpid(), "with range and process");
	dev_unpin(fd, id);
	done(&a);
	munmap(a.mem, SIZE);
}

/* A huge mapping is taken apart on the way, where it only wants a part. */
static void part_of_a_thp(void)
{
	const struct way *w = &ways[3];
	struct area a = { .mem = map_thp(), .pages = 512 };
	struct seen s;
	int id;

	if (!a.mem || !prepared(&a, w)) {
		tap_skip("part of a THP", "no huge page to be had");
		return done(&a);
	}
	poke(a.mem, 'B');
	id = dev_pin(fd, COWSCOPE_PIN_WRITE, a.mem, PAGE);
	rings_seek_end(&rings);
	tap_eq(scan(&a, SCAN_WP, FIRST), 0, "a scan of part of a THP");
	read_records(&s, &a, w);
	tap_ok(s.op.seen == 512 && s.op.changed == FIRST && s.op.held == FIRST &&
	       s.records == FIRST && s.pages == FIRST && writable(&a) == 512 - FIRST,
	       "part of a THP: these pages, and no others");
	dev_unpin(fd, id);
	done(&a);
	munmap(a.mem, HUGE);
}

/*
 * One call is looked at up to 1 GiB; what is beyond is counted, and an operation
 * with a record of its own says so there. A table of entries counts as a whole,
 * so one page for each is enough.
 */
static void large(const struct way *w)
{
	size_t length = GIB + 4 * HUGE, i;
	struct area a = { .pages = length / PAGE };
	char *place = map_anon(length + HUGE);
	long long unwalked;
	struct seen s;
	int id[3];

	a.mem = (char *)(((uintptr_t)place + HUGE - 1) & ~(HUGE - 1));
	for (i = 0; i < length; i += HUGE)
		poke(a.mem + i, 'A');
	if (!prepared(&a, w))
		tap_bail("no %s", w->name);
	id[0] = dev_pin(fd, PIN, a.mem, PAGE);
	poke(a.mem + GIB - PAGE, 'A');
	id[1] = dev_pin(fd, PIN, a.mem + GIB - PAGE, PAGE);
	id[2] = dev_pin(fd, PIN, a.mem + GIB, PAGE);
	unwalked = stat_now(fd, "wrprotect.unwalked");
	rings_seek_end(&rings);
	tap_eq(w->protect(&a), 0, "%s of more than 1 GiB", w->name);
	read_records(&s, &a, w);
	tap_ok(id[0] > 0 && id[1] > 0 && id[2] > 0 && s.records == 2 && !s.wrong_page,
	       "%s of more than 1 GiB: what is held up to there", w->name);
	tap_eq(stat_now(fd, "wrprotect.unwalked") - unwalked, 4 * 512,
	       "%s of more than 1 GiB: what is beyond is counted", w->name);
	if (w->event)
		tap_ok(s.op.op_flags & COWSCOPE_OP_PARTIAL,
		       "%s of more than 1 GiB: the record says partial", w->name);
	for (i = 0; i < 3; i++)
		dev_unpin(fd, id[i]);
	done(&a);
	munmap(place, length + HUGE);
}

int main(void)
{
	size_t i;

	tap_begin();
	fd = dev_open();
	rings_open(fd, &rings);
	for (i = 0; i < WAYS; i++) {
		if (!contended(&ways[i]))
			continue;
		sizes(&ways[i]);
		if (ways[i].protect == by_scan) {
			part_of_a_scan();
			part_of_a_thp();
		}
	}
	large(&ways[1]);
	large(&ways[2]);
	return tap_end();
}
