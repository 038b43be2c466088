// SPDX-License-Identifier: GPL-2.0
/*
 * fork, clear_refs, UFFDIO_WRITEPROTECT and mprotect over memory of which some
 * pages are held: what cowscope says of each against the page tables.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/userfaultfd.h>

#include "kit.h"
#include "tap.h"

#define PAGES	64
#define SIZE	(PAGES * PAGE)
#define HELD	8		/* pages, from FIRST on */
#define FIRST	10
#define MOST	512
#define PIN	COWSCOPE_PIN_FOLL_PIN

static int fd;
static struct rings rings;

static char *fresh(void)
{
	char *mem = map_anon(SIZE);

	memset(mem, 'A', SIZE);
	drain();
	return mem;
}

static int take(unsigned int flags, char *mem)
{
	int id = dev_pin(fd, flags, mem + FIRST * PAGE, HELD * PAGE);

	if (id <= 0)
		tap_bail("PIN: %s", strerror(-id));
	return id;
}

/* --- fork ------------------------------------------------------------------ */

struct forked {
	int forks, ranges, early, bad;
	struct cowscope_record fork, range;
};

/* The records of a fork; early copies are compared with both page tables. */
static void read_fork(struct forked *f, const char *mem, size_t pages, const uint64_t *parent,
		      const uint64_t *child)
{
	uintptr_t start = (uintptr_t)mem, end = start + pages * PAGE;
	struct cowscope_record r;

	*f = (struct forked){ 0 };
	while (rings_next(&rings, &r)) {
		size_t i = (r.addr - start) / PAGE;

		if (r.pid != (unsigned int)getpid())
			continue;
		if (r.type == COWSCOPE_EVENT_FORK) {
			f->forks++;
			f->fork = r;
		} else if (r.type == COWSCOPE_EVENT_FORK_RANGE && r.start <= start &&
			   r.end >= end) {
			f->ranges++;
			f->range = r;
		} else if (r.type == COWSCOPE_EVENT_EARLY_COPY) {
			if (r.addr < start || r.addr >= end) {
				f->bad++;
				continue;
			}
			f->early++;
			f->bad += COWSCOPE_PTE_PFN(r.before) != PM_PFN(parent[i]);
			f->bad += COWSCOPE_PTE_PFN(r.after) != PM_PFN(child[i]);
			f->bad += COWSCOPE_STATE_PINNED(r.state) != COWSCOPE_YES;
			f->bad += !r.holder;
		}
	}
}

static void fork_over(const char *what, char *mem, size_t pages, int early)
{
	static uint64_t parent[MOST], child[MOST];
	int copied = 0, got = 0;
	struct gate ready, go;
	struct forked f;
	pid_t pid;
	size_t i;

	gate_open(&ready);
	gate_open(&go);
	rings_seek_end(&rings);
	pid = fork();
	if (!pid) {
		gate_pass(&ready);
		gate_wait(&go);
		_exit(0);
	}
	gate_wait(&ready);
	pagemap(0, mem, pages, parent);
	pagemap(pid, mem, pages, child);
	read_fork(&f, mem, pages, parent, child);
	gate_pass(&go);
	wait_status(pid);
	for (i = 0; i < pages; i++) {
		got += !!(child[i] & PM_PRESENT);
		copied += child[i] & PM_PRESENT && parent[i] & PM_PRESENT &&
			  PM_PFN(child[i]) != PM_PFN(parent[i]);
	}
	tap_ok(copied == early && f.early == early && !f.bad, "fork, %s: %d early copies", what, early);
	if (copied != early || f.early != early || f.bad)
		tap_note("page tables %d, records %d, of them wrong %d", copied, f.early, f.bad);
	tap_ok(f.forks == 1 && f.fork.target == (unsigned int)pid && !f.fork.error &&
	       f.fork.changed == (unsigned int)early, "fork, %s: one record, of this child", what);
	tap_ok(f.ranges == 1 && (int)f.range.seen >= got &&
	       f.range.changed == (unsigned int)early, "fork, %s: one range", what);
	/* Neighbours may have been merged into the range. */
	if (f.range.start == (uintptr_t)mem && f.range.end == (uintptr_t)mem + pages * PAGE)
		tap_eq(f.range.seen, got, "fork, %s: pages that the child has", what);
	tap_ok(f.fork.seen >= f.range.seen && f.fork.held >= 1, "fork, %s: the sum", what);
}

