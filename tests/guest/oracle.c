// SPDX-License-Identifier: GPL-2.0
/*
 * PAGE_STATE against /proc/self/pagemap, /proc/kpagecount and /proc/kpageflags
 * over every kind of memory, and against what is known of how it was made.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <linux/kernel-page-flags.h>
#include <linux/userfaultfd.h>

#include "kit.h"
#include "tap.h"

#define PAGES	256
#define MOST	512
#define BIT(n)	(1ULL << (n))

static int fd;
static int clear_refs;
static bool ksm_is_all;		/* 6.12 takes all that is anonymous to be KSM */

/* What is known beforehand; -1 if it is not. */
struct known {
	int kind, level, mapcount, exclusive, order;
};

struct view {
	struct cowscope_page page[MOST];
	uint64_t map[MOST];
};

static const char *why;
static char reason[200];

/* Keeps the first difference for the report. */
static bool same(size_t i, unsigned long long ours, unsigned long long theirs, const char *what)
{
	if (ours == theirs)
		return true;
	if (!why) {
		snprintf(reason, sizeof(reason), "page %zu: %s is 0x%llx, not 0x%llx", i, what,
			 ours, theirs);
		why = reason;
	}
	return false;
}

#define FLAG(flags, bit)	(!!((flags) & BIT(bit)))
#define HAS(value, mask)	(!!((value) & (mask)))

static bool same_pte(const struct view *v, size_t i)
{
	const struct cowscope_page *p = &v->page[i];
	uint64_t m = v->map[i];
	bool present = HAS(p->pte, COWSCOPE_PTE_PRESENT);

	same(i, HAS(p->pte, COWSCOPE_PTE_READ), 1, "READ");
	same(i, present, HAS(m, PM_PRESENT), "PRESENT");
	if (!present) {
		same(i, p->pte, COWSCOPE_PTE_READ, "PTE that is not present");
		return !why;
	}
	same(i, COWSCOPE_PTE_PFN(p->pte), PM_PFN(m), "pfn");
	/* pagemap does not show it of hugetlb. */
	if (COWSCOPE_STATE_KIND(p->state) != COWSCOPE_KIND_HUGETLB)
		same(i, HAS(p->pte, COWSCOPE_PTE_SOFT_DIRTY), HAS(m, PM_SOFT_DIRTY), "SOFT_DIRTY");
	if (kernel_has(5, 14))
		same(i, HAS(p->pte, COWSCOPE_PTE_UFFD_WP), HAS(m, PM_UFFD_WP), "UFFD_WP");
	if (p->mapcount != COWSCOPE_COUNT_NA)
		same(i, p->mapcount == 1, HAS(m, PM_EXCLUSIVE), "mapped once");
	return !why;
}

static bool same_page(const struct view *v, size_t i)
{
	const struct cowscope_page *p = &v->page[i];
	unsigned int kind = COWSCOPE_STATE_KIND(p->state);
	unsigned int order = COWSCOPE_STATE_ORDER(p->state);
	uint64_t pfn = COWSCOPE_PTE_PFN(p->pte);
	uint64_t flags = kpageflags(pfn), head = kpageflags(pfn & ~(BIT(order) - 1));

	same(i, kind == COWSCOPE_KIND_ZERO, FLAG(flags, KPF_ZERO_PAGE), "zero page");
	if (kind == COWSCOPE_KIND_ZERO)
		return !why;
	if (kind != COWSCOPE_KIND_HUGETLB)
		same(i, kind == COWSCOPE_KIND_ANON || kind == COWSCOPE_KIND_KSM,
		     FLAG(flags, KPF_ANON), "anon");
	if (!ksm_is_all)
		same(i, kind == COWSCOPE_KIND_KSM, FLAG(flags, KPF_KSM), "KSM");
	same(i, kind == COWSCOPE_KIND_HUGETLB, FLAG(flags, KPF_HUGE), "hugetlb");
	if (kind == COWSCOPE_KIND_FILE || kind == COWSCOPE_KIND_SHMEM) {
		same(i, HAS(v->map[i], PM_FILE), 1, "file");
		same(i, kind == COWSCOPE_KIND_SHMEM, FLAG(head, KPF_SWAPBACKED), "shmem");
	}
	same(i, order > 0, FLAG(flags, KPF_COMPOUND_HEAD) || FLAG(flags, KPF_COMPOUND_TAIL),
	     "compound");
	same(i, FLAG(head, KPF_COMPOUND_HEAD), order > 0, "its head");
	same(i, HAS(p->state, COWSCOPE_STATE_LRU), FLAG(head, KPF_LRU), "LRU");
	same(i, HAS(p->state, COWSCOPE_STATE_LOCKED), FLAG(head, KPF_LOCKED), "LOCKED");
	same(i, HAS(p->state, COWSCOPE_STATE_WRITEBACK), FLAG(head, KPF_WRITEBACK), "WRITEBACK");
	same(i, HAS(p->state, COWSCOPE_STATE_SWAPCACHE), FLAG(head, KPF_SWAPCACHE), "SWAPCACHE");
	if (p->mapcount != COWSCOPE_COUNT_NA)
		same(i, p->mapcount, kpagecount(pfn), "mapcount");
	if (p->explained != COWSCOPE_COUNT_NA)
		same(i, p->explained, p->refcount, "explained references");
	same(i, p->holders, 0, "holders");
	same(i, COWSCOPE_STATE_PINNED(p->state), COWSCOPE_NO, "pinned");
	return !why;
}

