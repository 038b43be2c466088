// SPDX-License-Identifier: GPL-2.0
/* Primitives: what a story does with the memory that it mapped. */
#include "prim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "format.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22	/* Linux 5.14 */
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25	/* Linux 6.1 */
#endif

struct area *prim_area(lua_State *L, int arg)
{
	struct area *a = luaL_checkudata(L, arg, AREA);

	luaL_argcheck(L, a->length, arg, "that is unmapped");
	story.page = a->addr;
	return a;
}

/* Is a fault about that page? Where an entry maps a huge page, all have its address. */
static bool is_about(const struct cowscope_record *r, u64 addr)
{
	u64 size = sysconf(_SC_PAGESIZE);

	switch (COWSCOPE_STATE_LEVEL(r->state)) {
	case COWSCOPE_LEVEL_PMD:
	case COWSCOPE_LEVEL_HUGETLB:
		size <<= COWSCOPE_STATE_ORDER(r->state);
	}
	return r->addr / size == addr / size;
}

/*
 * The decision on a write that was just made to a page, among the records that
 * came of it; NULL if it did not fault. Retries and the split of a PMD decide
 * nothing.
 */
static const struct cowscope_record *find_decision(lua_State *L, u64 addr, size_t from)
{
	const struct cowscope_record *found = NULL;
	unsigned int n = 0;
	size_t i;

	for (i = from; i < story.records.count; i++) {
		const struct cowscope_record *r = &story.records.record[i];
		unsigned int decision = COWSCOPE_OUTCOME_DECISION(r->outcome);

		if (r->type != COWSCOPE_EVENT_COW_FAULT || r->pid != (u32)story.pid ||
		    !is_about(r, addr) ||
		    (decision != COWSCOPE_COPY && decision != COWSCOPE_REUSE))
			continue;
		found = r;
		n++;
	}
	story_check(L, n <= 1, "the trace has %u decisions for one write", n);
	return found;
}

/* What the trace says of a write must be what happened to the page. */
static void check_decision(lua_State *L, const struct cowscope_record *fault, u64 pte,
			   u64 before, u64 after)
{
	bool same = PAGEMAP_PFN(before) == PAGEMAP_PFN(after);

	if (!PAGEMAP_PFN(before) || !PAGEMAP_PFN(after) || !(pte & COWSCOPE_PTE_PRESENT))
		return;
	if (!fault) {
		/* Who makes a PROT_NONE entry as it was may make it writable. */
		story_check(L, pte & (COWSCOPE_PTE_WRITE | COWSCOPE_PTE_PROTNONE),
			    "the PTE was read-only, but the trace has no cow_fault");
		story_check(L, same, "the page was replaced, but the trace has no cow_fault");
		return;
	}
	story_check(L, !(pte & COWSCOPE_PTE_WRITE),
		    "the PTE was writable, but the trace has a cow_fault");
	story_check(L, same == (COWSCOPE_OUTCOME_DECISION(fault->outcome) == COWSCOPE_REUSE),
		    "the trace says %s, but the page is %s",
		    cowscope_decision_name(COWSCOPE_OUTCOME_DECISION(fault->outcome)),
		    same ? "the same" : "another");
}

/* Writes bytes that lie in one page; false if that made no write fault. */
static bool write_page(lua_State *L, u64 at, const char *bytes, size_t length,
		       struct cowscope_record *fault)
{
	const struct cowscope_record *found;
	struct cowscope_page page = { 0 };
	u64 addr = prim_page(at), before;
	size_t from;

	page_state(addr, &page);
	before = pagemap_entry(addr);
	story_collect(L);
	from = story.records.count;
	memcpy((void *)(uintptr_t)at, bytes, length);
	story_collect(L);
	found = find_decision(L, addr, from);
	check_decision(L, found, page.pte, before, pagemap_entry(addr));

	if (found)
		*fault = *found;
	return found;
}

/*
 * MEMORY:write(bytes [, offset = 0]) -> cow_fault or nil
 *
 * Writes as any program does. Returns the last write fault that it made, as a
 * table with the keys of the trace; nil if it made none. Each page written is
 * checked: the PTE, the page frame before and after (from pagemap) and the
 * trace must tell the same. The story's last write is what the scenario is judged
 * by. To write where the memory is read-only kills the story.
 */
