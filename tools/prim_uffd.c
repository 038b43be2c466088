// SPDX-License-Identifier: GPL-2.0
/* Primitives: userfaultfd, and the scan of page tables that builds on it. */
#include "prim.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC	(1 << 15)	/* Linux 6.7 */
#endif

#ifndef UFFDIO_MOVE				/* Linux 6.8 */
#define UFFD_FEATURE_MOVE	(1 << 16)
#define _UFFDIO_MOVE		0x05
#define UFFDIO_MOVE		_IOWR(UFFDIO, _UFFDIO_MOVE, struct uffdio_move)
struct uffdio_move {
	__u64 dst;
	__u64 src;
	__u64 len;
	__u64 mode;
	__s64 move;
};
#endif

#ifndef UFFDIO_RWPROTECT			/* Linux 7.3 */
#define UFFD_FEATURE_RWP		(1 << 17)
#define UFFD_FEATURE_RWP_ASYNC		(1 << 18)
#define UFFDIO_REGISTER_MODE_RWP	((__u64)1 << 3)
#define _UFFDIO_RWPROTECT		0x09
#define UFFDIO_RWPROTECT		_IOWR(UFFDIO, _UFFDIO_RWPROTECT, struct uffdio_rwprotect)
#define UFFDIO_RWPROTECT_MODE_RWP	((__u64)1 << 0)
struct uffdio_rwprotect {
	struct uffdio_range range;
	__u64 mode;
};
#endif

#ifndef PAGEMAP_SCAN				/* Linux 6.7 */
#define PAGEMAP_SCAN		_IOWR('f', 16, struct pm_scan_arg)
#define PM_SCAN_WP_MATCHING	(1 << 0)
#define PM_SCAN_CHECK_WPASYNC	(1 << 1)
#define PAGE_IS_WRITTEN		(1 << 1)
struct page_region {
	__u64 start;
	__u64 end;
	__u64 categories;
};

struct pm_scan_arg {
	__u64 size;
	__u64 flags;
	__u64 start;
	__u64 end;
	__u64 walk_end;
	__u64 vec;
	__u64 vec_len;
	__u64 max_pages;
	__u64 category_inverted;
	__u64 category_mask;
	__u64 category_anyof_mask;
	__u64 return_mask;
};
#endif

/* What userfaultfd is wanted for. */
struct use {
	const char *what;	/* its name, and since when there is one */
	u64 features;
	u64 mode;
	unsigned int needs;	/* _UFFDIO_*: the memory must allow it */
};

/* Gives a piece of memory a userfaultfd, unless it has one. */
static void need_uffd(lua_State *L, struct area *a, const struct use *use)
{
	struct uffdio_api api = { .api = UFFD_API, .features = use->features };
	struct uffdio_register reg = {
		.range = { .start = a->addr, .len = a->length }, .mode = use->mode,
	};
	int fd;

	if (a->uffd >= 0)
		return;
	fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == EPERM)
		prim_skip(L, "userfaultfd needs root, or vm.unprivileged_userfaultfd=1");
	if (fd < 0)
		prim_skip(L, "userfaultfd: %s", strerror(errno));
	if (ioctl(fd, UFFDIO_API, &api))
		prim_skip(L, "this kernel's userfaultfd has no %s", use->what);
	if (ioctl(fd, UFFDIO_REGISTER, &reg) && errno != EINVAL)
		prim_failed(L, "UFFDIO_REGISTER");
	if (!(reg.ioctls & 1ULL << use->needs))
		prim_skip(L, "userfaultfd has no %s for this kind of memory", use->what);
	a->uffd = fd;
}

