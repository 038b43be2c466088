// SPDX-License-Identifier: GPL-2.0
/*
 * HOLD and MIRROR: what they see, what they are told, which references they hold
 * and return, and what is said of a copy that was made for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/userfaultfd.h>

#include "kit.h"
#include "tap.h"

#define PAGES	4
#define SIZE	(PAGES * PAGE)
#define NONE	0
#define GET	COWSCOPE_MIRROR_GET
#define KEEP	(COWSCOPE_MIRROR_GET | COWSCOPE_MIRROR_KEEP)
#define WRITE	COWSCOPE_MIRROR_WRITE

static int fd;
static struct rings rings;
static bool by_mapcount, by_page_count;	/* the rule in force */

static const char *mode(unsigned int flags)
{
	return flags & COWSCOPE_MIRROR_KEEP ? "keep" : flags & GET ? "get" : "none";
}

static char *fresh(void)
{
	char *mem = map_anon(SIZE);

	madvise(mem, SIZE, MADV_NOHUGEPAGE);
	memset(mem, 'A', SIZE);
	drain();
	return mem;
}

static int mirror(int file, unsigned int flags, const void *at, size_t length)
{
	struct cowscope_mirror m = { .size = sizeof(m), .flags = flags,
		.addr = (uintptr_t)at, .length = length };
	int err = dev(file, COWSCOPE_MIRROR, &m);

	return err ? err : (int)m.id;
}

static int hold(int file, const void *at, size_t length)
{
	struct cowscope_hold h = { .size = sizeof(h), .addr = (uintptr_t)at, .length = length };
	int err = dev(file, COWSCOPE_HOLD, &h);

	return err ? err : (int)h.id;
}

static int taken(int id)
{
	if (id <= 0)
		tap_bail("MIRROR or HOLD: %s", strerror(-id));
	return id;
}

static struct cowscope_page page_at(const void *at)
{
	struct cowscope_page p = { 0 };

	dev_pages(fd, 0, at, 1, &p);
	return p;
}

/* References, when no LRU cache has one. */
static int refcount(const void *at)
{
	struct cowscope_page p;
	int try;

	for (try = 0; try < 8; try++) {
		p = page_at(at);
		if (p.refcount <= p.explained &&
		    (p.state & COWSCOPE_STATE_LRU ||
		     COWSCOPE_STATE_KIND(p.state) == COWSCOPE_KIND_HUGETLB))
			break;
		drain();
	}
	return p.refcount;
}

static char seen_by(int file, int id, size_t offset)
{
	char byte = 0;
	int err = dev_read(file, id, offset, &byte, 1);

	if (err)
		tap_note("READ: %s", strerror(-err));
	return err ? 0 : byte;
}

static unsigned int coherent(int id, size_t offset)
{
	struct cowscope_pin_state s;

	return dev_pin_state(fd, id, offset, &s) ? ~0U : s.coherent;
}

/* --- what was recorded ----------------------------------------------------- */

struct told {
	int events[COWSCOPE_INVALIDATIONS];
	int mirror, lost, faults, wrong;
	unsigned int verdict;		/* of the last fault */
	struct cowscope_record last[COWSCOPE_INVALIDATIONS];
};

static struct told told(int id, const char *at)
{
	struct cowscope_record r;
	struct told t = { .wrong = 0 };

	while (rings_next(&rings, &r)) {
		if (r.type == COWSCOPE_EVENT_MIRROR && r.mirror == (unsigned int)id) {
			t.mirror++;
			t.events[r.arg]++;
			t.last[r.arg] = r;
			t.wrong += r.error || r.seen != r.changed + r.held;
		} else if (r.type == COWSCOPE_EVENT_PIN_LOST) {
			t.lost += r.holder == (unsigned int)id;
		} else if (r.type == COWSCOPE_EVENT_COW_FAULT && r.addr == (uintptr_t)at &&
			   COWSCOPE_OUTCOME_DECISION(r.outcome) <= COWSCOPE_REUSE) {
			t.faults++;
			t.verdict = r.verdict;
		}
	}
	return t;
}

/* --- HOLD ------------------------------------------------------------------ */

