// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <linux/kernel-page-flags.h>

#include "cross.h"
#include "tap.h"

#define MOST_PFN	(1UL << 20)	/* of at most 3 GiB of memory, below the PC's hole */
#define BIAS		1024		/* GUP_PIN_COUNTING_BIAS */
/* The kernel's include/linux/kernel-page-flags.h has them, but not for user space. */
#define KPF_PRIVATE	35
#define KPF_PRIVATE_2	36
#define BIT(n)		(1ULL << (n))
#define FLAG(flags, bit) (!!((flags) & BIT(bit)))
#define HAS(value, mask) (!!((value) & (mask)))

/* What this process and the one that checks from elsewhere share. */
static struct shared {
	pid_t pid;
	const void *mem;
	size_t pages, agreed;
	struct known known;
	bool pinned;			/* the process has used FOLL_PIN */
	char reason[200];
	uint16_t gets[MOST_PFN], pins[MOST_PFN];	/* by pfn */
} *shared;

static struct gate ask, answered;
static pid_t checker;
static int fd = -1;
static bool ksm_is_all;		/* 6.12 takes all that is anonymous to be KSM */
static bool no_page_mapcount;
static unsigned long compared;

/* The kernel's view of pages, by pfn, as far as it was looked at in this go. */
#define NEAR		512UL
static uint64_t counts[MOST_PFN], flags[MOST_PFN];
static unsigned int look, looked[MOST_PFN / NEAR];

struct view {
	struct cowscope_page page[CROSS_PAGES];
	uint64_t map[CROSS_PAGES];
};

/* A folio, from the kernel's tables alone. */
struct folio {
	uint64_t head, pages;
	uint64_t flags;			/* of its head */
	long long mapped;		/* sum of its pages' mapcounts */
	long long least;
	long long gets, pins;		/* our own */
};

static const char *why;

/* Keeps the first difference for the report. */
static bool same(size_t i, long long ours, long long theirs, const char *what)
{
	if (ours == theirs)
		return true;
	if (!why) {
		snprintf(shared->reason, sizeof(shared->reason), "page %zu: %s is 0x%llx, not 0x%llx",
			 i, what, ours, theirs);
		why = shared->reason;
	}
	return false;
}

static uint64_t in_table(uint64_t pfn)
{
	if (pfn >= MOST_PFN)
		tap_bail("pfn 0x%llx is too large", (unsigned long long)pfn);
	return pfn;
}

/* Reads what they say of a page's neighbourhood, of which no folio is larger. */
static void look_at(uint64_t pfn)
{
	static const char *const path[] = { "/proc/kpagecount", "/proc/kpageflags" };
	uint64_t *const table[] = { counts, flags };
	static int file[2] = { -1, -1 };
	size_t first = pfn & ~(NEAR - 1);
	int i;

	if (looked[in_table(pfn) / NEAR] == look)
		return;
	looked[pfn / NEAR] = look;
	for (i = 0; i < 2; i++) {
		if (file[i] < 0)
			file[i] = open(path[i], O_RDONLY | O_CLOEXEC);
		if (file[i] < 0 || pread(file[i], table[i] + first, NEAR * 8, first * 8) <= 0)
			tap_bail("%s of 0x%zx: %s", path[i], first, strerror(errno));
	}
}

static struct folio folio_of(uint64_t pfn)
{
	struct folio f = { .head = pfn, .pages = 1, .least = counts[pfn] };
	uint64_t i;

	while (f.head % NEAR && FLAG(flags[f.head], KPF_COMPOUND_TAIL))
		f.head--;
	if (FLAG(flags[f.head], KPF_COMPOUND_HEAD))
		while ((f.head + f.pages) % NEAR &&
		       FLAG(flags[f.head + f.pages], KPF_COMPOUND_TAIL))
			f.pages++;
	f.flags = flags[f.head];
	for (i = f.head; i < f.head + f.pages; i++) {
		f.mapped += counts[i];
		if (f.least > (long long)counts[i])
			f.least = counts[i];
		f.gets += shared->gets[i];
		f.pins += shared->pins[i];
	}
	return f;
}

