// SPDX-License-Identifier: GPL-2.0
/*
 * A pipe holds memory: vmsplice(2) without SPLICE_F_GIFT, a read-only FOLL_GET
 * reference, which needs no module.
 */
#include "hold.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

static void take(lua_State *L, struct hold *h)
{
	struct iovec iov = { (void *)(uintptr_t)h->addr, h->length };

	if (pipe2(h->fd, O_CLOEXEC | O_NONBLOCK))
		prim_failed(L, "pipe2");
	/* A pipe has 16 pages unless told otherwise. */
	fcntl(h->fd[1], F_SETPIPE_SZ, h->length);
	if (vmsplice(h->fd[1], &iov, 1, 0) != (ssize_t)h->length)
		prim_failed(L, "vmsplice");
}

/* Reads from a copy of the pipe's references, so that it keeps its own. */
static void read_pipe(lua_State *L, struct hold *h, char *buf, u64 offset, size_t length)
{
	size_t want = offset + length, got = 0;
	char *all = malloc(want);
	ssize_t n = 0;
	int copy[2];

	if (!all || pipe2(copy, O_CLOEXEC | O_NONBLOCK))
		prim_failed(L, "pipe2");
	fcntl(copy[1], F_SETPIPE_SZ, h->length);
	if (tee(h->fd[0], copy[1], h->length, 0) < (ssize_t)want)
		prim_failed(L, "tee");
	while (got < want && (n = read(copy[0], all + got, want - got)) > 0)
		got += n;
	close(copy[0]);
	close(copy[1]);
	if (got < want)
		prim_failed(L, "read from the pipe");
	memcpy(buf, all + offset, length);
	free(all);
}

static void release(lua_State *L, struct hold *h)
{
	close(h->fd[0]);
	close(h->fd[1]);
}

const struct holder hold_pipe[] = {
	{ .name = "vmsplice", .take = take, .read = read_pipe, .release = release },
	{ 0 }
};