int prim_uffd(lua_State *L, struct area *a)
{
	static const struct use use = {
		"UFFDIO_WRITEPROTECT (Linux 5.7)", UFFD_FEATURE_PAGEFAULT_FLAG_WP,
		UFFDIO_REGISTER_MODE_WP, _UFFDIO_WRITEPROTECT,
	};

	need_uffd(L, a, &use);
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
 * MEMORY:uffd_rwp(on)
 *
 * UFFDIO_RWPROTECT (Linux 7.3): makes all of the memory PROT_NONE, or as it was;
 * the first call registers it. With UFFD_FEATURE_RWP_ASYNC: who touches a page,
 * GUP too, makes it as it was, and nobody needs to serve the fault. A kernel that
 * cannot do it skips the story.
 */
static int area_uffd_rwp(lua_State *L)
{
	static const struct use use = {
		"UFFDIO_RWPROTECT (Linux 7.3)", UFFD_FEATURE_RWP | UFFD_FEATURE_RWP_ASYNC,
		UFFDIO_REGISTER_MODE_RWP, _UFFDIO_RWPROTECT,
	};
	struct area *a = prim_area(L, 1);
	struct uffdio_rwprotect rwp = {
		.range = { .start = a->addr, .len = a->length },
		.mode = lua_toboolean(L, 2) ? UFFDIO_RWPROTECT_MODE_RWP : 0,
	};

	luaL_checkany(L, 2);
	need_uffd(L, a, &use);
	if (ioctl(a->uffd, UFFDIO_RWPROTECT, &rwp))
		return prim_failed(L, "UFFDIO_RWPROTECT");
	return 0;
}

/*
 * MEMORY:uffd_move(to) -> true if the pages have moved, false if they are busy
 *
 * UFFDIO_MOVE (Linux 6.8) of all of the memory to other memory of the same
 * length, in which nothing has been touched. The kernel moves no page that is
 * not exclusive, or that somebody has pinned. A kernel that cannot do it skips
 * the story.
 */
static int area_uffd_move(lua_State *L)
{
	static const struct use use = {
		"UFFDIO_MOVE (Linux 6.8)", UFFD_FEATURE_MOVE, UFFDIO_REGISTER_MODE_MISSING,
		_UFFDIO_MOVE,
	};
	struct area *to = prim_area(L, 2), *from = prim_area(L, 1);
	struct uffdio_move move = { .dst = to->addr, .src = from->addr, .len = from->length };

	luaL_argcheck(L, to->length == from->length, 2, "that has another length");
	need_uffd(L, to, &use);
	if (ioctl(to->uffd, UFFDIO_MOVE, &move) && errno != EBUSY)
		return prim_failed(L, "UFFDIO_MOVE");
	lua_pushboolean(L, move.move == (s64)move.len);
	return 1;
}

/*
 * MEMORY:pagemap_scan([{ protect = false }]) -> number of pages written
 *
 * PAGEMAP_SCAN (Linux 6.7) with UFFD_FEATURE_WP_ASYNC: how many pages of the
 * memory were written since a scan with protect = true write-protected them;
 * nobody needs to serve the faults. The first scan registers the memory, and
 * counts what is there as written. A kernel that cannot do it skips the story.
 */
static int area_pagemap_scan(lua_State *L)
{
	static const struct use use = {
		"UFFD_FEATURE_WP_ASYNC (Linux 6.7)",
		UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_ASYNC,
		UFFDIO_REGISTER_MODE_WP, _UFFDIO_WRITEPROTECT,
	};
	struct area *a = prim_area(L, 1);
	struct page_region regions[64];
	struct pm_scan_arg scan = {
		.size = sizeof(scan), .start = a->addr, .end = a->addr + a->length,
		.vec = (uintptr_t)regions, .vec_len = ARRAY_SIZE(regions),
		.category_mask = PAGE_IS_WRITTEN, .return_mask = PAGE_IS_WRITTEN,
	};
	lua_Integer written = 0;
	long i, n;
	int fd;

	prim_options(L, 2, (const char *const[]){ "protect", NULL });
	lua_getfield(L, 2, "protect");
	if (lua_toboolean(L, -1))
		scan.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC;
	need_uffd(L, a, &use);
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return prim_failed(L, "/proc/self/pagemap");
	do {
		n = ioctl(fd, PAGEMAP_SCAN, &scan);
		for (i = 0; i < n; i++)
			written += (regions[i].end - regions[i].start) / sysconf(_SC_PAGESIZE);
		scan.start = scan.walk_end;
	} while (n >= 0 && scan.walk_end < scan.end);
	close(fd);
	if (n < 0)
		return prim_failed(L, "PAGEMAP_SCAN");
	lua_pushinteger(L, written);
	return 1;
}

void prim_userfaultfd(lua_State *L)
{
	static const struct prim methods[] = {
		{ "uffd_wp", area_uffd_wp, true },
		{ "uffd_rwp", area_uffd_rwp, true },
		{ "uffd_move", area_uffd_move, true },
		{ "pagemap_scan", area_pagemap_scan, true },
		{ NULL, NULL, false }
	};

	prim_methods(L, AREA, methods);
}