static bool same_pte(const struct view *v, size_t i)
{
	const struct cowscope_page *p = &v->page[i];
	unsigned int level = COWSCOPE_STATE_LEVEL(p->state);
	uint64_t m = v->map[i];
	bool present = HAS(p->pte, COWSCOPE_PTE_PRESENT);

	same(i, p->addr, (uintptr_t)shared->mem + i * PAGE, "addr");
	same(i, HAS(p->pte, COWSCOPE_PTE_READ), 1, "READ");
	same(i, present, HAS(m, PM_PRESENT), "PRESENT");
	if (!present) {
		same(i, p->pte, COWSCOPE_PTE_READ, "PTE that is not present");
		same(i, level != COWSCOPE_LEVEL_NONE, HAS(m, PM_SWAP), "swapped out");
		same(i, p->refcount, COWSCOPE_COUNT_NA, "refcount of no page");
		same(i, p->mapcount, COWSCOPE_COUNT_NA, "mapcount of no page");
		same(i, p->holders, 0, "holders of no page");
		return !why;
	}
	same(i, COWSCOPE_PTE_PFN(p->pte), PM_PFN(m), "pfn");
	same(i, HAS(p->pte, COWSCOPE_PTE_HUGE), level > COWSCOPE_LEVEL_PTE, "HUGE");
	/* pagemap does not show it of hugetlb. */
	if (COWSCOPE_STATE_KIND(p->state) != COWSCOPE_KIND_HUGETLB)
		same(i, HAS(p->pte, COWSCOPE_PTE_SOFT_DIRTY), HAS(m, PM_SOFT_DIRTY), "SOFT_DIRTY");
	if (kernel_has(5, 14))
		same(i, HAS(p->pte, COWSCOPE_PTE_UFFD_WP), HAS(m, PM_UFFD_WP), "UFFD_WP");
	return !why;
}

static bool same_kind(const struct view *v, size_t i, const struct folio *f)
{
	const struct cowscope_page *p = &v->page[i];
	unsigned int kind = COWSCOPE_STATE_KIND(p->state);
	uint64_t own = flags[COWSCOPE_PTE_PFN(p->pte)];
	bool file = HAS(v->map[i], PM_FILE);

	same(i, kind == COWSCOPE_KIND_HUGETLB, FLAG(own, KPF_HUGE), "hugetlb");
	if (kind == COWSCOPE_KIND_HUGETLB)
		return !why;
	same(i, kind == COWSCOPE_KIND_ANON || kind == COWSCOPE_KIND_KSM, FLAG(own, KPF_ANON), "anon");
	if (!ksm_is_all)
		same(i, kind == COWSCOPE_KIND_KSM, FLAG(own, KPF_KSM), "KSM");
	same(i, kind == COWSCOPE_KIND_FILE || kind == COWSCOPE_KIND_SHMEM, file, "file");
	same(i, kind == COWSCOPE_KIND_SHMEM, file && FLAG(f->flags, KPF_SWAPBACKED), "shmem");
	same(i, HAS(p->state, COWSCOPE_STATE_MAPPING), file, "MAPPING");
	same(i, HAS(p->state, COWSCOPE_STATE_PRIVATE), file &&
	     (FLAG(f->flags, KPF_PRIVATE) || FLAG(f->flags, KPF_PRIVATE_2)), "PRIVATE");
	return !why;
}

