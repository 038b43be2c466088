// SPDX-License-Identifier: GPL-2.0
/*
 * What cowscope says of a fork, VMA by VMA, against the page tables of parent
 * and child and the kernel's counters: pages that the child got, shared and
 * copied at once, at every page size, and huge mappings that were split.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kit.h"
#include "tap.h"

#define LARGE	4096		/* pages: 16 MiB */
#define MOST	(LARGE + 1)
#define VMAS	64
#define PIN	COWSCOPE_PIN_FOLL_PIN
#define THP	(1ULL << 22)	/* of kpageflags */
#define ZERO	(1ULL << 24)

static int fd;
static struct rings rings;
static bool early_hugetlb;	/* this kernel copies those at once as well */

struct forked {
	int forks, early, wrong;
	struct cowscope_record fork;
	struct cowscope_record range[VMAS];
	int ranges;
	unsigned int pages, copied, splits;	/* sums of the ranges */
	pid_t child;
};

static bool copied_page(uint64_t parent, uint64_t child)
{
	return child & PM_PRESENT && PM_PFN(parent) != PM_PFN(child);
}

/* One early copy, against what both map there now. */
static bool right(const struct cowscope_record *r, pid_t child)
{
	void *at = (void *)(uintptr_t)r->addr;
	uint64_t parent = pagemap_one(at), copy;

	pagemap(child, at, 1, &copy);
	return COWSCOPE_PTE_PFN(r->before) == PM_PFN(parent) &&
	       COWSCOPE_PTE_PFN(r->after) == PM_PFN(copy) && copied_page(parent, copy) &&
	       COWSCOPE_STATE_PINNED(r->state) == COWSCOPE_YES;
}

