// SPDX-License-Identifier: GPL-2.0
/*
 * Write faults on hugetlb pages: every kernel goes by mapcount there, so each
 * act ends alike on all; and what memory and holders read shows who was right.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "act.h"

#define EXCLUSIVE	kernel_has(5, 19)
#define POOL		"/proc/sys/vm/nr_hugepages"

static int fd;
static char *mem;

static void map(int file, int flags)
{
	mem = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
		   flags | (file < 0 ? MAP_ANONYMOUS | MAP_HUGETLB : 0), file, 0);
	if (mem == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
}

static void fresh(void)
{
	map(-1, MAP_PRIVATE);
	memset(mem, 'A', HUGE);
}

static void gone(void)
{
	munmap(mem, HUGE);
}

/* What a reference that a child took reads, as its exit status. */
static int child_holds(int own, int id)
{
	char c = 0;

	return id <= 0 || dev_read(own, id, 0, &c, 1) ? 255 : c;
}

static void first_write(void)
{
	map(-1, MAP_PRIVATE);
	act_begin(mem, HUGE);
	poke(mem + 3 * PAGE, 'B');
	act_leaves("hugetlb reuse fine hugetlb", mem + 3 * PAGE, 'B', "the first write");
	tap_ok(act.fault[0].refcount == 1 && act.fault[0].mapcount == 1 &&
	       act.fault[0].addr == (uintptr_t)mem &&
	       COWSCOPE_PTE_PFN(act.fault[0].before) == pfn_of(mem) &&
	       COWSCOPE_PTE_PFN(act.fault[0].after) == pfn_of(mem), "... in place");
	gone();
}

/* Who writes first gets a copy, the other then has the page to itself. */
static void shared(bool parent_first)
{
	struct gate go, done;
	uint64_t before;
	pid_t pid;

	fresh();
	gate_open(&go);
	gate_open(&done);
	before = pfn_of(mem);
	act_begin(mem, HUGE);
	pid = fork();
	if (!pid) {
		if (parent_first)
			gate_wait(&go);
		poke(mem + PAGE, 'C');
		gate_pass(&done);
		gate_wait(&go);
		CHILD_SEES(mem + 2 * PAGE);
	}
	if (!parent_first)
		gate_wait(&done);
	else
		poke(mem + 2 * PAGE, 'B');
	act_end();
	act_is("hugetlb copy needed hugetlb", 0, "shared by a fork, the %s writes",
	       parent_first ? "parent" : "child");
	tap_ok(act.faults && act.fault[0].refcount == 2 && act.fault[0].mapcount == 2 &&
	       COWSCOPE_OUTCOME_PREDICTED(act.fault[0].outcome) == COWSCOPE_COPY &&
	       COWSCOPE_PTE_PFN(act.fault[0].before) == before &&
	       COWSCOPE_PTE_PFN(act.fault[0].after) != before &&
	       (pfn_of(mem) != before) == parent_first, "... as predicted, without its own references");
	act_begin(mem, HUGE);
	if (!parent_first)
		poke(mem + 2 * PAGE, 'B');
	else
		gate_pass(&go), gate_wait(&done);
	act_end();
	act_is("hugetlb reuse fine hugetlb", 0, "... then the other");
	gate_pass(&go);
	tap_eq(wait_status(pid), 'A', "... the child does not see the parent's write");
	tap_ok(peek(mem + PAGE) == 'A' && peek(mem + 2 * PAGE) == 'B', "... nor the parent the child's");
	gone();
}

/* No page is left for a copy: the owner takes it from the child. */
static void exhausted(bool in_child)
{
	struct gate go, done;
	char pool[32];
	pid_t pid;

	read_file(POOL, pool, sizeof(pool));
	fresh();
	gate_open(&go);
	gate_open(&done);
	pid = fork();
	if (!pid) {
		int own = dev_open(), id = in_child ? dev_pin(own, 0, mem, PAGE) : 0;

		signal(SIGBUS, SIG_DFL);
		gate_pass(&done);
		gate_wait(&go);
		if (in_child)
			_exit(child_holds(own, id));
		poke(mem, 'C');
		_exit(0);
	}
	gate_wait(&done);
	write_file(POOL, "1");
	act_begin(mem, HUGE);
	poke(mem, 'B');
	act_leaves(in_child ? "hugetlb reuse leak hugetlb" : "hugetlb reuse fine hugetlb", mem, 'B',
		   "shared by a fork, no page left, the owner writes");
	tap_eq(COWSCOPE_OUTCOME_PREDICTED(act.fault[0].outcome), COWSCOPE_RACED,
	       "... not what the page looked like");
	gate_pass(&go);
	if (in_child)
		tap_eq(wait_status(pid), 'B', "... and the child's reference reads it");
	else
		tap_eq(wait_status(pid), 128 + SIGBUS, "... the child gets no other page");
	write_file(POOL, pool);
	gone();
}