/* References by mappings, caches and our own holders. */
static long long references(const struct view *v, size_t i, const struct folio *f,
			    long long mappings)
{
	bool hugetlb = FLAG(f->flags, KPF_HUGE), file = HAS(v->map[i], PM_FILE);
	long long refs = mappings + f->gets + f->pins * (f->pages == 1 ? BIAS : 1);

	/* "mm/filemap: remove hugetlb special casing in filemap.c", 6.7 */
	if (file && hugetlb && !kernel_has(6, 7))
		return refs + 1;
	if (file || FLAG(f->flags, KPF_SWAPCACHE))
		refs += f->pages;
	if (hugetlb)
		return refs;
	if (file && (FLAG(f->flags, KPF_PRIVATE) || FLAG(f->flags, KPF_PRIVATE_2)))
		refs++;
	return refs + !FLAG(f->flags, KPF_LRU);
}

static bool same_counts(const struct view *v, size_t i, const struct folio *f)
{
	const struct cowscope_page *p = &v->page[i];
	unsigned int level = COWSCOPE_STATE_LEVEL(p->state);
	uint64_t pfn = COWSCOPE_PTE_PFN(p->pte);
	long long mapcount = counts[pfn], whole, refs;
	bool large = f->pages > 1, once = mapcount == 1;

	same(i, 1LL << COWSCOPE_STATE_ORDER(p->state), f->pages, "pages of the folio");
	same(i, p->mapcount, large && no_page_mapcount ? COWSCOPE_COUNT_NA : mapcount, "mapcount");
	/* 7.3 says it of all that a PMD maps by one page. */
	if (level != COWSCOPE_LEVEL_PTE && large)
		once = HAS(v->map[i], PM_EXCLUSIVE) == (counts[f->head] == 1) ?
			HAS(v->map[i], PM_EXCLUSIVE) : once;
	if (!no_page_mapcount)
		same(i, once, HAS(v->map[i], PM_EXCLUSIVE), "mapped once");

	/* A mapping of the whole folio counts once there and once for each page. */
	whole = f->pages > 1 ? (f->mapped - p->folio_mapcount) / ((long long)f->pages - 1) : 0;
	same(i, p->folio_mapcount, f->mapped - whole * ((long long)f->pages - 1), "folio's mapcount");
	same(i, whole >= (level > COWSCOPE_LEVEL_PTE) && whole <= f->least, 1, "whole mappings");

	refs = references(v, i, f, f->mapped - whole * ((long long)f->pages - 1));
	same(i, p->refcount, refs, "refcount");
	if (p->explained != COWSCOPE_COUNT_NA || !FLAG(f->flags, KPF_HUGE))
		same(i, p->explained, refs, "explained references");
	same(i, p->pincount, large ? f->pins : COWSCOPE_COUNT_NA, "pincount");
	same(i, COWSCOPE_STATE_PINNED(p->state), (large ? f->pins > 0 : refs >= BIAS) ?
	     COWSCOPE_YES : COWSCOPE_NO, "pinned");
	same(i, p->holders, shared->gets[pfn] + shared->pins[pfn], "holders");
	same(i, !!p->holder, !!p->holders, "holder");
	return !why;
}

static bool same_state(const struct view *v, size_t i, const struct folio *f)
{
	const struct cowscope_page *p = &v->page[i];
	unsigned int kind = COWSCOPE_STATE_KIND(p->state);
	unsigned int exclusive = COWSCOPE_STATE_EXCLUSIVE(p->state);
	bool file = HAS(v->map[i], PM_FILE);

	same(i, HAS(p->state, COWSCOPE_STATE_LRU), FLAG(f->flags, KPF_LRU), "LRU");
	same(i, HAS(p->state, COWSCOPE_STATE_LOCKED), FLAG(f->flags, KPF_LOCKED), "LOCKED");
	same(i, HAS(p->state, COWSCOPE_STATE_WRITEBACK), FLAG(f->flags, KPF_WRITEBACK), "WRITEBACK");
	same(i, HAS(p->state, COWSCOPE_STATE_SWAPCACHE), FLAG(f->flags, KPF_SWAPCACHE), "SWAPCACHE");

	same(i, exclusive != COWSCOPE_NA, !file && kernel_has(5, 19), "exclusive is known");
	if (exclusive == COWSCOPE_NA)
		return !why;
	/* The kernel's own rules of it, include/linux/page-flags.h. */
	if (HAS(p->pte, COWSCOPE_PTE_WRITE))
		same(i, exclusive, COWSCOPE_YES, "exclusive of a writable page");
	if (kind == COWSCOPE_KIND_KSM || (f->pages == 1 && p->mapcount != 1))
		same(i, exclusive, COWSCOPE_NO, "exclusive of a shared page");
	return !why;
}