/* Forks; the child is stopped at once and stays so. */
static void fork_stopped(struct forked *f)
{
	struct cowscope_record r;
	int status;

	*f = (struct forked){ 0 };
	rings_seek_end(&rings);
	f->child = fork();
	if (!f->child) {
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(f->child, &status, WUNTRACED);
	while (rings_next(&rings, &r)) {
		if (r.pid != (unsigned int)getpid())
			continue;
		if (r.type == COWSCOPE_EVENT_FORK) {
			f->forks++;
			f->fork = r;
		} else if (r.type == COWSCOPE_EVENT_FORK_RANGE && f->ranges < VMAS) {
			f->range[f->ranges++] = r;
			f->pages += r.seen;
			f->copied += r.changed;
			f->splits += r.pinned;
		} else if (r.type == COWSCOPE_EVENT_EARLY_COPY) {
			f->early++;
			f->wrong += !right(&r, f->child);
		}
	}
}

static void end(struct forked *f)
{
	kill(f->child, SIGCONT);
	wait_status(f->child);
}

/* Pages of a range that the child maps, as its counters count them. */
static unsigned int mapped(pid_t child, const char *start, size_t pages, unsigned int *copied)
{
	static uint64_t parent[MOST], own[MOST];
	unsigned int n = 0;
	size_t i;

	if (pages > MOST)
		tap_bail("a mapping that is too large: %zu pages", pages);
	pagemap(0, start, pages, parent);
	pagemap(child, start, pages, own);
	for (i = 0; i < pages; i++) {
		if (!(own[i] & PM_PRESENT) || !PM_PFN(own[i]) || kpageflags(PM_PFN(own[i])) & ZERO)
			continue;
		n++;
		*copied += copied_page(parent[i], own[i]);
	}
	return n;
}

/*
 * The record of the VMA that covers an area against what the child maps there
 * (it has run since, so where it writes its own is left out).
 */
static void check(const char *what, struct forked *f, const char *mem, size_t pages,
		  unsigned int want_copied, unsigned int want_splits)
{
	unsigned int copied = 0, got;
	int i, covers = -1;

	for (i = 0; i < f->ranges; i++)
		if (f->range[i].start <= (uintptr_t)mem &&
		    f->range[i].end >= (uintptr_t)mem + pages * PAGE)
			covers = i;
	if (covers < 0) {
		tap_ok(false, "%s: its VMA has a record", what);
		return;
	}
	got = mapped(f->child, (char *)(uintptr_t)f->range[covers].start,
		     (f->range[covers].end - f->range[covers].start) / PAGE, &copied);
	tap_ok(copied == want_copied, "%s: %u pages copied at once", what, want_copied);
	if (copied != want_copied)
		tap_note("page tables have %u", copied);
	tap_eq(f->range[covers].seen, got, "%s: pages that the child got", what);
	tap_eq(f->range[covers].changed, copied, "%s: of them copied", what);
	tap_eq(f->range[covers].pinned, want_splits, "%s: mappings split", what);
	tap_ok(f->forks == 1 && f->fork.target == (unsigned int)f->child && !f->fork.error &&
	       f->fork.seen == f->pages && f->fork.changed == f->copied &&
	       f->fork.pinned == f->splits && f->fork.held == (unsigned int)f->ranges,
	       "%s: the fork is the sum of its VMAs", what);
	tap_ok(!f->wrong && f->fork.op_duration && f->range[covers].op_duration <
	       f->fork.op_duration, "%s: each early copy is of this page, in time", what);
	if (f->wrong)
		tap_note("%d of %d are not", f->wrong, f->early);
}

static int take(unsigned int flags, char *at, size_t pages)
{
	int id = dev_pin(fd, flags, at, pages * PAGE);

	if (id <= 0)
		tap_bail("PIN: %s", strerror(-id));
	return id;
}

/* A mapping of its own, which no neighbour is merged with. */
static char *island(size_t length)
{
	char *p = mmap(NULL, length + 3 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at = (char *)(((uintptr_t)p + 2 * HUGE - 1) & ~(HUGE - 1));

	if (p == MAP_FAILED || mprotect(at, length, PROT_READ | PROT_WRITE))
		tap_bail("mmap: %s", strerror(errno));
	madvise(at, length, MADV_NOHUGEPAGE);
	return at;
}

/* Thousands of small pages; holes, zero pages, swapped pages and files too. */
static void small(void)
{
	char *mem = island(LARGE * PAGE), *private;
	int file = test_file(), id[3];
	struct forked f;
	size_t i;

	memset(mem, 'A', LARGE * PAGE);
	drain();
	fork_stopped(&f);
	check("small pages", &f, mem, LARGE, 0, 0);
	tap_eq(f.early, 0, "small pages, none pinned: no early copy");
	end(&f);

	/* All of them the parent's alone again. */
	memset(mem, 'B', LARGE * PAGE);
	id[0] = take(PIN, mem, LARGE / 2);
	id[1] = take(0, mem, LARGE);
	id[2] = take(PIN | COWSCOPE_PIN_WRITE | COWSCOPE_PIN_LONGTERM, mem + 3000 * PAGE, 100);
	fork_stopped(&f);
	check("thousands pinned", &f, mem, LARGE, LARGE / 2 + 100, 0);
	tap_eq(f.early, LARGE / 2 + 100, "thousands pinned: a record for each");
	end(&f);
	for (i = 0; i < 3; i++)
		dev_unpin(fd, id[i]);

	madvise(mem, LARGE * PAGE, MADV_DONTNEED);
	for (i = 0; i < LARGE; i++) {
		if (i % 3 == 0)
			poke(mem + i * PAGE, 'C');
		else if (i % 3 == 1)
			peek(mem + i * PAGE);	/* the zero page */
	}
	madvise(mem, LARGE / 2 * PAGE, 21 /* MADV_PAGEOUT */);
	fork_stopped(&f);
	check("holes, zero pages and swap", &f, mem, LARGE, 0, 0);
	end(&f);

	private = map_file(file, 256 * PAGE, MAP_PRIVATE);
	for (i = 0; i < 256; i += 2)
		poke(private + i * PAGE, 'F');
	for (i = 1; i < 256; i += 2)
		peek(private + i * PAGE);
	id[0] = take(PIN, private, 64);
	fork_stopped(&f);
	/* A pin to read of what only the page cache has makes it anonymous, from 6.2. */
	check("private file", &f, private, 256, f.copied, 0);
	tap_ok(f.copied == 32 || f.copied == 64, "private file: what is anonymous and pinned");
	end(&f);
	dev_unpin(fd, id[0]);
	munmap(private, 256 * PAGE);
	close(file);
}

static bool is_thp(const char *at)
{
	return kpageflags(PM_PFN(pagemap_one(at))) & THP;
}

static void thp(void)
{
	char *mem = island(8 * HUGE);
	long long splits;
	struct forked f;
	int id[3], i;

	madvise(mem, 8 * HUGE, MADV_HUGEPAGE);
	memset(mem, 'H', 8 * HUGE);
	for (i = 0; i < 8; i++)
		if (!is_thp(mem + i * HUGE))
			return tap_skip("THP", "no huge pages to be had");
	splits = vmstat("thp_split_pmd");
	fork_stopped(&f);
	check("THP", &f, mem, 8 * 512, 0, 0);
	tap_eq(vmstat("thp_split_pmd"), splits, "THP: the kernel counts no split");
	end(&f);

	madvise(mem, 8 * HUGE, MADV_DONTNEED);
	memset(mem, 'I', 8 * HUGE);
	id[0] = take(PIN, mem + 5 * PAGE, 1);
	id[1] = take(PIN, mem + 3 * HUGE, 512);
	id[2] = take(0, mem + 5 * HUGE, 512);
	splits = vmstat("thp_split_pmd");
	fork_stopped(&f);
	/* The pins are counted for the whole of it, so all of it is copied. */
	check("THP, of which two are pinned", &f, mem, 8 * 512, 2 * 512, 2);
	tap_eq(f.early, 2 * 512, "THP, of which two are pinned: a record for each small page");
	tap_eq(vmstat("thp_split_pmd") - splits, 2, "THP: the kernel counts the splits as well");
	end(&f);
	for (i = 0; i < 3; i++)
		dev_unpin(fd, id[i]);
	munmap(mem, 8 * HUGE);
}

static void hugetlb(void)
{
	char *mem = mmap(NULL, 4 * HUGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	char *shared = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	struct forked f;
	int id[2];

	if (mem == MAP_FAILED || shared == MAP_FAILED)
		return tap_skip("hugetlb", "no huge pages to be had");
	memset(mem, 'H', 3 * HUGE);
	memset(shared, 'S', HUGE);
	fork_stopped(&f);
	check("hugetlb", &f, mem, 4 * 512, 0, 0);
	end(&f);
	/* Written again: the parent's alone. */
	memset(mem, 'I', 3 * HUGE);
	id[0] = take(PIN, mem + HUGE + 7 * PAGE, 1);
	id[1] = take(PIN | COWSCOPE_PIN_WRITE, shared, 512);
	fork_stopped(&f);
	check("hugetlb, one page pinned", &f, mem, 4 * 512, early_hugetlb ? 512 : 0, 0);
	tap_eq(f.early, early_hugetlb, "hugetlb, one page pinned: %s",
	       early_hugetlb ? "one record" : "this kernel copies none");
	end(&f);
	dev_unpin(fd, id[0]);
	dev_unpin(fd, id[1]);
	munmap(mem, 4 * HUGE);
	munmap(shared, 2 * HUGE);
}

int main(void)
{
	tap_begin();
	fd = dev_open();
	rings_open(fd, &rings);
	early_hugetlb = kernel_has(5, 12);
	small();
	thp();
	hugetlb();
	return tap_end();
}
