// SPDX-License-Identifier: GPL-2.0
/* Primitives: memory as a story wants it, mapped by page, by PMD or by PTEs. */
#include "prim.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE	(2UL << 20)

/* How map{} maps; the order is that of its names. */
enum mapping { BY_PAGE, BY_PMD, BY_PTE, BY_HUGETLB };

void prim_mapped(lua_State *L, u64 addr, u64 length)
{
	u32 n = __atomic_fetch_add(&story.log->areas, 1, __ATOMIC_RELAXED);

	if (n >= STORY_AREAS)
		luaL_error(L, "a story may map() %d times", STORY_AREAS);
	story.log->area[n].start = addr;
	story.log->area[n].end = addr + length;
}

static void push_area(lua_State *L, u64 addr, size_t length)
{
	struct area *a = lua_newuserdatauv(L, sizeof(*a), 0);

	*a = (struct area){ .addr = addr, .length = length, .uffd = -1 };
	luaL_setmetatable(L, AREA);
	story.page = addr;
}

/* The file behind a mapping: "memfd" or a path. */
static int open_backing(lua_State *L, const char *file, size_t length)
{
	int fd;

	if (strcmp(file, "memfd")) {
		fd = open(file, O_RDWR | O_CLOEXEC);
		return fd < 0 ? prim_failed(L, file) : fd;
	}
	fd = memfd_create("cowscope", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, length))
		return prim_failed(L, "memfd");
	return fd;
}

static char *map_pages(lua_State *L, size_t length, int flags, const char *file)
{
	int fd = file ? open_backing(L, file, length) : -1;
	char *p = mmap(NULL, length, PROT_READ | PROT_WRITE,
		       flags | (file ? 0 : MAP_ANONYMOUS), fd, 0);

	if (p == MAP_FAILED)
		prim_failed(L, "mmap");
	if (file)
		close(fd);
	madvise(p, length, MADV_NOHUGEPAGE);
	return p;
}