static bool same_known(const struct view *v, size_t i, const struct known *k)
{
	const struct cowscope_page *p = &v->page[i];

	if (k->kind >= 0)
		same(i, COWSCOPE_STATE_KIND(p->state), k->kind, "kind");
	if (k->level >= 0)
		same(i, COWSCOPE_STATE_LEVEL(p->state), k->level, "level");
	if (k->level >= 0)
		same(i, HAS(p->pte, COWSCOPE_PTE_HUGE), k->level > COWSCOPE_LEVEL_PTE, "HUGE");
	if (k->mapcount >= 0 && p->mapcount != COWSCOPE_COUNT_NA)
		same(i, p->mapcount, k->mapcount, "known mapcount");
	if (k->exclusive >= 0 && COWSCOPE_STATE_EXCLUSIVE(p->state) != COWSCOPE_NA)
		same(i, COWSCOPE_STATE_EXCLUSIVE(p->state), k->exclusive, "exclusive");
	if (k->order >= 0)
		same(i, COWSCOPE_STATE_ORDER(p->state), k->order, "order");
	return !why;
}

/* How many pages agree; the first that does not says why. */
static size_t agree(void *mem, size_t pages, const struct known *k)
{
	static struct view v;
	size_t i;

	why = NULL;
	if (dev_pages(fd, 0, mem, pages, v.page))
		tap_bail("PAGE_STATE failed");
	pagemap(0, mem, pages, v.map);
	for (i = 0; i < pages; i++) {
		const struct cowscope_page *p = &v.page[i];

		if (!same(i, p->addr, (uintptr_t)mem + i * PAGE, "addr") || !same_pte(&v, i))
			return i;
		if (p->pte & COWSCOPE_PTE_PRESENT && (!same_page(&v, i) || !same_known(&v, i, k)))
			return i;
	}
	return pages;
}

/* A page may be in an LRU cache, or be looked at by others: look again. */
static void check(const char *what, void *mem, size_t pages, struct known k)
{
	int tries;

	for (tries = 0; tries < 5; tries++) {
		drain();
		if (agree(mem, pages, &k) == pages)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	}
	if (!tap_ok(tries < 5, "%s: %zu pages", what, pages))
		tap_note("%s", why);
}

static size_t present(void *mem, size_t pages)
{
	static uint64_t map[MOST];
	size_t i, n = 0;

	pagemap(0, mem, pages, map);
	for (i = 0; i < pages; i++)
		n += HAS(map[i], PM_PRESENT);
	return n;
}

/* From here on soft-dirty is what the PTEs say, not the whole VMA. */
static void forget_writes(void)
{
	if (write(clear_refs, "4", 1) != 1)
		tap_bail("clear_refs: %s", strerror(errno));
}