/* A mapping of its own, which no neighbour is merged with. */
static char *island(size_t length)
{
	char *p = mmap(NULL, length + 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at = (char *)(((uintptr_t)p + HUGE) & ~(HUGE - 1));

	if (p == MAP_FAILED || mprotect(at, length, PROT_READ | PROT_WRITE))
		tap_bail("mmap: %s", strerror(errno));
	return at;
}

static void forks(void)
{
	char *mem = island(SIZE);
	int file = test_file(), id;
	size_t i;

	madvise(mem, SIZE, MADV_NOHUGEPAGE);
	memset(mem, 'A', SIZE);
	drain();
	fork_over("nothing held", mem, PAGES, 0);
	memset(mem, 'B', SIZE);
	id = take(0, mem);
	fork_over("references", mem, PAGES, 0);
	dev_unpin(fd, id);
	memset(mem, 'C', SIZE);
	id = take(PIN, mem);
	fork_over("pins to read", mem, PAGES, HELD);
	dev_unpin(fd, id);
	memset(mem, 'D', SIZE);
	id = take(PIN | COWSCOPE_PIN_WRITE | COWSCOPE_PIN_LONGTERM, mem);
	fork_over("pins to write", mem, PAGES, HELD);
	dev_unpin(fd, id);
	memset(mem, 'E', SIZE);
	madvise(mem, SIZE / 2, MADV_DONTNEED);
	fork_over("half of it there", mem, PAGES, 0);
	madvise(mem, SIZE, MADV_DONTNEED);

	mem = map_file(file, SIZE, MAP_PRIVATE);
	for (i = 0; i < PAGES; i += 2)
		mem[i * PAGE] = 'F';
	drain();
	fork_over("private file, every second page written", mem, PAGES, 0);
	munmap(mem, SIZE);
	close(file);

	mem = island(HUGE);
	madvise(mem, HUGE, MADV_HUGEPAGE);
	memset(mem, 'H', HUGE);
	drain();
	fork_over("THP", mem, 512, 0);
	memset(mem, 'I', HUGE);
	madvise(mem, HUGE, MADV_DONTNEED);
	memset(mem, 'J', HUGE);
	id = dev_pin(fd, PIN, mem + 5 * PAGE, PAGE);
	if (kpageflags(PM_PFN(pagemap_one(mem))) & (1 << 22)) {
		/* Pins are counted for the whole of it, but held of one page. */
		static uint64_t parent[MOST], child[MOST];
		struct forked f;
		struct gate go;
		pid_t pid;

		gate_open(&go);
		rings_seek_end(&rings);
		pid = fork();
		if (!pid) {
			gate_wait(&go);
			_exit(0);
		}
		pagemap(0, mem, 512, parent);
		pagemap(pid, mem, 512, child);
		read_fork(&f, mem, 512, parent, child);
		gate_pass(&go);
		wait_status(pid);
		tap_eq(f.early, 512, "fork, one page of a THP pinned: all of it copied at once");
		tap_ok(f.bad <= 511, "fork, one page of a THP pinned: each named");
	} else {
		tap_skip("fork of a pinned THP", "no huge page to be had");
	}
	dev_unpin(fd, id);
	munmap(mem, HUGE);
}

static int thread(void *arg)
{
	return 0;
}

/* What is no fork: threads and vfork share the memory. */
static void clones(void)
{
	char *stack = map_anon(16 * PAGE);
	struct cowscope_record r;
	int n = 0, i, forks_seen = 0;

	rings_seek_end(&rings);
	for (i = 0; i < 5; i++) {
		pid_t pid = clone(thread, stack + 16 * PAGE, CLONE_VM | SIGCHLD, NULL);

		wait_status(pid);
	}
	for (i = 0; i < 7; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		wait_status(pid);
		n++;
	}
	while (rings_next(&rings, &r))
		forks_seen += r.type == COWSCOPE_EVENT_FORK && r.pid == (unsigned int)getpid();
	tap_eq(forks_seen, n, "each fork, no thread");
}

/* --- write-protection in place --------------------------------------------- */

struct protected {
	int held, other, ops;	/* wrprotect records of held pages and others */
	struct cowscope_record op;
};

static void read_protected(struct protected *p, const char *mem, int source, int event)
{
	struct cowscope_record r;

	*p = (struct protected){ 0 };
	while (rings_next(&rings, &r)) {
		size_t i = (r.addr - (uintptr_t)mem) / PAGE;

		if (r.type == event) {
			p->ops++;
			p->op = r;
		}
		if (r.type != COWSCOPE_EVENT_WRPROTECT || r.source != source || i >= PAGES)
			continue;
		if (i >= FIRST && i < FIRST + HELD && r.holder && r.before & COWSCOPE_PTE_WRITE)
			p->held++;
		else
			p->other++;
	}
}

static void clear_refs(unsigned int flags, int expected)
{
	int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC), id;
	struct protected p;
	char *mem;

	/* What is older shall not be in the way. */
	if (write(file, "4", 1) != 1)
		tap_bail("clear_refs: %s", strerror(errno));
	mem = fresh();
	id = take(flags, mem);
	rings_seek_end(&rings);
	if (write(file, "4", 1) != 1)
		tap_bail("clear_refs: %s", strerror(errno));
	read_protected(&p, mem, COWSCOPE_SOURCE_CLEAR_REFS, COWSCOPE_EVENT_CLEAR_REFS);
	tap_ok(p.ops == 1 && p.op.arg == 4 && !p.op.error &&
	       p.op.target == (unsigned int)getpid() && p.op.op_lock == COWSCOPE_LOCK_WRITE,
	       "clear_refs, flags %u: one record", flags);
	tap_ok(p.op.seen >= PAGES && p.op.changed >= PAGES - HELD &&
	       p.op.changed < 2 * PAGES, "clear_refs, flags %u: pages", flags);
	tap_ok(p.op.pinned == (flags & PIN ? HELD : 0) && p.op.held >= (unsigned int)expected,
	       "clear_refs, flags %u: pinned pages are left alone", flags);
	tap_ok(p.held == expected && !p.other,
	       "clear_refs, flags %u: %d held pages write-protected", flags, expected);
	if (p.held != expected || p.other || p.ops != 1)
		tap_note("held %d, other %d, ops %d: seen %u changed %u pinned %u held %u lock %u",
			 p.held, p.other, p.ops, p.op.seen, p.op.changed, p.op.pinned, p.op.held,
			 p.op.op_lock);
	dev_unpin(fd, id);
	munmap(mem, SIZE);
	close(file);
}