static void speculative(void)
{
	char *mem = fresh(), byte = 0;
	int before = refcount(mem), id = taken(hold(fd, mem, SIZE));
	struct cowscope_pin_state s;
	struct cowscope_page p;
	struct told t;

	p = page_at(mem);
	tap_eq(p.refcount, before + 1, "HOLD: one reference more");
	tap_eq(p.explained, p.refcount, "HOLD: it is explained");
	tap_ok(!p.holders && !p.holder, "HOLD: not among the holders");
	tap_ok(pins_listed() == 1 && memlock(0) == SIZE / 1024, "HOLD: listed and charged");
	tap_ok(!dev_read(fd, id, PAGE, &byte, 1) && byte == 'A', "HOLD: READ");
	tap_eq(dev_write(fd, id, 0, "W", 1), -EPERM, "HOLD: WRITE");
	tap_ok(!dev_pin_state(fd, id, 0, &s) && s.coherent == COWSCOPE_YES &&
	       s.flags == COWSCOPE_PIN_SPECULATIVE && !s.held.holders, "HOLD: PIN_STATE");

	if (fork() == 0)
		_exit(0);
	wait(NULL);
	rings_seek_end(&rings);
	mem[0] = 'B';
	t = told(id, mem);
	if (by_mapcount) {
		tap_ok(t.faults == 1 && t.verdict == COWSCOPE_VERDICT_FINE,
		       "HOLD, fork, exit, write: a reuse");
		tap_ok(seen_by(fd, id, 0) == 'B' && coherent(id, 0) == COWSCOPE_YES,
		       "HOLD: it has the page");
	} else {
		tap_ok(t.faults == 1 && t.verdict == COWSCOPE_VERDICT_SUPERFLUOUS && !t.lost,
		       "HOLD, fork, exit, write: a superfluous copy and nobody lost it");
		tap_ok(seen_by(fd, id, 0) == 'A' && coherent(id, 0) == COWSCOPE_NO,
		       "HOLD: it has the old page");
	}
	tap_eq(dev_unpin(fd, id), 0, "HOLD: UNPIN");
	tap_ok(refcount(mem) == before && refcount(mem + PAGE) == before && !pins_listed() &&
	       !memlock(0), "HOLD: returned");

	madvise(mem + PAGE, PAGE, MADV_DONTNEED);
	tap_eq(hold(fd, mem, SIZE), -EFAULT, "HOLD: a page is not present");
	tap_ok(!(page_at(mem + PAGE).pte & COWSCOPE_PTE_PRESENT), "HOLD: and is not faulted in");
	tap_ok(refcount(mem) == before && !pins_listed() && !memlock(0), "HOLD: nothing is taken");
	peek(mem + PAGE);
	tap_eq(hold(fd, mem, SIZE), -EFAULT, "HOLD: the zero page");
	tap_ok(refcount(mem) == before && refcount(mem + 2 * PAGE) == before,
	       "HOLD: nothing is taken then");
	munmap(mem, SIZE);
}

static void speculative_huge(void)
{
	char *mem = map_thp();
	int before, id;

	if (!mem)
		return tap_skip("HOLD: a huge page", "this guest has none free");
	before = refcount(mem);
	id = taken(hold(fd, mem + 8 * PAGE, 4 * PAGE));
	tap_eq(refcount(mem), before + 4, "HOLD: pages of a huge one");
	dev_unpin(fd, id);
	tap_eq(refcount(mem), before, "HOLD: pages of a huge one returned");
	munmap(mem, HUGE);
}

/* --- what a mirror is told ------------------------------------------------- */

static int uffd = -1;

static void uffd_protect(char *mem, bool on)
{
	struct uffdio_writeprotect wp = {
		.range = { (uintptr_t)mem, SIZE },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};
	struct uffdio_register reg = {
		.range = { (uintptr_t)mem, SIZE }, .mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_api api = { .api = UFFD_API };

	if (uffd < 0) {
		uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
		if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api))
			tap_bail("userfaultfd: %s", strerror(errno));
	}
	if (on && ioctl(uffd, UFFDIO_REGISTER, &reg))
		tap_bail("UFFDIO_REGISTER: %s", strerror(errno));
	if (ioctl(uffd, UFFDIO_WRITEPROTECT, &wp))
		tap_bail("UFFDIO_WRITEPROTECT: %s", strerror(errno));
}

enum act { CLEAR_REFS, UFFD_WP, MPROTECT, FORK, FORK_EXIT, DONTNEED, ACTS };

