// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of references and pins when their process, file or memory goes,
 * and when the process goes on with another page.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "kit.h"
#include "tap.h"

#define PAGES	8
#define SIZE	(PAGES * PAGE)
#define PIN	COWSCOPE_PIN_FOLL_PIN
#define WRITE	COWSCOPE_PIN_WRITE

static int fd;
static struct rings rings;
static bool by_page_count;

static char *fresh(void)
{
	char *mem = map_anon(SIZE);

	memset(mem, 'A', SIZE);
	drain();
	return mem;
}

static int take(int file, unsigned int flags, char *mem)
{
	int id = dev_pin(file, flags, mem, SIZE);

	if (id <= 0)
		tap_bail("PIN: %s", strerror(-id));
	return id;
}

/* Nothing is held any more, by anybody. */
static void all_returned(const char *what, long long foll)
{
	tap_ok(foll_pins() == foll && !pins_listed(), "%s: all returned", what);
}

/* --- the holder goes ------------------------------------------------------ */

enum end { CLOSE, EXIT, KILL, EXEC, ENDS };

static const char *const ends[] = { "close", "exit", "SIGKILL", "exec" };

static void holder_ends(enum end end, unsigned int flags)
{
	long long foll = foll_pins();
	struct gate ready;
	pid_t pid;

	gate_open(&ready);
	pid = fork();
	if (!pid) {
		int file = dev_open();

		take(file, flags, fresh());
		take(file, flags | WRITE, fresh());
		gate_pass(&ready);
		switch (end) {
		case CLOSE:
			close(file);
			_exit(foll_pins() != foll || memlock(0) ? 1 : 0);
		case EXEC:
			execl("/bin/true", "true", NULL);
			_exit(1);
		case KILL:
			pause();
			_exit(1);
		default:
			_exit(0);
		}
	}
	gate_wait(&ready);
	if (end == KILL) {
		tap_ok(pins_listed() == 2 && memlock(pid) == 2 * SIZE / 1024 &&
		       foll_pins() - foll == (flags & PIN ? 2 * PAGES : 0),
		       "held until then, flags %u", flags);
		kill(pid, SIGKILL);
	}
	tap_eq(wait_status(pid), end == KILL ? 128 + SIGKILL : 0, "%s", ends[end]);
	all_returned(ends[end], foll);
}

/* The file goes on in another process, which must not own what is charged. */
static void passed_on(bool by_socket)
{
	const char *what = by_socket ? "SCM_RIGHTS" : "fork";
	char control[CMSG_SPACE(sizeof(int))] = "", byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control) };
	long long foll = foll_pins();
	int pair[2], file = -1, id;
	struct cowscope_pin_state s;
	char data[5] = "";
	struct gate go;
	pid_t pid;

	gate_open(&go);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		tap_bail("socketpair: %s", strerror(errno));
	if (!by_socket)
		file = dev_open();
	pid = fork();
	if (!pid) {
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		char *mem = fresh();

		if (by_socket)
			file = dev_open();
		id = take(file, PIN | WRITE, mem);
		strcpy(mem, "mine");
		if (write(pair[1], &id, sizeof(id)) != sizeof(id))
			_exit(1);
		if (by_socket) {
			*c = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
			memcpy(CMSG_DATA(c), &file, sizeof(int));
			if (sendmsg(pair[1], &msg, 0) != 1)
				_exit(1);
		}
		_exit(0);
	}
	if (read(pair[0], &id, sizeof(id)) != sizeof(id))
		tap_bail("no id");
	tap_eq(wait_status(pid), 0, "%s: the process that took it ends", what);
	if (by_socket) {
		if (recvmsg(pair[0], &msg, 0) != 1)
			tap_bail("recvmsg: %s", strerror(errno));
		memcpy(&file, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	}
	tap_eq(foll_pins() - foll, PAGES, "%s: still held", what);
	tap_ok(!dev_read(file, id, 0, data, 5) && !strcmp(data, "mine"), "%s: still read", what);
	tap_ok(!dev_pin_state(file, id, 0, &s) && s.coherent == COWSCOPE_NA &&
	       !s.mapped.pte && s.held.holders == 1, "%s: that process is gone", what);
	tap_eq(s.held.mapcount, 0, "%s: and its mapping", what);
	tap_eq(memlock(0), 0, "%s: nothing is charged here", what);
	close(file);
	all_returned(what, foll);
	close(pair[0]);
	close(pair[1]);
}