static void anon(void)
{
	char *mem = map_anon(PAGES * PAGE);
	struct gate go;
	pid_t pid;

	memset(mem, 'A', PAGES * PAGE);
	ksm_is_all = FLAG(kpageflags(PM_PFN(pagemap_one(mem))), KPF_KSM);
	if (ksm_is_all)
		tap_skip("KSM against kpageflags", "this kernel says it of every anonymous page");
	forget_writes();
	memset(mem, 'B', PAGES * PAGE / 2);
	check("anon", mem, PAGES, (struct known){ COWSCOPE_KIND_ANON, COWSCOPE_LEVEL_PTE, 1,
	      COWSCOPE_YES, 0 });
	gate_open(&go);
	pid = fork();
	if (!pid) {
		gate_wait(&go);
		_exit(0);
	}
	check("anon, shared with a child", mem, PAGES, (struct known){ COWSCOPE_KIND_ANON,
	      COWSCOPE_LEVEL_PTE, 2, COWSCOPE_NO, 0 });
	gate_pass(&go);
	wait_status(pid);
	check("anon, after the child", mem, PAGES, (struct known){ COWSCOPE_KIND_ANON,
	      COWSCOPE_LEVEL_PTE, 1, COWSCOPE_NO, 0 });
	mprotect(mem, PAGES * PAGE, PROT_NONE);
	check("anon, PROT_NONE", mem, PAGES, (struct known){ COWSCOPE_KIND_ANON, -1, 1, -1, 0 });
	munmap(mem, PAGES * PAGE / 2);
	check("half unmapped", mem, PAGES, (struct known){ -1, -1, -1, -1, -1 });
	munmap(mem, PAGES * PAGE);

	mem = map_anon(PAGES * PAGE);
	forget_writes();
	tap_eq(present(mem, PAGES), 0, "none of it is there");
	check("anon, not touched", mem, PAGES, (struct known){ -1, -1, -1, -1, -1 });
	for (size_t i = 0; i < PAGES; i++)
		peek(mem + i * PAGE);
	check("zero page", mem, PAGES, (struct known){ COWSCOPE_KIND_ZERO, COWSCOPE_LEVEL_PTE, -1,
	      -1, -1 });
	munmap(mem, PAGES * PAGE);
}

static void files(void)
{
	int file = test_file(), memfd = memfd_create("oracle", MFD_CLOEXEC);
	bool real = getenv("TEST_DIR") != NULL;
	struct known k = { real ? COWSCOPE_KIND_FILE : COWSCOPE_KIND_SHMEM, COWSCOPE_LEVEL_PTE, 1,
			   -1, -1 };
	char *mem = map_file(file, PAGES * PAGE, MAP_PRIVATE);

	for (size_t i = 0; i < PAGES; i++)
		peek(mem + i * PAGE);
	forget_writes();
	check("private file", mem, PAGES, k);
	memset(mem, 'B', PAGES * PAGE / 2);
	k.kind = -1;
	check("private file, half written", mem, PAGES, k);
	munmap(mem, PAGES * PAGE);

	mem = map_file(file, PAGES * PAGE, MAP_SHARED);
	memset(mem, 'B', PAGES * PAGE);
	forget_writes();
	k.kind = real ? COWSCOPE_KIND_FILE : COWSCOPE_KIND_SHMEM;
	check("shared file", mem, PAGES, k);
	munmap(mem, PAGES * PAGE);

	mem = map_file(memfd, PAGES * PAGE, MAP_SHARED);
	memset(mem, 'B', PAGES * PAGE);
	forget_writes();
	check("memfd", mem, PAGES, (struct known){ COWSCOPE_KIND_SHMEM, COWSCOPE_LEVEL_PTE, 1, -1,
	      -1 });
	munmap(mem, PAGES * PAGE);
	close(file);
	close(memfd);
}

static void huge(void)
{
	struct known k = { COWSCOPE_KIND_ANON, COWSCOPE_LEVEL_PMD, 1, COWSCOPE_YES, 9 };
	char *mem = map_thp();

	if (!mem)
		return tap_skip("THP", "no huge page to be had");
	forget_writes();
	check("THP by PMD", mem, 512, k);
	mprotect(mem + 7 * PAGE, PAGE, PROT_READ);
	k.level = COWSCOPE_LEVEL_PTE;
	check("THP by PTEs", mem, 512, k);
	munmap(mem + 16 * PAGE, 32 * PAGE);
	check("THP by PTEs, with a hole", mem, 512, k);
	munmap(mem, HUGE);

	mem = map_hugetlb();
	if (!mem)
		return tap_skip("hugetlb", "no huge page to be had");
	forget_writes();
	k.kind = COWSCOPE_KIND_HUGETLB;
	k.level = COWSCOPE_LEVEL_HUGETLB;
	check("hugetlb", mem, 512, k);
	munmap(mem, HUGE);
}

