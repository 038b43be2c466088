// SPDX-License-Identifier: GPL-2.0
/* Primitives: what write-protects memory in place, and what makes it quiet. */
#include "prim.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * clear_refs([type = 4 [, pid = this process]])
 *
 * Writes type to /proc/PID/clear_refs: 4 takes the write bit off every PTE, to
 * find what is written from now on (soft-dirty). 1 to 3 clear the referenced
 * bits, 5 the peak of the resident set. See proc(5). A kernel without
 * CONFIG_MEM_SOFT_DIRTY skips the story on 4.
 */
static int write_clear_refs(lua_State *L)
{
	lua_Integer type = luaL_optinteger(L, 1, 4), pid = luaL_optinteger(L, 2, story.pid);
	char path[64];
	int fd, ok;

	snprintf(path, sizeof(path), "/proc/%lld/clear_refs", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return prim_failed(L, path);
	ok = dprintf(fd, "%lld", type);
	if (ok < 0 && errno == EINVAL && type == 4)
		return prim_skip(L, "this kernel has no soft-dirty tracking");
	if (ok < 0)
		return prim_failed(L, path);
	close(fd);
	return 0;
}

/*
 * settle()
 *
 * Empties the LRU caches of all CPUs. A page that was just faulted in waits in
 * one, and the cache holds a reference: until then no count is what it seems.
 * To move no page at all with move_pages(2) does that and nothing else: it
 * drains first (migrate_prep() in Linux 5.10, lru_cache_disable() since 5.13).
 * A kernel without CONFIG_NUMA skips the story.
 */
static int settle(lua_State *L)
{
	void *page = NULL;
	int node = 0, status;

	if (syscall(SYS_move_pages, 0, 0UL, &page, &node, &status, 0))
		return prim_skip(L, "move_pages, to empty the LRU caches: %s", strerror(errno));
	return 0;
}

void prim_protect(lua_State *L)
{
	static const struct prim globals[] = {
		{ "clear_refs", write_clear_refs, true },
		{ "settle", settle, true },
		{ NULL, NULL, false }
	};

	prim_globals(L, globals);
}