static bool same_page(const struct view *v, size_t i)
{
	const struct cowscope_page *p = &v->page[i];
	unsigned int kind = COWSCOPE_STATE_KIND(p->state);
	uint64_t pfn = COWSCOPE_PTE_PFN(p->pte);
	struct folio f;

	look_at(pfn);
	same(i, HAS(p->state, COWSCOPE_STATE_MM_PINNED), shared->pinned, "MM_PINNED");
	same(i, kind == COWSCOPE_KIND_ZERO, FLAG(flags[pfn], KPF_ZERO_PAGE), "zero page");
	if (kind == COWSCOPE_KIND_ZERO)
		return !why;
	f = folio_of(pfn);
	return same_kind(v, i, &f) && same_counts(v, i, &f) && same_state(v, i, &f);
}

static void same_tri(const struct view *v, size_t i, unsigned int tri, uint64_t bit,
		     const char *what)
{
	if (tri != COWSCOPE_NA)
		same(i, HAS(v->page[i].pte, bit), tri == COWSCOPE_YES, what);
}

static bool same_known(const struct view *v, size_t i, const struct known *k)
{
	const struct cowscope_page *p = &v->page[i];

	if (k->kind)
		same(i, COWSCOPE_STATE_KIND(p->state), k->kind, "kind");
	if (k->level)
		same(i, COWSCOPE_STATE_LEVEL(p->state), k->level, "level");
	if (k->mapcount && p->mapcount != COWSCOPE_COUNT_NA)
		same(i, p->mapcount, k->mapcount, "known mapcount");
	if (k->refcount)
		same(i, p->refcount - (k->kind != COWSCOPE_KIND_HUGETLB &&
				       !HAS(p->state, COWSCOPE_STATE_LRU)), k->refcount,
		     "known refcount");
	if (k->exclusive && kernel_has(5, 19))
		same(i, COWSCOPE_STATE_EXCLUSIVE(p->state), k->exclusive, "exclusive");
	if (k->pages)
		same(i, 1LL << COWSCOPE_STATE_ORDER(p->state), k->pages, "order");
	if (k->shared)
		same(i, HAS(p->state, COWSCOPE_STATE_SHARED_VMA), k->shared == COWSCOPE_YES,
		     "SHARED_VMA");
	same_tri(v, i, k->write, COWSCOPE_PTE_WRITE, "WRITE");
	same_tri(v, i, k->dirty, COWSCOPE_PTE_DIRTY, "DIRTY");
	same_tri(v, i, k->young, COWSCOPE_PTE_YOUNG, "YOUNG");
	same_tri(v, i, k->protnone, COWSCOPE_PTE_PROTNONE, "PROTNONE");
	return !why;
}

/* How many pages agree; the first that does not says why. */
static size_t agree(void)
{
	static struct view v;
	size_t i, present = 0;

	why = NULL;
	if (dev_pages(fd, shared->pid, shared->mem, shared->pages, v.page))
		tap_bail("PAGE_STATE failed");
	pagemap(shared->pid, shared->mem, shared->pages, v.map);
	look++;
	for (i = 0; i < shared->pages; i++) {
		if (!same_pte(&v, i))
			return i;
		if (!(v.page[i].pte & COWSCOPE_PTE_PRESENT))
			continue;
		present++;
		if (!same_page(&v, i) || !same_known(&v, i, &shared->known))
			return i;
	}
	compared += present;
	return i;
}