static int area_write(lua_State *L)
{
	struct area *a = prim_area(L, 1);
	size_t length, n;
	const char *bytes = luaL_checklstring(L, 2, &length);
	u64 at = a->addr + prim_range(L, 3, length, a->length);
	struct cowscope_record fault = { 0 };
	bool faulted = false;

	for (; length; at += n, bytes += n, length -= n) {
		n = prim_page(at) + sysconf(_SC_PAGESIZE) - at;
		if (n > length)
			n = length;
		story.page = prim_page(at);
		faulted |= write_page(L, at, bytes, n, &fault);
	}
	story.log->has_fault = faulted;
	story.log->fault = fault;
	if (!faulted)
		return 0;
	push_record(L, &fault);
	return 1;
}

/*
 * MEMORY:read([length = 1 [, offset = 0]]) -> bytes
 *
 * Reads as any program does; faults in what is not there.
 */
static int area_read(lua_State *L)
{
	struct area *a = prim_area(L, 1);
	lua_Integer length = luaL_optinteger(L, 2, 1);
	u64 offset = prim_range(L, 3, length, a->length);

	story.page = prim_page(a->addr + offset);
	lua_pushlstring(L, (const char *)(uintptr_t)a->addr + offset, length);
	prim_got(L);
	return 1;
}

/* MEMORY:munmap(): unmaps all of it; references and pins stay. */
static int area_munmap(lua_State *L)
{
	struct area *a = prim_area(L, 1);

	if (munmap((void *)(uintptr_t)a->addr, a->length))
		return prim_failed(L, "munmap");
	a->length = 0;
	return 0;
}

/*
 * MEMORY:mprotect(access): access is "none", "r" or "rw". Errors: mprotect(2)'s.
 */
static int area_mprotect(lua_State *L)
{
	static const char *const access[] = { "none", "r", "rw", NULL };
	static const int prot[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	struct area *a = prim_area(L, 1);
	int which = luaL_checkoption(L, 2, NULL, access);

	if (mprotect((void *)(uintptr_t)a->addr, a->length, prot[which]))
		return prim_failed(L, "mprotect");
	return 0;
}

/*
 * MEMORY:madvise(advice): by the name of the MADV_ constant in small letters.
 * An advice that this kernel does not know skips the story; other errors are
 * those of madvise(2).
 */
static int area_madvise(lua_State *L)
{
	static const char *const names[] = {
		"cold", "collapse", "dofork", "dontfork", "dontneed", "free", "hugepage",
		"keeponfork", "mergeable", "nohugepage", "pageout", "populate_read",
		"populate_write", "unmergeable", "wipeonfork", NULL
	};
	static const int advice[] = {
		MADV_COLD, MADV_COLLAPSE, MADV_DOFORK, MADV_DONTFORK, MADV_DONTNEED, MADV_FREE,
		MADV_HUGEPAGE, MADV_KEEPONFORK, MADV_MERGEABLE, MADV_NOHUGEPAGE, MADV_PAGEOUT,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_UNMERGEABLE, MADV_WIPEONFORK,
	};
	struct area *a = prim_area(L, 1);
	int which = luaL_checkoption(L, 2, NULL, names);

	if (!madvise((void *)(uintptr_t)a->addr, a->length, advice[which]))
		return 0;
	if (errno == EINVAL)
		return prim_skip(L, "this kernel refuses madvise \"%s\"", names[which]);
	return prim_failed(L, "madvise");
}

/*
 * MEMORY:swap_out() -> true if the first page has gone, else false
 *
 * MADV_PAGEOUT (Linux 5.4). A page stays if it is pinned, or without swap space.
 */
static int area_swap_out(lua_State *L)
{
	struct area *a = prim_area(L, 1);

	if (madvise((void *)(uintptr_t)a->addr, a->length, MADV_PAGEOUT))
		return prim_failed(L, "madvise");
	lua_pushboolean(L, PAGEMAP_SWAPPED(pagemap_entry(a->addr)));
	return 1;
}

/* MEMORY:addr([offset = 0]) -> address, a number. */
static int area_addr(lua_State *L)
{
	struct area *a = prim_area(L, 1);

	lua_pushinteger(L, a->addr + prim_range(L, 2, 0, a->length));
	return 1;
}

void prim_memory(lua_State *L)
{
	static const struct prim methods[] = {
		{ "write", area_write, true },
		{ "read", area_read, true },
		{ "munmap", area_munmap, true },
		{ "mprotect", area_mprotect, true },
		{ "madvise", area_madvise, true },
		{ "swap_out", area_swap_out, true },
		{ "addr", area_addr, false },
		{ NULL, NULL, false }
	};

	prim_methods(L, AREA, methods);
}
