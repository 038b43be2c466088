// SPDX-License-Identifier: GPL-2.0
/* Primitives: what write-protects memory in place, and what makes it quiet. */
#include "prim.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
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

/* A userfaultfd for a piece of memory, in write-protect mode. */
static int open_uffd(lua_State *L, const struct area *a)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP };
	struct uffdio_register reg = {
		.range = { .start = a->addr, .len = a->length },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == EPERM)
		return prim_skip(L, "userfaultfd needs root, or vm.unprivileged_userfaultfd=1");
	if (fd < 0)
		return prim_skip(L, "userfaultfd: %s", strerror(errno));
	if (ioctl(fd, UFFDIO_API, &api))
		return prim_skip(L, "this kernel's userfaultfd cannot write-protect");
	if (ioctl(fd, UFFDIO_REGISTER, &reg) && errno != EINVAL)
		return prim_failed(L, "UFFDIO_REGISTER");
	if (!(reg.ioctls & 1ULL << _UFFDIO_WRITEPROTECT))
		return prim_skip(L, "userfaultfd cannot write-protect this kind of memory");
	return fd;
}

int prim_uffd(lua_State *L, struct area *a)
{
	if (a->uffd < 0)
		a->uffd = open_uffd(L, a);
	return a->uffd;
}

/*
 * MEMORY:uffd_wp(on)
 *
 * UFFDIO_WRITEPROTECT (Linux 5.7), sets or lifts the protection of all of the
 * memory; the first call registers it. Nobody serves the faults: a write while
 * it is set would wait until the story's time is over. A kernel that cannot do
 * it skips the story.
 */
static int area_uffd_wp(lua_State *L)
{
	struct area *a = prim_area(L, 1);
	struct uffdio_writeprotect wp = {
		.range = { .start = a->addr, .len = a->length },
		.mode = lua_toboolean(L, 2) ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	luaL_checkany(L, 2);
	if (ioctl(prim_uffd(L, a), UFFDIO_WRITEPROTECT, &wp))
		return prim_failed(L, "UFFDIO_WRITEPROTECT");
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
	static const struct prim methods[] = {
		{ "uffd_wp", area_uffd_wp, true },
		{ NULL, NULL, false }
	};

	prim_globals(L, globals);
	prim_methods(L, AREA, methods);
}