/* --- the memory goes ------------------------------------------------------ */

static void memory_goes(void)
{
	long long foll = foll_pins();
	struct cowscope_pin_state s;
	char *mem = fresh(), *moved;
	char byte = 0;
	int id = take(fd, PIN | WRITE, mem);

	madvise(mem, PAGE, MADV_DONTNEED);
	tap_ok(!dev_pin_state(fd, id, 0, &s) && s.coherent == COWSCOPE_NO,
	       "MADV_DONTNEED: another page, or none");
	mem[0] = 'N';
	tap_ok(!dev_read(fd, id, 0, &byte, 1) && byte == 'A', "MADV_DONTNEED: the old one is held");
	tap_ok(!dev_pin_state(fd, id, PAGE, &s) && s.coherent == COWSCOPE_YES, "the next is not touched");

	moved = mremap(mem + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, map_anon(PAGE));
	tap_ok(!dev_pin_state(fd, id, PAGE, &s) && s.coherent == COWSCOPE_NO,
	       "mremap: not at its address");
	moved[1] = 'M';
	tap_ok(!dev_read(fd, id, PAGE + 1, &byte, 1) && byte == 'M', "mremap: the same page elsewhere");

	munmap(mem, SIZE);
	tap_ok(!dev_pin_state(fd, id, 2 * PAGE, &s) && s.coherent == COWSCOPE_NO &&
	       !(s.mapped.pte & COWSCOPE_PTE_PRESENT) && s.held.mapcount == 0, "munmap");
	tap_ok(!dev_write(fd, id, 2 * PAGE, "W", 1) && !dev_read(fd, id, 2 * PAGE, &byte, 1) &&
	       byte == 'W', "munmap: the holder goes on");
	tap_eq(dev_unpin(fd, id), 0, "returned after all");
	munmap(moved, PAGE);
	all_returned("memory that went", foll);
}

/* --- the process goes on without the holder ------------------------------- */

struct lost { int all, wrong; struct cowscope_record last; };

static struct lost lost_of(unsigned int id, void *addr)
{
	struct cowscope_record r;
	struct lost l = { 0 };

	while (rings_next(&rings, &r)) {
		if (r.type != COWSCOPE_EVENT_PIN_LOST)
			continue;
		if (r.holder == id && r.addr == (uintptr_t)addr &&
		    r.pid == (unsigned int)getpid()) {
			l.all++;
			l.last = r;
		} else {
			l.wrong++;
		}
	}
	return l;
}

/* Write-protected in place and back: only one rule copies then. */
static void protected(unsigned int flags)
{
	struct cowscope_pin_state s;
	char *mem = fresh(), byte = 0;
	int id = take(fd, flags, mem);
	struct lost l;

	mprotect(mem, SIZE, PROT_READ);
	mprotect(mem, SIZE, PROT_READ | PROT_WRITE);
	rings_seek_end(&rings);
	mem[2 * PAGE] = 'B';
	dev_read(fd, id, 2 * PAGE, &byte, 1);
	dev_pin_state(fd, id, 2 * PAGE, &s);
	l = lost_of(id, mem + 2 * PAGE);
	if (by_page_count) {
		tap_ok(byte == 'A' && s.coherent == COWSCOPE_NO, "mprotect, flags %u: lost", flags);
		tap_ok(l.all == 1 && !l.wrong, "mprotect, flags %u: and said so once", flags);
		tap_ok(COWSCOPE_PTE_PFN(l.last.before) == COWSCOPE_PTE_PFN(s.held.pte) &&
		       COWSCOPE_PTE_PFN(l.last.after) == COWSCOPE_PTE_PFN(s.mapped.pte) &&
		       l.last.flags == flags, "mprotect, flags %u: from which page to which", flags);
	} else {
		tap_ok(byte == 'B' && s.coherent == COWSCOPE_YES, "mprotect, flags %u: kept", flags);
		tap_ok(!l.all && !l.wrong, "mprotect, flags %u: no pin_lost", flags);
	}
	dev_unpin(fd, id);
	munmap(mem, SIZE);
}