/* Room for as many again must be free: a copy is made of huge pages, too. */
static char *map_hugetlb(lua_State *L, size_t length, int flags)
{
	char *p = mmap(NULL, 2 * length, PROT_READ | PROT_WRITE,
		       flags | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (p == MAP_FAILED)
		prim_skip(L, "no huge pages: sysctl vm.nr_hugepages=%d",
			  (int)(2 * length / HUGE));
	munmap(p + length, length);
	memset(p, 0, length);
	return p;
}

/* Does a PMD map it? A device that fails is told by the step. */
static bool is_by_pmd(const char *at)
{
	struct cowscope_page page = { 0 };

	return !page_state((uintptr_t)at, &page) && page.pte & COWSCOPE_PTE_HUGE;
}

/* One THP at a time; tries again, compacted, where there was none. */
static bool fault_in_thp(char *at)
{
	int tries, fd;

	for (tries = 0; tries < 5; tries++) {
		memset(at, 0, HUGE);
		if (is_by_pmd(at))
			return true;
		madvise(at, HUGE, MADV_DONTNEED);
		fd = open("/proc/sys/vm/compact_memory", O_WRONLY | O_CLOEXEC);
		if (fd >= 0) {
			dprintf(fd, "1");
			close(fd);
		}
	}
	return false;
}

/*
 * A mapping that ends inside of a huge page cannot have it by PMD: an advice on
 * a half of it makes the kernel split the PMD, and touches neither page nor PTE.
 */
static bool split_pmds(char *p, size_t length)
{
	size_t at;

	for (at = 0; at < length; at += HUGE)
		if (madvise(p + at, HUGE / 2, MADV_NOHUGEPAGE) || is_by_pmd(p + at))
			return false;
	return true;
}

static char *map_thps(lua_State *L, size_t length, int flags, bool split)
{
	size_t before, at;
	char *p;

	p = mmap(NULL, length + HUGE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		prim_failed(L, "mmap");
	before = -(uintptr_t)p & (HUGE - 1);
	munmap(p + before + length, HUGE - before);
	if (before)
		munmap(p, before);
	p += before;

	if (madvise(p, length, MADV_HUGEPAGE))
		prim_skip(L, "this kernel has no transparent huge pages");
	for (at = 0; at < length; at += HUGE)
		if (!fault_in_thp(p + at))
			prim_skip(L, "no huge page to be had: memory is in pieces, or transparent_hugepage/enabled is \"never\"");
	if (split && !split_pmds(p, length))
		prim_skip(L, "this kernel does not split a PMD at a mapping's end");
	/* khugepaged leaves alone what wants no huge pages; those there stay. */
	madvise(p, length, MADV_NOHUGEPAGE);
	return p;
}

/*
 * map [{ pages = 1, shared = false, file = nil, huge = nil }] -> memory
 *
 * Maps memory, readable and writable. Without a file it is anonymous; file is
 * "memfd" or the path of a file that is large enough. Nothing is faulted in, and
 * MADV_NOHUGEPAGE is set: Debian's kernels make huge pages wherever they fit,
 * which would blur every count.
 *
 * huge = "pmd" or "pte" maps transparent huge pages, each by one PMD or by 512
 * PTEs; "hugetlb" pages of hugetlbfs. pages is still in small ones, a multiple
 * of 512, which is the default. This memory is faulted in and holds zeros, for
 * only then is it what was asked for; khugepaged leaves it alone. Where no huge
 * page can be had, the story is skipped.
 *
 * Errors: those of mmap(2), memfd_create(2).
 */
static int map_memory(lua_State *L)
{
	static const char *const by[] = { "page", "pmd", "pte", "hugetlb", NULL };
	const char *file;
	lua_Integer pages;
	enum mapping how;
	size_t length;
	char *p;
	int flags;

	prim_options(L, 1, (const char *const[]){ "pages", "shared", "file", "huge", NULL });
	lua_getfield(L, 1, "shared");
	flags = lua_toboolean(L, -1) ? MAP_SHARED : MAP_PRIVATE;
	lua_getfield(L, 1, "file");
	file = luaL_optstring(L, -1, NULL);
	lua_getfield(L, 1, "huge");
	how = luaL_checkoption(L, -1, by[BY_PAGE], by);
	lua_getfield(L, 1, "pages");
	pages = luaL_optinteger(L, -1, how == BY_PAGE ? 1 : 512);
	luaL_argcheck(L, pages > 0 && pages <= 1 << 20, 1, "pages: 1 to 2^20");
	luaL_argcheck(L, how == BY_PAGE || pages % 512 == 0, 1, "pages: a multiple of 512");
	luaL_argcheck(L, how == BY_PAGE || !file, 1, "huge: without a file");

	length = pages * sysconf(_SC_PAGESIZE);
	if (how == BY_PAGE)
		p = map_pages(L, length, flags, file);
	else if (how == BY_HUGETLB)
		p = map_hugetlb(L, length, flags);
	else
		p = map_thps(L, length, flags, how == BY_PTE);

	prim_mapped(L, (uintptr_t)p, length);
	push_area(L, (uintptr_t)p, length);
	return 1;
}

/*
 * MEMORY:part([offset = 0 [, length = one page]]) -> memory
 *
 * A piece of it, with which all can be done that can be done with memory; both
 * numbers are multiples of the page size. What uffd_wp() registered belongs to
 * the piece that it was called on.
 */
static int area_part(lua_State *L)
{
	struct area *a = prim_area(L, 1);
	lua_Integer length = luaL_optinteger(L, 3, sysconf(_SC_PAGESIZE));
	u64 offset = prim_range(L, 2, length, a->length);

	luaL_argcheck(L, length > 0 && offset == prim_page(offset) &&
		      (u64)length == prim_page(length), 2, "whole pages are wanted");
	push_area(L, a->addr + offset, length);
	return 1;
}

void prim_map(lua_State *L)
{
	static const struct prim globals[] = {
		{ "map", map_memory, true },
		{ NULL, NULL, false }
	};
	static const struct prim methods[] = {
		{ "part", area_part, false },
		{ NULL, NULL, false }
	};

	prim_globals(L, globals);
	prim_methods(L, AREA, methods);
}
