// SPDX-License-Identifier: GPL-2.0
/*
 * A block device holds memory: O_DIRECT in flight, a write(2), for which the
 * device reads the memory, or a read(2), for which it writes there. What the
 * kernel takes is a FOLL_GET reference up to Linux 6.4, and a FOLL_PIN pin since
 * iov_iter_extract_pages() (a7e689dd1c06, "block: Convert bio_iov_iter_get_pages
 * to use iov_iter_extract_pages").
 *
 * The device is an NBD whose server is this process, over a socket that is full
 * beforehand: no request gets out, so none is answered and no memory is read,
 * until the server empties it. Nothing hangs on time.
 *
 * And nothing stays behind. The threads that wait inside the kernel, one for the
 * I/O and one for the device, have file tables of their own, without the server's
 * end of the socket. When the process is killed its other threads end, that end
 * is closed with their files, the device fails what is in flight, and the two
 * come back to be killed. A suspended device-mapper target would wait for somebody
 * to resume it, and the process for the target.
 */
#include "hold.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nbd.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK	4096

/* More would be more than one request, the second sent when the first is out. */
#define BLOCKS	256

/* What tells the two holders apart. */
enum { DEVICE_READS, DEVICE_WRITES };

struct disk {
	unsigned int number;	/* of /dev/nbdN */
	int file;
	int sock;		/* the server's end */
	size_t stuffing;	/* bytes in the socket before the first request */
	char *content;		/* what is on it */
	void *memory;
	size_t length;
	bool writes;		/* into memory */
	bool over;		/* the I/O is, and its thread */
	bool ended;		/* one of the threads has, with err or 0 */
	int err;
	pthread_t device, io;
};

/* Leaves a thread one file, in a table of its own. */
static void keep_only(int fd)
{
	unshare(CLONE_FILES);
	syscall(SYS_close_range, 0, fd - 1, 0);
	syscall(SYS_close_range, fd + 1, ~0U, 0);
}

static void end(struct disk *d, int err)
{
	d->err = err;
	__atomic_store_n(&d->ended, true, __ATOMIC_RELEASE);
}

static void *run_device(void *arg)
{
	struct disk *d = arg;

	keep_only(d->file);
	end(d, ioctl(d->file, NBD_DO_IT) ? errno : 0);
	return NULL;
}

static void *run_io(void *arg)
{
	struct disk *d = arg;
	ssize_t n;

	keep_only(d->file);
	if (d->writes)
		n = pread(d->file, d->memory, d->length, 0);
	else
		n = pwrite(d->file, d->memory, d->length, 0);
	end(d, n < 0 ? errno : n != (ssize_t)d->length ? EIO : 0);
	return NULL;
}

/* Not by fork(): that would write-protect what the story is about. */
static void load_nbd(void)
{
	static const char *const argv[] = { "modprobe", "-q", "nbd", "max_part=0", NULL };
	pid_t pid;

	if (!posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ))
		waitpid(pid, NULL, 0);
}

/* A file of /sys/block/nbdN, or NULL. */
static FILE *open_sysfs(const struct disk *d, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/nbd%u/%s", d->number, name);
	return fopen(path, "re");
}

/* To open one that runs would look for partitions there: ours answers nobody yet. */
static bool runs(const struct disk *d)
{
	FILE *f = open_sysfs(d, "pid");

	if (f)
		fclose(f);
	return f;
}

static void open_device(lua_State *L, struct disk *d, int sock)
{
	char path[32];

	if (access("/dev/nbd0", F_OK))
		load_nbd();
	for (;; d->number++) {
		if (runs(d))
			continue;
		snprintf(path, sizeof(path), "/dev/nbd%u", d->number);
		d->file = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
		if (d->file < 0)
			prim_skip(L, d->number ? "every /dev/nbd is in use" :
				  "no /dev/nbd0: modprobe nbd");
		if (!ioctl(d->file, NBD_SET_SOCK, sock))
			return;
		if (errno != EBUSY)
			prim_failed(L, "NBD_SET_SOCK");
		close(d->file);
	}
}

/* Bytes that it has, once it runs. */
static bool has_size(const struct disk *d)
{
	return lseek(d->file, 0, SEEK_END) > 0;
}

/* Requests under way, of which there will be one; it has hold of its memory then. */
static bool has_request(const struct disk *d)
{
	unsigned int reads = 0, writes = 0;
	FILE *f = open_sysfs(d, "inflight");

	if (f && fscanf(f, "%u %u", &reads, &writes) < 2)
		reads = 0;
	if (f)
		fclose(f);
	return d->writes ? reads : writes;
}

/* What both threads were told to do they do, or end. */
static void wait_until(lua_State *L, struct disk *d, bool (*is_so)(const struct disk *d))
{
	while (!is_so(d)) {
		if (__atomic_load_n(&d->ended, __ATOMIC_ACQUIRE)) {
			errno = d->err;
			prim_failed(L, "the block device");
		}
		usleep(1000);
	}
}

static void fill(struct disk *d, int sock)
{
	static const char stuffing[BLOCK];
	size_t chunk = sizeof(stuffing);
	ssize_t n;

	/* Down to single bytes: a request shall not fit in anywhere. */
	for (; chunk; chunk /= 2)
		while ((n = send(sock, stuffing, chunk, MSG_DONTWAIT)) > 0)
			d->stuffing += n;
}