/* Others look at pages as well, and LRU caches hold some: then look again. */
static void check(const char *what, const char *whose, size_t (*compare)(void))
{
	int tries;

	for (tries = 0; tries < 6 && compare() != shared->pages; tries++) {
		nanosleep(&(struct timespec){ .tv_nsec = tries * 10000000 }, NULL);
		drain();
	}
	if (!tap_ok(tries < 6, "%s%s: %zu pages", what, whose, shared->pages))
		tap_note("%s", shared->reason);
}

static size_t elsewhere(void)
{
	gate_pass(&ask);
	gate_wait(&answered);
	return shared->agreed;
}

static void set(pid_t pid, const void *mem, size_t pages, struct known k)
{
	if (pages > CROSS_PAGES)
		tap_bail("%zu pages are too many", pages);
	shared->pid = pid;
	shared->mem = mem;
	shared->pages = pages;
	shared->known = k;
}

void cross_check_of(const char *what, pid_t pid, const void *mem, size_t pages, struct known k)
{
	bool pinned = shared->pinned;

	set(pid, mem, pages, k);
	/* A child does not inherit it. */
	shared->pinned = pinned && pid == getpid();
	check(what, "", agree);
	shared->pinned = pinned;
}

void cross_check(const char *what, const void *mem, size_t pages, struct known k)
{
	set(0, mem, pages, k);
	check(what, "", agree);
	set(getpid(), mem, pages, k);
	check(what, ", seen by another process", elsewhere);
}

unsigned long cross_compared(void)
{
	return compared;
}

static void answer(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		gate_wait(&ask);
		shared->agreed = agree();
		gate_pass(&answered);
	}
}

void cross_begin(void)
{
	char *mem = map_anon(PAGE);

	poke(mem, 'A');
	fd = dev_open();
	/* Some kernels keep no mapcounts of a large folio's pages: then none is shown. */
	no_page_mapcount = kernel_configured("NO_PAGE_MAPCOUNT");
	ksm_is_all = FLAG(kpageflags(PM_PFN(pagemap_one(mem))), KPF_KSM);
	if (ksm_is_all)
		tap_skip("KSM against kpageflags", "this kernel says it of every anonymous page");
	if (!kernel_has(5, 14))
		tap_skip("uffd-wp bit", "this kernel's pagemap does not show it");
	munmap(mem, PAGE);
	/* What it finds lasts longer than a test. */
	write_file("/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs", "3600000");

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	gate_open(&ask);
	gate_open(&answered);
	fflush(stdout);
	checker = fork();
	if (!checker)
		answer();
}

void cross_end(void)
{
	kill(checker, SIGKILL);
	wait_status(checker);
	munmap(shared, sizeof(*shared));
	close(fd);
}

static void note(const struct hold *h, int by)
{
	uint16_t *table = h->flags & COWSCOPE_PIN_FOLL_PIN ? shared->pins : shared->gets;
	size_t i;

	for (i = 0; i < h->pages; i++)
		table[in_table(h->pfn[i])] += by;
}

int cross_hold(struct hold *h, int by, unsigned int how, const void *mem, size_t pages)
{
	int id = dev_pin(by, how, mem, pages * PAGE);
	size_t i;

	/* Also one that fails half-way has set it. */
	if (how & COWSCOPE_PIN_FOLL_PIN && id != -EINVAL)
		shared->pinned = true;
	if (id < 0)
		return id;
	*h = (struct hold){ id, how, pages, malloc(pages * sizeof(*h->pfn)) };
	pagemap(0, mem, pages, h->pfn);
	for (i = 0; i < pages; i++)
		h->pfn[i] = PM_PFN(h->pfn[i]);
	note(h, 1);
	return 0;
}

void cross_release(struct hold *h, int by)
{
	if (dev_unpin(by, h->id))
		tap_bail("UNPIN of %d failed", h->id);
	note(h, -1);
	free(h->pfn);
	h->id = 0;
}

void forget_writes(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", pid ? pid : getpid());
	if (!write_file(path, "4"))
		tap_bail("%s: %s", path, strerror(errno));
}
