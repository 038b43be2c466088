// SPDX-License-Identifier: GPL-2.0
/*
 * Reads a few sectors with O_DIRECT while the process forks and writes to another
 * part of the same page: does the read's buffer get the data?
 *
 * The disk is a network block device whose server is here as well, and keeps the
 * answer back until the rest has happened. Prints for each round
 *   NAME=SAW ADDR
 * SAW: what the buffer holds in the end, "data" or "old"; ADDR: its page; and
 *   pins=N
 * the pins that the kernel held while a read waited.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nbd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit.h"
#include "tap.h"

#define DISK	"/dev/nbd0"
#define SECTOR	512UL
#define SECTORS	32768UL		/* the disk's size */
#define HELD	(1UL << 20)	/* who reads there has to wait */

static struct gate arrived, answer;	/* of the read that waits */
static int disk;
static char *page;
static long long pins;			/* held while a read waited */

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "direct_read: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool get(int fd, void *data, size_t length)
{
	return recv(fd, data, length, MSG_WAITALL) == (ssize_t)length;
}

/* Every byte of the disk is a D, and what is written to it is forgotten. */
static void serve(int fd)
{
	static char data[1 << 20];
	struct nbd_request request;
	struct nbd_reply reply = { .magic = htonl(NBD_REPLY_MAGIC) };
	size_t length;

	while (get(fd, &request, sizeof(request))) {
		length = ntohl(request.len);
		must(request.magic == htonl(NBD_REQUEST_MAGIC) && length <= sizeof(data),
		     "no request");
		memcpy(reply.handle, request.handle, sizeof(reply.handle));
		switch (ntohl(request.type) & 0xffff) {
		case NBD_CMD_DISC:
			return;
		case NBD_CMD_READ:
			if (be64toh(request.from) == HELD) {
				gate_pass(&arrived);
				gate_wait(&answer);
			}
			memset(data, 'D', length);
			must(send(fd, &reply, sizeof(reply), 0) == sizeof(reply) &&
			     send(fd, data, length, 0) == (ssize_t)length, "answer");
			break;
		case NBD_CMD_WRITE:
			must(get(fd, data, length), "what is written");
			/* fall through */
		default:
			must(send(fd, &reply, sizeof(reply), 0) == sizeof(reply), "answer");
		}
	}
}

static pid_t start(void (*what)(int fd), int fd, int other)
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (pid)
		return pid;
	close(other);
	what(fd);
	_exit(0);
}

static void attach(int fd)
{
	disk = open(DISK, O_RDWR | O_CLOEXEC);
	must(disk >= 0, DISK " (modprobe nbd)");
	must(!ioctl(disk, NBD_SET_BLKSIZE, SECTOR) && !ioctl(disk, NBD_SET_SIZE_BLOCKS, SECTORS) &&
	     !ioctl(disk, NBD_SET_SOCK, fd), "set up " DISK);
	ioctl(disk, NBD_DO_IT);
	ioctl(disk, NBD_CLEAR_SOCK);
}

static void *read_disk(void *unused)
{
	must(pread(disk, page, SECTOR, HELD) == (ssize_t)SECTOR, "read");
	return NULL;
}

static pid_t child(struct gate *leave)
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (!pid) {
		gate_wait(leave);
		_exit(0);
	}
	return pid;
}

/* A child is there while the page is written to, was there, or never is. */
enum family { NO_CHILD, CHILD, CHILD_LEFT };

static void round_of(const char *name, enum family family)
{
	struct gate leave;
	pthread_t reader;
	pid_t pid = 0;

	page = map_anon(PAGE);
	madvise(page, PAGE, MADV_NOHUGEPAGE);
	memset(page, 'o', PAGE);
	gate_open(&leave);
	must(!pthread_create(&reader, NULL, read_disk, NULL), "thread");
	gate_wait(&arrived);
	if (family == NO_CHILD)
		pins = foll_pins();
	else
		pid = child(&leave);
	if (family == CHILD_LEFT) {
		gate_pass(&leave);
		wait_status(pid);
	}
	poke(page + PAGE - 1, 'w');
	gate_pass(&answer);
	pthread_join(reader, NULL);
	if (family == CHILD) {
		gate_pass(&leave);
		wait_status(pid);
	}
	printf("%s=%s addr=0x%lx\n", name, *page == 'D' ? "data" : "old", (unsigned long)page);
	fflush(stdout);
}

int main(void)
{
	pid_t server, holder;
	int fd[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, fd), "socketpair");
	gate_open(&arrived);
	gate_open(&answer);
	server = start(serve, fd[0], fd[1]);
	holder = start(attach, fd[1], fd[0]);
	close(fd[0]);
	close(fd[1]);
	disk = open(DISK, O_RDONLY | O_DIRECT | O_CLOEXEC);
	must(disk >= 0, DISK " (modprobe nbd)");
	page = map_anon(PAGE);
	for (int i = 0; pread(disk, page, PAGE, 0) != (ssize_t)PAGE; i++) {
		must(i < 1000, "the disk does not come up");
		usleep(10000);
	}
	round_of("alone", NO_CHILD);
	round_of("forked", CHILD);
	round_of("child_left", CHILD_LEFT);
	printf("pins=%lld\n", pins);
	fflush(stdout);
	close(disk);
	disk = open(DISK, O_RDWR | O_CLOEXEC);
	must(disk >= 0 && !ioctl(disk, NBD_DISCONNECT), "disconnect");
	close(disk);
	wait_status(holder);
	wait_status(server);
	return 0;
}