static void start(lua_State *L, pthread_t *thread, void *(*run)(void *arg), struct disk *d)
{
	errno = pthread_create(thread, NULL, run, d);
	if (errno)
		prim_failed(L, "pthread_create");
}

static void take(lua_State *L, struct hold *h)
{
	struct disk *d = calloc(1, sizeof(*d));
	int sock[2];

	if (h->length > BLOCKS * BLOCK)
		luaL_error(L, "%s holds at most %d pages", h->holder->name, BLOCKS);
	if (d)
		d->content = malloc(h->length);
	if (!d || !d->content || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock))
		prim_failed(L, "socketpair");
	h->own = d;
	d->memory = (void *)(uintptr_t)h->addr;
	d->length = h->length;
	d->writes = h->flags == DEVICE_WRITES;
	d->sock = sock[1];
	fill(d, sock[0]);
	open_device(L, d, sock[0]);
	close(sock[0]);
	if (ioctl(d->file, NBD_SET_BLKSIZE, (unsigned long)BLOCK) ||
	    ioctl(d->file, NBD_SET_SIZE_BLOCKS, (unsigned long)d->length / BLOCK))
		prim_failed(L, "NBD_SET_SIZE_BLOCKS");
	start(L, &d->device, run_device, d);
	wait_until(L, d, has_size);
	start(L, &d->io, run_io, d);
	wait_until(L, d, has_request);
	/* What is not written later stays as it is. That it can be read is known now. */
	if (d->writes)
		memcpy(d->content, d->memory, d->length);
}

static void receive(lua_State *L, struct disk *d, void *buf, size_t length)
{
	if (recv(d->sock, buf, length, MSG_WAITALL) != (ssize_t)length)
		prim_failed(L, "receive from the block device");
}

static void reply(lua_State *L, struct disk *d, const void *buf, size_t length)
{
	if (send(d->sock, buf, length, MSG_NOSIGNAL) != (ssize_t)length)
		prim_failed(L, "reply to the block device");
}

/* Serves one request; true if it was ours and not that of somebody curious. */
static bool serve(lua_State *L, struct disk *d)
{
	struct nbd_request request;
	struct nbd_reply answer = { .magic = htobe32(NBD_REPLY_MAGIC) };
	size_t length;
	u32 type;
	u64 from;

	receive(L, d, &request, sizeof(request));
	type = be32toh(request.type) & 0xffff;
	from = be64toh(request.from);
	length = be32toh(request.len);
	if (be32toh(request.magic) != NBD_REQUEST_MAGIC || from > d->length ||
	    ((type == NBD_CMD_READ || type == NBD_CMD_WRITE) && length > d->length - from))
		luaL_error(L, "the block device sent no request of NBD's");
	if (type == NBD_CMD_WRITE)
		receive(L, d, d->content + from, length);
	memcpy(answer.handle, request.handle, sizeof(answer.handle));
	reply(L, d, &answer, sizeof(answer));
	if (type == NBD_CMD_READ)
		reply(L, d, d->content + from, length);
	return type == (d->writes ? NBD_CMD_READ : NBD_CMD_WRITE) && length == d->length;
}

/* Lets the I/O end, once. */
static void finish(lua_State *L, struct hold *h)
{
	struct disk *d = h->own;
	char stuffing[BLOCK];
	size_t n;

	if (h->pid != story.pid)
		luaL_error(L, "only the process that began an O_DIRECT I/O can let it go on");
	if (d->over)
		return;
	for (; d->stuffing; d->stuffing -= n) {
		n = d->stuffing < BLOCK ? d->stuffing : BLOCK;
		receive(L, d, stuffing, n);
	}
	while (!serve(L, d))
		;
	pthread_join(d->io, NULL);
	d->over = true;
	errno = d->err;
	if (d->err)
		prim_failed(L, "O_DIRECT");
}

static void read_disk(lua_State *L, struct hold *h, char *buf, u64 offset, size_t length)
{
	struct disk *d = h->own;

	if (d->writes)
		luaL_error(L, "the device writes here, and reads nothing: see what the owner sees");
	finish(L, h);
	memcpy(buf, d->content + offset, length);
}

static void write_memory(lua_State *L, struct hold *h, const char *buf, u64 offset, size_t length)
{
	struct disk *d = h->own;

	if (d->over)
		luaL_error(L, "the I/O is over: a device writes once");
	memcpy(d->content + offset, buf, length);
	finish(L, h);
}

static void release(lua_State *L, struct hold *h)
{
	struct disk *d = h->own;

	finish(L, h);
	ioctl(d->file, NBD_DISCONNECT);
	shutdown(d->sock, SHUT_RDWR);
	pthread_join(d->device, NULL);
	ioctl(d->file, NBD_CLEAR_SOCK);
	close(d->file);
	close(d->sock);
	free(d->content);
	free(d);
}

const struct holder hold_direct[] = {
	{ .name = "direct_write", .flags = DEVICE_READS, .take = take, .read = read_disk,
	  .release = release },
	{ .name = "direct_read", .flags = DEVICE_WRITES, .take = take, .read = read_disk,
	  .write = write_memory, .release = release },
	{ 0 }
};
