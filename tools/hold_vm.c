// SPDX-License-Identifier: GPL-2.0
/*
 * process_vm_readv(2) holds memory: a FOLL_PIN pin for reading, for as long as
 * it copies (mm/process_vm_access.c). It pins all that it will copy, then copies
 * the first byte to where a userfaultfd withholds the page, and stays there until
 * it is let go on. That byte is the one before the memory that is held: a byte is
 * read before it is written, and what is held is to be read when it goes on.
 *
 * It runs in a thread of the process that took hold: to fork another process
 * for it would write-protect the very memory that the story is about.
 */
#include "hold.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* What it pins at a time: as many pointers as two pages have room for. */
#define PINNED_AT_ONCE	(2 * 4096 / sizeof(void *))

struct copy {
	pthread_t thread;
	struct iovec from;	/* with the byte before */
	struct iovec to[2];	/* that byte, and what was read */
	bool room;		/* the page before is ours */
	int uffd;		/* -1: it was let go on */
	int err;
};

static void *copy_memory(void *arg)
{
	struct copy *c = arg;
	ssize_t n = process_vm_readv(getpid(), c->to, 2, &c->from, 1, 0);

	c->err = n < 0 ? errno : n != (ssize_t)c->from.iov_len ? EIO : 0;
	return NULL;
}

/* There has to be a byte before: any will do but one that the story is about. */
static bool make_room(lua_State *L, u64 page, size_t size)
{
	void *p = mmap((void *)(uintptr_t)page, size, PROT_READ,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	u32 i;

	if (p != MAP_FAILED)
		return true;
	if (errno != EEXIST)
		prim_failed(L, "mmap");
	for (i = 0; i < story.log->areas && i < STORY_AREAS; i++)
		if (page >= story.log->area[i].start && page < story.log->area[i].end)
			luaL_error(L, "vm_readv would hold the page before it too, of another map(): map this one last");
	return false;
}

/* Maps what is copied to, and withholds its first page. */
static void make_buffer(lua_State *L, struct copy *c, size_t page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range.len = page, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	char *p = mmap(NULL, page + c->from.iov_len - 1, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		prim_failed(L, "mmap");
	c->to[0] = (struct iovec){ p, 1 };
	c->to[1] = (struct iovec){ p + page, c->from.iov_len - 1 };
	reg.range.start = (uintptr_t)p;
	c->uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (c->uffd < 0 && errno == EPERM)
		prim_skip(L, "userfaultfd needs root, or vm.unprivileged_userfaultfd=1");
	if (c->uffd < 0)
		prim_skip(L, "userfaultfd: %s", strerror(errno));
	if (ioctl(c->uffd, UFFDIO_API, &api) || ioctl(c->uffd, UFFDIO_REGISTER, &reg))
		prim_failed(L, "userfaultfd");
}

/*
 * It stops before it finds out what it cannot read, so that is asked before. Not
 * by itself: to pin a page twice moves it to another LRU list, which takes a
 * reference for as long as it waits in a cache.
 */
static void try(lua_State *L, const struct hold *h, size_t page)
{
	int fd = memfd_create("cowscope", MFD_CLOEXEC);
	u64 offset;

	if (process_vm_readv(getpid(), NULL, 0, NULL, 0, 0))
		prim_skip(L, "process_vm_readv: %s", strerror(errno));
	for (offset = 0; offset < h->length; offset += page)
		if (pwrite(fd, (void *)(uintptr_t)(h->addr + offset), 1, 0) != 1)
			prim_failed(L, "process_vm_readv");
	close(fd);
}

static void take(lua_State *L, struct hold *h)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct copy *c = calloc(1, sizeof(*c));
	struct uffd_msg fault;

	if (!c)
		prim_failed(L, "process_vm_readv");
	if (h->length >= PINNED_AT_ONCE * page)
		luaL_error(L, "vm_readv holds less than %d pages", (int)PINNED_AT_ONCE);
	h->own = c;
	c->room = make_room(L, h->addr - page, page);
	c->from = (struct iovec){ (void *)(uintptr_t)(h->addr - 1), h->length + 1 };
	make_buffer(L, c, page);
	try(L, h, page);
	errno = pthread_create(&c->thread, NULL, copy_memory, c);
	if (errno)
		prim_failed(L, "pthread_create");
	/* It waits to write its first byte: all is pinned. */
	if (read(c->uffd, &fault, sizeof(fault)) != sizeof(fault))
		prim_failed(L, "read from a userfaultfd");
}

/* Lets it copy, once: a fault in memory of no userfaultfd is like any other. */
static void finish(lua_State *L, struct hold *h)
{
	struct copy *c = h->own;
	struct uffdio_range withheld = { (uintptr_t)c->to[0].iov_base, sysconf(_SC_PAGESIZE) };

	if (h->pid != story.pid)
		luaL_error(L, "only the process that began a process_vm_readv can let it go on");
	if (c->uffd < 0)
		return;
	/* A child may have the file too, so that closing it is not enough. */
	if (ioctl(c->uffd, UFFDIO_UNREGISTER, &withheld))
		prim_failed(L, "UFFDIO_UNREGISTER");
	close(c->uffd);
	c->uffd = -1;
	pthread_join(c->thread, NULL);
	errno = c->err;
	if (c->err)
		prim_failed(L, "process_vm_readv");
}

static void read_copy(lua_State *L, struct hold *h, char *buf, u64 offset, size_t length)
{
	struct copy *c = h->own;

	finish(L, h);
	memcpy(buf, (char *)c->to[1].iov_base + offset, length);
}

static void release(lua_State *L, struct hold *h)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct copy *c = h->own;

	finish(L, h);
	if (c->room)
		munmap((void *)(uintptr_t)(h->addr - page), page);
	munmap(c->to[0].iov_base, page + h->length);
	free(c);
}

const struct holder hold_vm[] = {
	{ .name = "vm_readv", .take = take, .read = read_copy, .release = release },
	{ 0 }
};