static void exhausted_child(void)
{
	char pool[32];
	pid_t pid;

	read_file(POOL, pool, sizeof(pool));
	fresh();
	act_begin(mem, HUGE);
	pid = fork();
	if (!pid) {
		write_file(POOL, "1");
		poke(mem, 'C');
		_exit(0);
	}
	tap_eq(wait_status(pid), 128 + SIGBUS, "shared by a fork, no page left, the child writes");
	act_end();
	act_is("hugetlb failed none hugetlb", 0, "... and fails");
	tap_eq(peek(mem), 'A', "... its parent has lost nothing");
	write_file(POOL, pool);
	gone();
}

/* A page in the middle is held: it is lost with the rest. */
static void held_by_parent(unsigned int flags, const char *what)
{
	struct gate go;
	bool early;
	pid_t pid;
	int id;

	fresh();
	gate_open(&go);
	id = act_pin(flags | COWSCOPE_PIN_WRITE, mem + 5 * PAGE);
	/* Up to 5.18 a fork shares a pinned hugetlb page as any other. */
	early = flags & COWSCOPE_PIN_FOLL_PIN && EXCLUSIVE;
	pid = fork();
	if (!pid) {
		gate_wait(&go);
		CHILD_SEES(mem + 5 * PAGE);
	}
	act_begin(mem, HUGE);
	poke(mem + 5 * PAGE, 'B');
	act_leaves(early ? "" : "hugetlb copy pin_lost hugetlb", mem + 5 * PAGE, 'B',
		   "%s of the parent, and a fork", what);
	tap_eq(act_held(id), early ? 'B' : 'A', "... the holder reads it, or not");
	tap_ok(act.losses == !early && (early || (act.lost[0].addr == (uintptr_t)mem + 5 * PAGE &&
						  (int)act.lost[0].holder == id &&
						  COWSCOPE_PTE_PFN(act.lost[0].after) ==
						  pfn_of(mem + 5 * PAGE))), "... as is recorded");
	gate_pass(&go);
	tap_eq(wait_status(pid), 'A', "... the child reads what was there");
	act_unpin(id);
	gone();
}

/* The dispute at this level: no kernel has settled it. */
static void zygote(void)
{
	struct gate go, done;
	pid_t pid;

	fresh();
	gate_open(&go);
	gate_open(&done);
	pid = fork();
	if (!pid) {
		int own = dev_open(), id = dev_pin(own, 0, mem + 3 * PAGE, PAGE);

		munmap(mem, HUGE);
		gate_pass(&done);
		gate_wait(&go);
		_exit(child_holds(own, id));
	}
	gate_wait(&done);
	act_begin(mem, HUGE);
	poke(mem + 3 * PAGE, 'B');
	act_leaves("hugetlb reuse leak hugetlb", mem + 3 * PAGE, 'B',
		   "held by a child that has unmapped it");
	tap_eq(COWSCOPE_RULES_WOULD(act.fault[0].rules, COWSCOPE_RULE_PAGE_COUNT), COWSCOPE_COPY,
	       "... page_count would have copied");
	gate_pass(&go);
	tap_eq(wait_status(pid), 'B', "... which reads what it should not");
	gone();
}

/* A file's page in a private mapping: the page cache keeps it. */
static void file(bool hold)
{
	int file_fd = memfd_create("hugetlb", MFD_HUGETLB), id = 0;
	char *other;

	if (file_fd < 0 || ftruncate(file_fd, HUGE))
		tap_bail("memfd: %s", strerror(errno));
	map(file_fd, MAP_SHARED);
	other = mem;
	memset(other, 'A', HUGE);
	map(file_fd, MAP_PRIVATE);
	(void)peek(mem);
	if (hold)
		id = act_pin(0, mem + PAGE);
	act_begin(mem, HUGE);
	poke(mem + PAGE, 'B');
	act_leaves(hold ? "hugetlb copy pin_lost hugetlb" : "hugetlb copy needed hugetlb",
		   mem + PAGE, 'B', "a file's page, mapped privately%s", hold ? ", held" : "");
	tap_eq(act.losses, hold, "... losses");
	tap_eq(peek(other + PAGE), 'A', "... the file keeps its own");
	if (hold)
		act_unpin(id);
	gone();
	/* The same, not yet mapped. */
	map(file_fd, MAP_PRIVATE);
	act_begin(mem, HUGE);
	poke(mem + PAGE, 'B');
	act_leaves("hugetlb copy needed hugetlb", mem + PAGE, 'B', "... the same at first sight");
	gone();
	munmap(other, HUGE);
	close(file_fd);
}