static const struct {
	const char *name;
	unsigned int event;
} acts[] = {
	[CLEAR_REFS] = { "clear_refs", COWSCOPE_INVALIDATION_SOFT_DIRTY },
	[UFFD_WP] = { "uffd_wp", COWSCOPE_INVALIDATION_PROTECTION_VMA },
	[MPROTECT] = { "mprotect", COWSCOPE_INVALIDATION_PROTECTION_VMA },
	[FORK] = { "fork", COWSCOPE_INVALIDATION_PROTECTION_PAGE },
	[FORK_EXIT] = { "fork and exit", COWSCOPE_INVALIDATION_PROTECTION_PAGE },
	[DONTNEED] = { "MADV_DONTNEED", COWSCOPE_INVALIDATION_CLEAR },
};

static void do_act(enum act act, char *mem, struct gate *go, pid_t *child)
{
	switch (act) {
	case CLEAR_REFS:
		write_file("/proc/self/clear_refs", "4");
		break;
	case UFFD_WP:
		uffd_protect(mem, true);
		uffd_protect(mem, false);
		break;
	case MPROTECT:
		mprotect(mem, SIZE, PROT_READ);
		mprotect(mem, SIZE, PROT_READ | PROT_WRITE);
		break;
	case FORK:
	case FORK_EXIT:
		*child = fork();
		if (!*child) {
			if (act == FORK)
				gate_wait(go);
			_exit(0);
		}
		if (act == FORK_EXIT) {
			wait_status(*child);
			*child = 0;
		}
		break;
	case DONTNEED:
		madvise(mem, SIZE, MADV_DONTNEED);
		break;
	case ACTS:
		break;
	}
}

#define CHECK(cond) do {						\
	if (!(cond)) {							\
		bad = true;						\
		tap_note("line %d: not so: %s", __LINE__, #cond);	\
	}								\
} while (0)

/* The device looks again after the act, and then the process writes. */
static void coheres(unsigned int flags, enum act act)
{
	bool keep = flags & COWSCOPE_MIRROR_KEEP, get = flags & GET, bad = false;
	char *mem = fresh();
	int id = taken(mirror(fd, flags, mem, SIZE));
	struct cowscope_page p = page_at(mem);
	struct told t;
	struct gate go;
	pid_t child = 0;
	char first;

	gate_open(&go);
	CHECK(p.refcount == 1 + get && p.explained == p.refcount && p.holders == (keep ? 1 : 0));
	CHECK(coherent(id, 0) == COWSCOPE_YES);
	rings_seek_end(&rings);
	do_act(act, mem, &go, &child);
	t = told(id, mem);
	CHECK(t.events[acts[act].event] >= 1 && !t.wrong);
	CHECK(t.last[acts[act].event].end > (uintptr_t)mem);
	if (act == CLEAR_REFS)
		CHECK(!t.last[COWSCOPE_INVALIDATION_SOFT_DIRTY].start &&
		      t.last[COWSCOPE_INVALIDATION_SOFT_DIRTY].end == ~0ULL);
	CHECK(keep ? !t.last[acts[act].event].changed : true);
	CHECK(coherent(id, 0) == (keep ? act == DONTNEED ? COWSCOPE_NO : COWSCOPE_YES :
				  COWSCOPE_NA));
	if (!keep && act != DONTNEED)
		CHECK(refcount(mem) == (act == FORK ? 2 : 1));

	first = seen_by(fd, id, 0);
	CHECK(first == (act == DONTNEED && !keep ? 0 : 'A'));
	/* GUP marks the page accessed, and so may leave it in an LRU cache. */
	drain();
	rings_seek_end(&rings);
	poke(mem, 'B');
	t = told(id, mem);
	if (keep) {
		bool old = act == DONTNEED || act == FORK || (act == FORK_EXIT && !by_mapcount) ||
			   by_page_count;

		CHECK(seen_by(fd, id, 0) == (old ? 'A' : 'B'));
		CHECK(coherent(id, 0) == (old ? COWSCOPE_NO : COWSCOPE_YES));
		CHECK(t.lost == (old && act != DONTNEED));
		if (t.faults && act != DONTNEED)
			CHECK((t.verdict == COWSCOPE_VERDICT_PIN_LOST) == old);
	} else {
		CHECK(seen_by(fd, id, 0) == 'B' && coherent(id, 0) == COWSCOPE_YES);
		CHECK(!t.lost && !t.wrong);
		CHECK(!t.faults || (t.verdict != COWSCOPE_VERDICT_PIN_LOST &&
				    t.verdict != COWSCOPE_VERDICT_MAYBE_LOST));
		if (get && ((act == FORK_EXIT && !by_mapcount) || (by_page_count && act < FORK)))
			CHECK(t.verdict == COWSCOPE_VERDICT_SUPERFLUOUS &&
			      t.events[COWSCOPE_INVALIDATION_CLEAR] == 1);
		if (act == FORK)
			CHECK(t.verdict == COWSCOPE_VERDICT_NEEDED);
		if ((!get || by_mapcount) && act == FORK_EXIT)
			CHECK(t.verdict == COWSCOPE_VERDICT_FINE);
	}
	if (child) {
		gate_pass(&go);
		wait_status(child);
	}
	CHECK(!dev_unpin(fd, id));
	CHECK(refcount(mem + PAGE) == (act == DONTNEED ? COWSCOPE_COUNT_NA : 1));
	tap_ok(!bad, "mirror %s: %s, then a write", mode(flags), acts[act].name);
	munmap(mem, SIZE);
	close(go.fd[0]);
	close(go.fd[1]);
}