static void ksm(void)
{
	char *mem = map_anon(PAGES * PAGE);
	int tries;

	memset(mem, 'K', PAGES * PAGE);
	if (madvise(mem, PAGES * PAGE, MADV_MERGEABLE) ||
	    !write_file("/sys/kernel/mm/ksm/pages_to_scan", "10000") ||
	    !write_file("/sys/kernel/mm/ksm/sleep_millisecs", "10") ||
	    !write_file("/sys/kernel/mm/ksm/run", "1")) {
		tap_skip("KSM", "this kernel has none");
	} else {
		for (tries = 0; tries < 1000; tries++) {
			char text[32] = "";

			read_file("/sys/kernel/mm/ksm/pages_sharing", text, sizeof(text));
			if (atoi(text) >= PAGES - 1)
				break;
			nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
		}
		write_file("/sys/kernel/mm/ksm/run", "0");
		forget_writes();
		tap_ok(tries < 1000, "KSM merges");
		check("KSM", mem, PAGES, (struct known){ COWSCOPE_KIND_KSM, COWSCOPE_LEVEL_PTE, -1,
		      COWSCOPE_NO, 0 });
		write_file("/sys/kernel/mm/ksm/run", "2");
	}
	munmap(mem, PAGES * PAGE);
}

static void swapped(void)
{
	char *mem = map_anon(PAGES * PAGE);

	memset(mem, 'S', PAGES * PAGE);
	forget_writes();
	drain();
	if (madvise(mem, PAGES * PAGE, MADV_PAGEOUT))
		tap_bail("MADV_PAGEOUT: %s", strerror(errno));
	tap_ok(present(mem, PAGES) < PAGES / 2, "swapped out: %zu of %lu are left",
	       present(mem, PAGES), PAGES + 0UL);
	check("swapped out", mem, PAGES, (struct known){ COWSCOPE_KIND_ANON, -1, 1, -1, 0 });
	for (size_t i = 0; i < PAGES / 2; i++)
		peek(mem + i * PAGE);
	check("half swapped in", mem, PAGES, (struct known){ COWSCOPE_KIND_ANON, -1, 1, -1, -1 });
	memset(mem, 'T', PAGES * PAGE);
	check("swapped in to write", mem, PAGES, (struct known){ COWSCOPE_KIND_ANON, -1, 1,
	      COWSCOPE_YES, -1 });
	munmap(mem, PAGES * PAGE);
}

static void uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	char *mem = map_anon(PAGES * PAGE);
	struct uffdio_register reg = { .range = { (uintptr_t)mem, PAGES * PAGE },
		.mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .range = { (uintptr_t)mem, PAGES * PAGE / 2 },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP };
	int uf = syscall(SYS_userfaultfd, O_CLOEXEC);

	memset(mem, 'U', PAGES * PAGE);
	forget_writes();
	if (uf < 0 || ioctl(uf, UFFDIO_API, &api) || ioctl(uf, UFFDIO_REGISTER, &reg) ||
	    ioctl(uf, UFFDIO_WRITEPROTECT, &wp)) {
		tap_skip("uffd-wp", "%s", strerror(errno));
	} else {
		if (!kernel_has(5, 14))
			tap_skip("uffd-wp bit", "this kernel's pagemap does not show it");
		check("half uffd-wp", mem, PAGES, (struct known){ COWSCOPE_KIND_ANON,
		      COWSCOPE_LEVEL_PTE, 1, COWSCOPE_YES, 0 });
	}
	close(uf);
	munmap(mem, PAGES * PAGE);
}

int main(void)
{
	tap_begin();
	fd = dev_open();
	clear_refs = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	anon();
	files();
	huge();
	ksm();
	swapped();
	uffd();
	close(fd);
	return tap_end();
}
