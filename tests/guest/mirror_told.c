// SPDX-License-Identifier: GPL-2.0
/*
 * What a mirror is told of, whether it coheres after that, and what it writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/userfaultfd.h>

#include "mirror.h"
#include "tap.h"

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

void told_of_acts(unsigned int flags)
{
	unsigned int act;

	for (act = 0; act < ACTS; act++)
		coheres(flags, act);
	writes(flags);
}