/* The device writes: the process sees it, and so does soft-dirty tracking. */
static void writes(unsigned int flags)
{
	bool keep = flags & COWSCOPE_MIRROR_KEEP, bad = false;
	char *mem = fresh();
	int id = taken(mirror(fd, flags | WRITE, mem, SIZE)), ro;
	pid_t child;
	struct gate go;

	gate_open(&go);
	CHECK(!dev_write(fd, id, 2 * PAGE - 2, "wxyz", 4) && !memcmp(mem + 2 * PAGE - 2, "wxyz", 4));
	if (!keep) {
		write_file("/proc/self/clear_refs", "4");
		CHECK(!(pagemap_one(mem) & PM_SOFT_DIRTY));
		CHECK(!dev_write(fd, id, 0, "D", 1) && mem[0] == 'D');
		CHECK(pagemap_one(mem) & PM_SOFT_DIRTY);
	}
	child = fork();
	if (!child) {
		gate_wait(&go);
		_exit(peek(mem) == (keep ? 'E' : 'D') ? 0 : 1);
	}
	/* It must not write to what the child sees; who keeps the page does. */
	CHECK(!dev_write(fd, id, 0, "E", 1) && mem[0] == 'E');
	gate_pass(&go);
	CHECK(wait_status(child) == 0);

	mprotect(mem, SIZE, PROT_READ);
	if (!keep)
		CHECK(dev_write(fd, id, 0, "F", 1) == -EFAULT && mem[0] == 'E');
	mprotect(mem, SIZE, PROT_READ | PROT_WRITE);
	ro = taken(mirror(fd, flags, mem, SIZE));
	CHECK(dev_write(fd, ro, 0, "F", 1) == -EPERM);
	dev_unpin(fd, ro);
	dev_unpin(fd, id);
	CHECK(refcount(mem) == 1 && refcount(mem + PAGE) == 1);
	tap_ok(!bad, "mirror %s: WRITE", mode(flags));
	munmap(mem, SIZE);
	close(go.fd[0]);
	close(go.fd[1]);
}

/* --- the memory goes ------------------------------------------------------- */

