// SPDX-License-Identifier: GPL-2.0
/* Primitives: memory that moves. */
#include "prim.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * MEMORY:mremap([{ shift = 0 }])
 *
 * mremap(2) of all of the memory to where nothing was, `shift` bytes after a
 * multiple of 2 MiB: 0 lets what a PMD maps move as it is, anything else splits
 * it. The object is the memory at its new address. Errors: those of mmap(2) and
 * mremap(2).
 */
static int area_mremap(lua_State *L)
{
	const u64 huge = 2 << 20;
	struct area *a = prim_area(L, 1);
	u64 size = a->length + 2 * huge, shift, to;
	char *room, *moved;

	prim_options(L, 2, (const char *const[]){ "shift", NULL });
	lua_getfield(L, 2, "shift");
	shift = luaL_optinteger(L, -1, 0);
	luaL_argcheck(L, shift < huge && shift == prim_page(shift), 2,
		      "shift: a multiple of the page size, less than 2 MiB");

	room = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return prim_failed(L, "mmap");
	to = (((uintptr_t)room + huge - 1) & -huge) + shift;
	moved = mremap((void *)(uintptr_t)a->addr, a->length, a->length,
		       MREMAP_MAYMOVE | MREMAP_FIXED, (void *)(uintptr_t)to);
	if (moved == MAP_FAILED)
		return prim_failed(L, "mremap");
	munmap(room, moved - room);
	munmap(moved + a->length, room + size - (moved + a->length));
	a->addr = to;
	story.page = to;
	prim_mapped(L, to, a->length);
	return 0;
}

/*
 * MEMORY:migrate() -> true if the first page is another one afterwards
 *
 * move_pages(2) of the first page to the NUMA node that it is not on, 0 or 1. A
 * machine with one node skips the story.
 */
static int area_migrate(lua_State *L)
{
	struct area *a = prim_area(L, 1);
	void *page = (void *)(uintptr_t)a->addr;
	u64 before = pagemap_entry(a->addr);
	int node, status = -1;

	if (access("/sys/devices/system/node/node1", F_OK))
		return prim_skip(L, "one NUMA node only: no other to migrate a page to");
	if (syscall(SYS_move_pages, 0, 1UL, &page, NULL, &status, 0) || status < 0)
		return prim_failed(L, "move_pages");
	node = !status;
	if (syscall(SYS_move_pages, 0, 1UL, &page, &node, &status, 1 << 1 /* MPOL_MF_MOVE */) < 0)
		return prim_failed(L, "move_pages");
	lua_pushboolean(L, PAGEMAP_PFN(before) != PAGEMAP_PFN(pagemap_entry(a->addr)));
	return 1;
}

void prim_move(lua_State *L)
{
	static const struct prim methods[] = {
		{ "mremap", area_mremap, true },
		{ "migrate", area_migrate, true },
		{ NULL, NULL, false }
	};

	prim_methods(L, AREA, methods);
}