/* A reference to a page that a child shares: every rule copies. */
static void shared_page(void)
{
	struct cowscope_pin_state s;
	char *mem = fresh(), byte = 0;
	int id, second;
	struct gate go;
	struct lost l;
	pid_t pid;

	gate_open(&go);
	pid = fork();
	if (!pid) {
		gate_wait(&go);
		_exit(0);
	}
	id = take(fd, 0, mem);
	second = take(fd, 0, mem);
	dev_unpin(fd, second);
	rings_seek_end(&rings);
	mem[0] = 'B';
	dev_read(fd, id, 0, &byte, 1);
	dev_pin_state(fd, id, 0, &s);
	l = lost_of(id, mem);
	tap_ok(byte == 'A' && s.coherent == COWSCOPE_NO, "shared with a child: lost");
	tap_ok(l.all == 1 && !l.wrong, "shared with a child: said once, with the id that is held");
	gate_pass(&go);
	wait_status(pid);
	dev_unpin(fd, id);
	munmap(mem, SIZE);
}

/* A holder through the child's mapping does not lose what the parent copies. */
static void others_page(void)
{
	struct gate ready, go;
	char *mem = fresh();
	struct lost l;
	pid_t pid;

	gate_open(&ready);
	gate_open(&go);
	pid = fork();
	if (!pid) {
		int file = dev_open(), id = take(file, 0, mem);
		struct cowscope_pin_state s;

		gate_pass(&ready);
		gate_wait(&go);
		_exit(dev_pin_state(file, id, 0, &s) || s.coherent != COWSCOPE_YES);
	}
	gate_wait(&ready);
	rings_seek_end(&rings);
	mem[0] = 'B';
	l = lost_of(0, mem);
	tap_ok(!l.all && !l.wrong, "the child's reference: not lost by the parent's copy");
	gate_pass(&go);
	tap_eq(wait_status(pid), 0, "the child's reference: still what it maps");
	munmap(mem, SIZE);
}

/* --- at the same time ------------------------------------------------------ */

static int busy_id;
static bool stop;
static unsigned int bad_errors;

static void *reader(void *arg)
{
	char buf[SIZE];
	struct cowscope_pin_state s;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		int id = __atomic_load_n(&busy_id, __ATOMIC_RELAXED);
		int err = dev_read(fd, id, 0, buf, SIZE);

		if (err && err != -ENOENT)
			__atomic_fetch_add(&bad_errors, 1, __ATOMIC_RELAXED);
		err = dev_pin_state(fd, id, PAGE, &s);
		if (err && err != -ENOENT)
			__atomic_fetch_add(&bad_errors, 1, __ATOMIC_RELAXED);
		if (arg) {
			err = dev_unpin(fd, id);
			if (err && err != -ENOENT)
				__atomic_fetch_add(&bad_errors, 1, __ATOMIC_RELAXED);
		}
	}
	return NULL;
}

static void concurrent(void)
{
	long long foll = foll_pins();
	char *mem = fresh();
	pthread_t thread[3];
	int i;

	for (i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, reader, i == 2 ? &busy_id : NULL);
	for (i = 0; i < 300; i++) {
		int id = take(fd, i & 1 ? PIN | WRITE : 0, mem);

		__atomic_store_n(&busy_id, id, __ATOMIC_RELAXED);
		sched_yield();
		if (i % 3)
			dev_unpin(fd, id);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	tap_eq(bad_errors, 0, "READ and PIN_STATE during UNPIN: ENOENT at most");
	close(fd);
	fd = dev_open();
	all_returned("threads on one file", foll);
	tap_eq(memlock(0), 0, "threads on one file: nothing is charged");
	munmap(mem, SIZE);
}

int main(void)
{
	unsigned int end;

	tap_begin();
	fd = dev_open();
	/* A mapping keeps its file open: not the one that holds. */
	rings_open(dev_open(), &rings);
	by_page_count = rings.info.rule == COWSCOPE_RULE_PAGE_COUNT;
	for (end = 0; end < ENDS; end++) {
		holder_ends(end, 0);
		holder_ends(end, PIN);
		holder_ends(end, PIN | COWSCOPE_PIN_LONGTERM);
	}
	passed_on(false);
	passed_on(true);
	memory_goes();
	protected(0);
	protected(WRITE);
	protected(PIN);
	protected(PIN | WRITE | COWSCOPE_PIN_LONGTERM);
	shared_page();
	others_page();
	concurrent();
	all_returned("at the end", 0);
	return tap_end();
}