static void unmapped(unsigned int flags)
{
	bool keep = flags & COWSCOPE_MIRROR_KEEP, bad = false;
	char *mem = fresh(), *to = map_anon(PAGE), byte;
	int id = taken(mirror(fd, flags, mem, SIZE));
	struct told t;

	rings_seek_end(&rings);
	CHECK(mremap(mem, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	t = told(id, mem);
	CHECK(t.events[COWSCOPE_INVALIDATION_UNMAP] >= 1);
	CHECK(dev_read(fd, id, 0, &byte, 1) == (keep ? 0 : -EFAULT));
	CHECK(coherent(id, 0) == (keep ? COWSCOPE_NO : COWSCOPE_NA));
	CHECK(refcount(to) == 1 + keep);
	/* Something else there. */
	if (mmap(mem, PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != mem)
		tap_bail("mmap: %s", strerror(errno));
	mem[0] = 'N';
	CHECK(seen_by(fd, id, 0) == (keep ? 'A' : 'N'));

	rings_seek_end(&rings);
	munmap(mem, SIZE);
	t = told(id, mem);
	CHECK(t.events[COWSCOPE_INVALIDATION_UNMAP] >= 1);
	CHECK(dev_read(fd, id, PAGE, &byte, 1) == (keep ? 0 : -EFAULT));
	munmap(to, PAGE);
	CHECK(!dev_unpin(fd, id));
	tap_ok(!bad, "mirror %s: mremap and munmap", mode(flags));
}

enum end { CLOSE, EXIT, KILL, EXEC, ENDS };

static const char *const ends[] = { "close", "exit", "SIGKILL", "exec" };

/* The process ends; its file goes with it, or lives on here. */
static void process_ends(unsigned int flags, enum end end, bool file_stays)
{
	int file = file_stays ? dev_open() : -1, id = 0, pair[2];
	struct cowscope_pin_state s;
	bool bad = false;
	char byte = 0;
	pid_t pid;

	if (pipe(pair))
		tap_bail("pipe: %s", strerror(errno));
	rings_seek_end(&rings);
	pid = fork();
	if (!pid) {
		char *mem = fresh();

		if (!file_stays)
			file = dev_open();
		id = taken(mirror(file, flags | WRITE, mem, SIZE));
		taken(hold(file, mem, SIZE));
		memcpy(mem, "mine", 4);
		if (write(pair[1], &id, sizeof(id)) != sizeof(id))
			_exit(1);
		switch (end) {
		case CLOSE:
			close(file);
			_exit(0);
		case KILL:
			pause();
			_exit(1);
		case EXEC:
			execl("/bin/true", "true", NULL);
			_exit(1);
		default:
			_exit(0);
		}
	}
	if (read(pair[0], &id, sizeof(id)) != sizeof(id))
		tap_bail("no id");
	if (end == KILL) {
		if (file_stays)
			CHECK(!dev_read(file, id, 0, &byte, 1) && byte == 'm');
		kill(pid, SIGKILL);
	}
	CHECK(wait_status(pid) == (end == KILL ? 128 + SIGKILL : 0));
	if (file_stays) {
		struct told t = told(id, NULL);

		CHECK(t.events[COWSCOPE_INVALIDATION_RELEASE] == 1 && !t.wrong);
		CHECK(!t.last[COWSCOPE_INVALIDATION_RELEASE].held);
		CHECK(dev_read(file, id, 0, &byte, 1) == -ESRCH);
		CHECK(dev_write(file, id, 0, &byte, 1) == -ESRCH);
		CHECK(!dev_pin_state(file, id, 0, &s) && s.coherent == COWSCOPE_NA &&
		      s.held.pte == COWSCOPE_PTE_READ && !s.mapped.pte);
		if (end != KILL)
			CHECK(!dev_unpin(file, id));
		close(file);
	}
	CHECK(!pins_listed());
	tap_ok(!bad, "mirror %s: %s%s", mode(flags), ends[end],
	       file_stays ? ", the file lives on" : "");
	close(pair[0]);
	close(pair[1]);
}

/* Many kinds of memory, a page of each, and of the zero page. */
static void kinds(unsigned int flags)
{
	int file = memfd_create("mirror", MFD_CLOEXEC), i;
	char *mem[4];
	static const char *const names[] = { "memfd", "THP", "hugetlb", "zero" };

	mem[0] = map_file(file, SIZE, MAP_SHARED);
	mem[1] = map_thp();
	mem[2] = map_hugetlb();
	mem[3] = map_anon(SIZE);
	for (i = 0; i < 4; i++) {
		bool bad = false, old = flags & COWSCOPE_MIRROR_KEEP && i == 3;
		int id, before;

		if (!mem[i]) {
			tap_skip(names[i], "this guest has none free");
			continue;
		}
		peek(mem[i]);
		before = i == 3 ? 0 : refcount(mem[i]);
		id = taken(mirror(fd, flags, mem[i], SIZE));
		CHECK(seen_by(fd, id, PAGE) == mem[i][PAGE]);
		mem[i][PAGE] = 'P';
		CHECK(seen_by(fd, id, PAGE) == (old ? 0 : 'P'));
		CHECK(!dev_unpin(fd, id));
		CHECK(i == 3 || refcount(mem[i]) == before);
		tap_ok(!bad, "mirror %s: %s", mode(flags), names[i]);
		munmap(mem[i], i == 1 || i == 2 ? HUGE : SIZE);
	}
	close(file);
}

/* --- at the same time ------------------------------------------------------ */

#define THREADS	64
#define ROUNDS	40

static struct {
	char *mem;
	int id[3];
	int bad;
} busy;

static void *hammer(void *arg)
{
	unsigned int n = (uintptr_t)arg, round;
	char buf[PAGE];

	for (round = 0; round < ROUNDS; round++) {
		unsigned int page = (n + round) % PAGES;
		int id = busy.id[n % 3], err = 0;
		struct cowscope_pin_state s;

		switch (n % 8) {
		case 0:
		case 1:
		case 2:
			err = dev_read(fd, id, page * PAGE, buf, sizeof(buf));
			break;
		case 3:
			err = dev_pin_state(fd, id, page * PAGE, &s);
			break;
		case 4:
			mprotect(busy.mem, SIZE, PROT_READ);
			mprotect(busy.mem, SIZE, PROT_READ | PROT_WRITE);
			break;
		case 5:
			madvise(busy.mem + page * PAGE, PAGE, MADV_DONTNEED);
			break;
		case 6:
			err = mirror(fd, (round % 2 ? GET : NONE) | WRITE, busy.mem, SIZE);
			if (err > 0)
				err = dev_unpin(fd, err);
			break;
		case 7:
			err = dev_write(fd, id, page * PAGE, "W", 1);
			break;
		}
		/* Who faults to write may meet the mapping while it is read-only. */
		if (err && !(err == -EFAULT && (n % 8 == 6 || n % 3 != 2)))
			__atomic_fetch_add(&busy.bad, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void concurrent(void)
{
	static const unsigned int modes[] = { NONE, GET, KEEP };
	pthread_t thread[THREADS];
	uintptr_t i;

	busy.mem = fresh();
	for (i = 0; i < 3; i++)
		busy.id[i] = taken(mirror(fd, modes[i] | WRITE, busy.mem, SIZE));
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, hammer, (void *)i))
			tap_bail("no thread");
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	tap_eq(busy.bad, 0, "%d threads: no error but of memory that is read-only", THREADS);
	for (i = 0; i < 2; i++) {
		poke(busy.mem, 'a' + i);
		tap_eq(seen_by(fd, busy.id[i], 0), 'a' + i, "mirror %s: coherent after that",
		       mode(modes[i]));
	}
	for (i = 0; i < 3; i++)
		dev_unpin(fd, busy.id[i]);
	poke(busy.mem, 'x');
	tap_eq(refcount(busy.mem), 1, "and nobody refers to the page");
	tap_ok(!pins_listed() && !memlock(0), "nothing is listed or charged");
	munmap(busy.mem, SIZE);
}

/* A process that is killed while its threads hammer at a mirror that lives on. */
static void killed(void)
{
	int file = dev_open(), i, round;

	for (round = 0; round < 5; round++) {
		struct gate ready;
		pid_t pid;

		gate_open(&ready);
		pid = fork();
		if (!pid) {
			pthread_t thread;

			fd = file;
			busy.mem = fresh();
			for (i = 0; i < 3; i++)
				busy.id[i] = taken(mirror(fd, GET | WRITE, busy.mem, SIZE));
			gate_pass(&ready);
			for (i = 0; ; i++)
				if (pthread_create(&thread, NULL, hammer, (void *)(uintptr_t)i))
					sched_yield();
				else
					pthread_detach(thread);
		}
		gate_wait(&ready);
		sched_yield();
		kill(pid, SIGKILL);
		wait_status(pid);
		close(ready.fd[0]);
		close(ready.fd[1]);
	}
	close(file);
	tap_ok(!pins_listed(), "killed under load: all is returned");
}

int main(void)
{
	static const unsigned int modes[] = { NONE, GET, KEEP };
	unsigned int i, act, end;
	long long foll;

	tap_begin();
	fd = dev_open();
	rings_open(dev_open(), &rings);
	by_mapcount = rings.info.rule == COWSCOPE_RULE_MAPCOUNT;
	by_page_count = rings.info.rule == COWSCOPE_RULE_PAGE_COUNT;
	foll = foll_pins();
	speculative();
	speculative_huge();
	for (i = 0; i < 3; i++) {
		for (act = 0; act < ACTS; act++)
			coheres(modes[i], act);
		writes(modes[i]);
		unmapped(modes[i]);
		kinds(modes[i]);
		for (end = 0; end < ENDS; end++) {
			process_ends(modes[i], end, false);
			if (end != CLOSE)
				process_ends(modes[i], end, true);
		}
	}
	concurrent();
	killed();
	tap_eq(foll_pins(), foll, "no pin was taken");
	close(fd);
	return tap_end();
}
