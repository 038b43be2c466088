// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations on a region of some thousand pages, small and huge, and on
 * what its children have of it; after each round every page of every process is
 * compared with the kernel's view. At the end each probed function was called
 * as often as a kprobe event counts.
 *
 * random [SEED [ROUNDS]]
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/userfaultfd.h>

#include "cross.h"
#include "sums.h"
#include "tap.h"

#define SMALL	2048UL		/* pages that are small from the start */
#define THPS	4UL
#define PAGES	(SMALL + THPS * 512)
#define RUN	300		/* pages that one operation is about, at most */
#define OPS	60		/* a round */
#define CHILDREN 3
#define HOLDS	24

static uint64_t seed = 20210107;	/* always the same, unless asked otherwise */
static int fd, uf;
static char *mem;
static unsigned char prot[PAGES];	/* PROT_*, of this process */
static struct hold holds[HOLDS];

static struct child {
	pid_t pid;
	struct gate ask, done;
} child[CHILDREN];

static struct order {			/* shared: what a child is to do */
	char what;
	size_t at, n;
} *order;

static unsigned int random_below(unsigned int n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % n;
}

static void use(size_t at, size_t n, bool write)
{
	size_t i;

	for (i = at; i < at + n; i++) {
		if (write && prot[i] & PROT_WRITE)
			poke(mem + i * PAGE, i);
		else if (!write && prot[i] & PROT_READ)
			peek(mem + i * PAGE);
	}
}

static void obey(struct child *c)
{
	for (;;) {
		gate_wait(&c->ask);
		if (order->what == 'x')
			_exit(0);
		use(order->at, order->n, order->what == 'w');
		gate_pass(&c->done);
	}
}

static void give_birth(struct child *c)
{
	gate_open(&c->ask);
	gate_open(&c->done);
	fflush(stdout);
	c->pid = fork();
	if (!c->pid)
		obey(c);
}

static void command(struct child *c, char what, size_t at, size_t n)
{
	*order = (struct order){ what, at, n };
	gate_pass(&c->ask);
	if (what != 'x') {
		gate_wait(&c->done);
		return;
	}
	wait_status(c->pid);
	c->pid = 0;
	close(c->ask.fd[0]);
	close(c->ask.fd[1]);
	close(c->done.fd[0]);
	close(c->done.fd[1]);
}

static void some_child(size_t at, size_t n)
{
	struct child *c = &child[random_below(CHILDREN)];

	if (!c->pid)
		give_birth(c);
	else
		command(c, "rwwwx"[random_below(5)], at, n);
}

static void some_holder(size_t at, size_t n)
{
	struct hold *h = &holds[random_below(HOLDS)];

	if (h->id)
		cross_release(h, fd);
	else
		cross_hold(h, fd, random_below(16) & ~(random_below(2) ? COWSCOPE_PIN_LONGTERM : 0),
			   mem + at * PAGE, n);
}

static void protect(size_t at, size_t n)
{
	static const int kinds[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE
	};
	int p = kinds[random_below(4)];

	if (mprotect(mem + at * PAGE, n * PAGE, p))
		tap_bail("mprotect: %s", strerror(errno));
	memset(prot + at, p, n);
}

static bool watched(void)
{
	struct uffdio_register reg = { .range = { (uintptr_t)mem, PAGES * PAGE },
		.mode = UFFDIO_REGISTER_MODE_WP };

	return uf >= 0 && !ioctl(uf, UFFDIO_REGISTER, &reg);
}

/* A hole, where something new is mapped. */
static void unmap(size_t at, size_t n)
{
	munmap(mem + at * PAGE, n * PAGE);
	if (mmap(mem + at * PAGE, n * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	madvise(mem + at * PAGE, n * PAGE, MADV_NOHUGEPAGE);
	memset(prot + at, PROT_READ | PROT_WRITE, n);
	watched();
	/* A new mapping is soft-dirty as a whole. */
	forget_writes(0);
}

static int uffd_protect(uint64_t start, uint64_t length, bool on)
{
	struct uffdio_writeprotect wp = { .range = { start, length },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0 };

	return ioctl(uf, UFFDIO_WRITEPROTECT, &wp);
}

/* Lets everybody write who has to wait. */
static void *handler(void *arg)
{
	struct uffd_msg msg;

	while (read(uf, &msg, sizeof(msg)) == sizeof(msg))
		uffd_protect(msg.arg.pagefault.address & ~(PAGE - 1), PAGE, false);
	return NULL;
}

static void operate(void)
{
	size_t at = random_below(PAGES), n = 1 + random_below(RUN);
	char *from = mem + at * PAGE;

	if (n > PAGES - at)
		n = PAGES - at;
	switch (random_below(24)) {
	case 0 ... 4:
		return use(at, n, true);
	case 5 ... 6:
		return use(at, n, false);
	case 7 ... 11:
		return some_child(at, n);
	case 12 ... 15:
		return some_holder(at, n);
	case 16:
		madvise(from, n * PAGE, MADV_PAGEOUT);
		return;
	case 17:
		madvise(from, n * PAGE, MADV_DONTNEED);
		return;
	case 18:
		madvise(from, n * PAGE, MADV_COLD);
		return;
	case 19:
		return protect(at, n);
	case 20:
		return unmap(at, n % 40 + 1 > PAGES - at ? 1 : n % 40 + 1);
	case 21:
		return forget_writes(0);
	case 22:
		write_file("/proc/self/clear_refs", "1");
		return;
	case 23:
		uffd_protect((uintptr_t)from, n * PAGE, true);
		return;
	}
}

static void compare(int round)
{
	char what[64];
	int i;

	snprintf(what, sizeof(what), "round %d", round);
	cross_check(what, mem, PAGES, (struct known){ 0 });
	for (i = 0; i < CHILDREN; i++) {
		if (!child[i].pid)
			continue;
		snprintf(what, sizeof(what), "round %d, child %d", round, i);
		cross_check_of(what, child[i].pid, mem, PAGES, (struct known){ 0 });
	}
}

static void make(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	char *all = map_anon(PAGES * PAGE + HUGE);
	pthread_t thread;

	/* The huge ones at the end, aligned. */
	mem = (char *)(((uintptr_t)all + SMALL * PAGE + HUGE - 1) & ~(HUGE - 1)) - SMALL * PAGE;
	madvise(mem + SMALL * PAGE, THPS * HUGE, MADV_HUGEPAGE);
	memset(prot, PROT_READ | PROT_WRITE, sizeof(prot));
	use(0, PAGES, true);
	order = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uf = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uf < 0 || ioctl(uf, UFFDIO_API, &api) || !watched()) {
		tap_skip("uffd-wp", "%s", strerror(errno));
		uf = -1;
	} else {
		pthread_create(&thread, NULL, handler, NULL);
	}
	forget_writes(0);
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[2]) : 16, round, i;
	static struct sums start, end;
	struct rings rings;

	tap_begin();
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	tap_note("seed %llu", (unsigned long long)seed);
	fd = dev_open();
	rings_open(fd, &rings);
	cross_begin();
	sums_begin(fd);
	sums_read(fd, &rings, &start);
	make();
	for (round = 1; round <= rounds; round++) {
		for (i = 0; i < OPS; i++)
			operate();
		compare(round);
	}
	for (i = 0; i < CHILDREN; i++)
		if (child[i].pid)
			command(&child[i], 'x', 0, 0);
	tap_note("%lu pages compared here", cross_compared());
	cross_end();
	sums_read(fd, &rings, &end);
	sums_check(fd, &start, &end, false);
	sums_end();
	return tap_end();
}
