// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring holds memory: a registered (fixed) buffer, a FOLL_PIN pin for writing
 * and for long (io_sqe_buffer_register() in io_uring/rsrc.c), whatever is done
 * with it later.
 */
#include "hold.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

/* What goes through a pipe without waiting for its other end. */
#define CHUNK	4096

static void take(lua_State *L, struct hold *h)
{
	struct iovec iov = { (void *)(uintptr_t)h->addr, h->length };
	struct io_uring *ring = calloc(1, sizeof(*ring));
	int err = ring ? io_uring_queue_init(4, ring, 0) : -ENOMEM;

	if (err == -EPERM)
		prim_skip(L, "io_uring is switched off: sysctl kernel.io_uring_disabled=0");
	if (err)
		prim_skip(L, "io_uring: %s", strerror(-err));
	err = io_uring_register_buffers(ring, &iov, 1);
	if (err == -ENOMEM)
		prim_skip(L, "an io_uring buffer needs more than ulimit -l allows");
	if (err) {
		errno = -err;
		prim_failed(L, "io_uring");
	}
	h->own = ring;
}

/* One request, to its end. Returns its result. */
static int submit(struct hold *h, bool in, int fd, u64 offset, size_t length)
{
	struct io_uring *ring = h->own;
	void *at = (void *)(uintptr_t)(h->addr + offset);
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	int err;

	/* The ring is shared after a fork, these are not: another process may have used it. */
	ring->sq.sqe_head = *ring->sq.ktail;
	ring->sq.sqe_tail = *ring->sq.ktail;
	sqe = io_uring_get_sqe(ring);
	if (in)
		io_uring_prep_read_fixed(sqe, fd, at, length, 0, 0);
	else
		io_uring_prep_write_fixed(sqe, fd, at, length, 0, 0);
	err = io_uring_submit(ring);
	if (err >= 0)
		err = io_uring_wait_cqe(ring, &cqe);
	if (err < 0)
		return err;
	err = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return err;
}

/* From the buffer into a pipe and on, or the other way, by IORING_OP_*_FIXED. */
static void transfer(lua_State *L, struct hold *h, bool in, char *buf, u64 offset,
		     size_t length)
{
	int fd[2], err = 0;
	size_t n;

	if (pipe2(fd, O_CLOEXEC))
		prim_failed(L, "pipe2");
	for (; length && err >= 0; buf += n, offset += n, length -= n) {
		n = length < CHUNK ? length : CHUNK;
		if (in && write(fd[1], buf, n) != (ssize_t)n)
			err = -EIO;
		else
			err = submit(h, in, fd[!in], offset, n);
		if (err >= 0 && (err != (int)n || (!in && read(fd[0], buf, n) != (ssize_t)n)))
			err = -EIO;
	}
	close(fd[0]);
	close(fd[1]);
	errno = -err;
	if (err < 0)
		prim_failed(L, in ? "IORING_OP_READ_FIXED" : "IORING_OP_WRITE_FIXED");
}

static void read_buffer(lua_State *L, struct hold *h, char *buf, u64 offset, size_t length)
{
	transfer(L, h, false, buf, offset, length);
}

static void write_buffer(lua_State *L, struct hold *h, const char *buf, u64 offset, size_t length)
{
	transfer(L, h, true, (char *)buf, offset, length);
}

/*
 * To unregister waits for the requests under way and returns the pins at once.
 * To close the ring would leave both to a work item of the kernel's, some time
 * after the process is gone: that is how they go at the end of a story.
 */
static void release(lua_State *L, struct hold *h)
{
	int err = io_uring_unregister_buffers(h->own);

	io_uring_queue_exit(h->own);
	free(h->own);
	errno = -err;
	if (err)
		prim_failed(L, "io_uring_unregister_buffers");
}

const struct holder hold_uring[] = {
	{ .name = "uring_fixed", .take = take, .read = read_buffer, .write = write_buffer,
	  .release = release },
	{ 0 }
};
