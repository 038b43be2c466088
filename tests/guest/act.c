// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/userfaultfd.h>

#include "act.h"
#include "sums.h"

#define THP_ENABLED	"/sys/kernel/mm/transparent_hugepage/enabled"

#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC	(1 << 15)
#endif
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM	(1 << 12)
#endif

struct act act;

static int fd;
static struct rings rings;
static struct sums first, last;
static uintptr_t from, to;
static long long splits;

int act_open(void)
{
	fd = dev_open();
	rings_open(fd, &rings);
	/* No huge pages in stacks, whose splits would be counted. */
	if (!write_file(THP_ENABLED, "madvise"))
		tap_bail(THP_ENABLED ": %s", strerror(errno));
	sums_begin(fd);
	mlockall(MCL_CURRENT);
	rings_seek_end(&rings);
	sums_read(fd, &rings, &first);
	return fd;
}

void act_close(void)
{
	sums_read(fd, &rings, &last);
	sums_check(fd, &first, &last, false);
	sums_end();
	write_file(THP_ENABLED, "always");
}

void act_begin(const void *mem, size_t length)
{
	from = (uintptr_t)mem;
	to = from + length;
	splits = vmstat("thp_split_pmd");
	rings_seek_end(&rings);
}

static int by_time(const void *a, const void *b)
{
	const struct cowscope_record *x = a, *y = b;

	return x->ts < y->ts ? -1 : x->ts > y->ts;
}

static void keep(struct cowscope_record *to_keep, int *n, const struct cowscope_record *r)
{
	if (*n == ACT_RECORDS)
		tap_bail("too many records");
	to_keep[(*n)++] = *r;
}

void act_end(void)
{
	struct cowscope_record r;

	act.faults = act.losses = 0;
	act.splits = vmstat("thp_split_pmd") - splits;
	while (rings_next(&rings, &r)) {
		if (r.addr < from || r.addr >= to)
			continue;
		if (r.type == COWSCOPE_EVENT_COW_FAULT)
			keep(act.fault, &act.faults, &r);
		else if (r.type == COWSCOPE_EVENT_PIN_LOST)
			keep(act.lost, &act.losses, &r);
	}
	qsort(act.fault, act.faults, sizeof(r), by_time);
}

static void describe(char *buf, size_t size)
{
	static const char *const levels[] = { "-", "pte", "pmd", "hugetlb" };
	static const char *const decisions[] = {
		"-", "copy", "reuse", "unshare", "uffd", "split", "raced", "retry", "failed",
		"either"
	};
	static const char *const verdicts[] = {
		"none", "leak", "pin_lost", "maybe_lost", "needed", "superfluous", "fine",
		"unknown"
	};
	static const char *const kinds[] = {
		"?", "anon", "ksm", "file", "shmem", "hugetlb", "zero", "pfn"
	};
	size_t n = 0;
	int i;

	*buf = '\0';
	for (i = 0; i < act.faults && n < size; i++) {
		const struct cowscope_record *r = &act.fault[i];

		n += snprintf(buf + n, size - n, "%s%s %s %s %s%s%s", i ? ", " : "",
			      levels[COWSCOPE_STATE_LEVEL(r->state)],
			      decisions[COWSCOPE_OUTCOME_DECISION(r->outcome)],
			      verdicts[r->verdict], kinds[COWSCOPE_STATE_KIND(r->state)],
			      r->state & COWSCOPE_STATE_REMOTE ? " remote" : "",
			      r->state & COWSCOPE_STATE_SWAPIN ? " swapin" : "");
	}
}

static void show(const struct cowscope_record *r)
{
	tap_note("addr=0x%llx before=0x%llx after=0x%llx refcount=%d mapcount=%d state=0x%x predicted=%d rules=0x%x holder=%u ret=0x%x",
		 (unsigned long long)r->addr, (unsigned long long)r->before,
		 (unsigned long long)r->after, r->refcount, r->mapcount, r->state,
		 COWSCOPE_OUTCOME_PREDICTED(r->outcome), r->rules, r->holder, r->ret);
}

bool act_is(const char *records, int hidden, const char *fmt, ...)
{
	char seen[1024], what[256];
	int i, seen_splits = hidden;
	va_list args;
	bool good;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	describe(seen, sizeof(seen));
	for (i = 0; i < act.faults; i++)
		seen_splits += COWSCOPE_OUTCOME_DECISION(act.fault[i].outcome) == COWSCOPE_SPLIT;
	good = tap_ok(!strcmp(seen, records) && seen_splits == act.splits, "%s: %s", what,
		      *records ? records : "no record");
	if (!good) {
		tap_note("seen: %s; the kernel has split %lld PMDs", seen, act.splits);
		for (i = 0; i < act.faults; i++)
			show(&act.fault[i]);
	}
	return good;
}

int act_pin(unsigned int flags, const char *at)
{
	int id = dev_pin(fd, flags, at, PAGE);

	if (id <= 0)
		tap_bail("PIN: %s", strerror(-id));
	return id;
}

char act_held(int id)
{
	char c;
	int err = dev_read(fd, id, 0, &c, 1);

	if (err)
		tap_bail("READ: %s", strerror(-err));
	return c;
}

void act_unpin(int id)
{
	int err = dev_unpin(fd, id);

	if (err)
		tap_bail("UNPIN: %s", strerror(-err));
}

void wrprotect(void)
{
	if (!write_file("/proc/self/clear_refs", "4"))
		tap_bail("clear_refs: %s", strerror(errno));
}

uint64_t pfn_of(const void *at)
{
	return PM_PFN(pagemap_one(at));
}

void write_remote(pid_t pid, char *at, char c)
{
	char path[64];
	int mem;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDWR | O_CLOEXEC);
	if (mem < 0 || pwrite(mem, &c, 1, (uintptr_t)at) != 1)
		tap_bail("%s: %s", path, strerror(errno));
	close(mem);
}

static int write_protect(int uf, void *mem, size_t length, bool on)
{
	struct uffdio_writeprotect wp = { .range = { (uintptr_t)mem, length },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0 };

	return ioctl(uf, UFFDIO_WRITEPROTECT, &wp) ? -errno : 0;
}

int uffd_protect(void *mem, size_t length, bool async)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)mem, length },
		.mode = UFFDIO_REGISTER_MODE_WP };
	int uf = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), err;

	if (async)
		api.features = UFFD_FEATURE_WP_ASYNC;
	if (kernel_has(5, 19))
		api.features |= UFFD_FEATURE_WP_HUGETLBFS_SHMEM;
	if (uf < 0)
		return -errno;
	if (ioctl(uf, UFFDIO_API, &api) || ioctl(uf, UFFDIO_REGISTER, &reg))
		err = -errno;
	else
		err = write_protect(uf, mem, length, true);
	if (err)
		close(uf);
	return err ? err : uf;
}

void uffd_wait(int uf)
{
	struct pollfd p = { .fd = uf, .events = POLLIN };
	struct uffd_msg msg;

	if (poll(&p, 1, 60000) != 1 || read(uf, &msg, sizeof(msg)) != sizeof(msg))
		tap_bail("nobody waits for the userfaultfd");
}

void uffd_release(int uf, void *mem, size_t length)
{
	int err = write_protect(uf, mem, length, false);

	if (err)
		tap_bail("UFFDIO_WRITEPROTECT: %s", strerror(-err));
}