static void unshared(void)
{
	struct gate go;
	pid_t pid;
	int id;

	fresh();
	gate_open(&go);
	pid = fork();
	if (!pid) {
		gate_wait(&go);
		CHILD_SEES(mem);
	}
	act_begin(mem, HUGE);
	id = act_pin(COWSCOPE_PIN_FOLL_PIN, mem);
	act_end();
	act_is(EXCLUSIVE ? "hugetlb unshare needed hugetlb" : "", 0, "pinned for reading while shared");
	tap_eq(act_held(id), 'A', "... and the holder reads it");
	act_unpin(id);
	gate_pass(&go);
	wait_status(pid);
	gone();
}

static void *writer(void *arg)
{
	poke(arg, 'B');
	return NULL;
}

static void uffd(int flags, bool async, bool populated)
{
	const char *what = flags & MAP_SHARED ? "shared" : populated ? "private" : "not yet there";
	pthread_t thread;
	int uf;

	if (async && !kernel_has(6, 7))
		return tap_skip("asynchronous userfaultfd", "since 6.7");
	map(-1, flags);
	memset(mem, 'A', HUGE);
	if (!populated)
		madvise(mem, HUGE, MADV_DONTNEED);
	uf = uffd_protect(mem, HUGE, async);
	if (uf < 0) {
		tap_skip("userfaultfd on hugetlb", "%s", strerror(-uf));
		return gone();
	}
	act_begin(mem, HUGE);
	if (async) {
		poke(mem + PAGE, 'B');
		act_leaves("hugetlb reuse fine hugetlb", mem + PAGE, 'B',
			   "%s, write-protected asynchronously", what);
	} else {
		pthread_create(&thread, NULL, writer, mem + PAGE);
		uffd_wait(uf);
		act_end();
		act_is("hugetlb uffd none hugetlb", 0, "%s, left to userfaultfd", what);
		tap_ok(act.faults && act.fault[0].before & COWSCOPE_PTE_UFFD_WP &&
		       act.fault[0].addr == (uintptr_t)mem, "... write-protected by it");
		act_begin(mem, HUGE);
		uffd_release(uf, mem, HUGE);
		pthread_join(thread, NULL);
		/* Up to 6.1 a shared page is made writable again at once. */
		act_leaves(flags & MAP_SHARED && !kernel_has(6, 2) ? "" : "hugetlb reuse fine hugetlb",
			   mem + PAGE, 'B', "... released");
	}
	close(uf);
	gone();
}

static void remote(void)
{
	struct gate go;
	pid_t pid;

	fresh();
	gate_open(&go);
	act_begin(mem, HUGE);
	pid = fork();
	if (!pid) {
		gate_wait(&go);
		CHILD_SEES(mem + PAGE);
	}
	write_remote(pid, mem + PAGE, 'R');
	act_end();
	act_is("hugetlb copy needed hugetlb remote", 0, "written by another process");
	gate_pass(&go);
	tap_eq(wait_status(pid), 'R', "... and its owner reads it");
	tap_eq(peek(mem + PAGE), 'A', "... but nobody else");
	gone();
}

int main(void)
{
	tap_begin();
	fd = act_open();
	first_write();
	shared(true);
	shared(false);
	exhausted(false);
	exhausted(true);
	exhausted_child();
	held_by_parent(0, "a reference");
	held_by_parent(COWSCOPE_PIN_FOLL_PIN, "a pin");
	zygote();
	file(false);
	file(true);
	unshared();
	uffd(MAP_PRIVATE, false, true);
	uffd(MAP_PRIVATE, false, false);
	uffd(MAP_SHARED, false, true);
	uffd(MAP_PRIVATE, true, true);
	uffd(MAP_SHARED, true, true);
	remote();
	act_close();
	return tap_end();
}