static void mprotects(unsigned int flags)
{
	char *mem = fresh();
	struct protected p;
	int id = take(flags, mem);

	rings_seek_end(&rings);
	mprotect(mem, SIZE, PROT_READ);
	read_protected(&p, mem, COWSCOPE_SOURCE_MPROTECT, 0);
	tap_ok(p.held == HELD && !p.other, "mprotect, flags %u: held pages write-protected", flags);
	if (p.held != HELD || p.other)
		tap_note("held %d, other %d", p.held, p.other);
	dev_unpin(fd, id);
	munmap(mem, SIZE);
}

static void uffd(unsigned int flags)
{
	struct uffdio_api api = { .api = UFFD_API };
	char *mem = fresh();
	struct uffdio_register reg = { .range = { (uintptr_t)mem, SIZE },
		.mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .range = { (uintptr_t)mem, SIZE },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP };
	int file = syscall(SYS_userfaultfd, O_CLOEXEC), id;
	struct protected p;

	if (file < 0 || ioctl(file, UFFDIO_API, &api) || ioctl(file, UFFDIO_REGISTER, &reg))
		return tap_skip("uffd_wp", "%s", strerror(errno));
	id = take(flags, mem);
	rings_seek_end(&rings);
	if (ioctl(file, UFFDIO_WRITEPROTECT, &wp))
		tap_bail("UFFDIO_WRITEPROTECT: %s", strerror(errno));
	read_protected(&p, mem, COWSCOPE_SOURCE_UFFD_WP, COWSCOPE_EVENT_UFFD_WP);
	tap_ok(p.held == HELD && !p.other, "uffd_wp, flags %u: held pages write-protected", flags);
	tap_ok(p.ops == 1 && p.op.start == (uintptr_t)mem && p.op.end == (uintptr_t)mem + SIZE &&
	       p.op.arg == 1 && !p.op.error && p.op.op_lock == COWSCOPE_LOCK_READ,
	       "uffd_wp, flags %u: one record", flags);
	tap_ok(p.op.seen == PAGES && p.op.changed == PAGES && p.op.held == HELD &&
	       p.op.pinned == (flags & PIN ? HELD : 0), "uffd_wp, flags %u: pages", flags);
	if (p.held != HELD || p.op.seen != PAGES || p.op.changed != PAGES)
		tap_note("held %d, other %d, ops %d: seen %u changed %u pinned %u held %u",
			 p.held, p.other, p.ops, p.op.seen, p.op.changed, p.op.pinned, p.op.held);
	wp.mode = 0;
	if (ioctl(file, UFFDIO_WRITEPROTECT, &wp))
		tap_bail("UFFDIO_WRITEPROTECT: %s", strerror(errno));
	read_protected(&p, mem, COWSCOPE_SOURCE_UFFD_WP, COWSCOPE_EVENT_UFFD_WP);
	tap_ok(p.ops == 1 && p.op.arg == 0 && p.op.changed == PAGES && !p.held && !p.other,
	       "uffd_wp, flags %u: and undone", flags);
	dev_unpin(fd, id);
	munmap(mem, SIZE);
	close(file);
}

int main(void)
{
	tap_begin();
	fd = dev_open();
	rings_open(fd, &rings);
	forks();
	clones();
	clear_refs(0, HELD);
	clear_refs(PIN, 0);
	mprotects(0);
	mprotects(PIN);
	uffd(0);
	uffd(PIN);
	return tap_end();
}
