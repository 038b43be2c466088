// SPDX-License-Identifier: GPL-2.0
/* oracle: pages that references and pins hold, with the numbers that follow. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "cross.h"
#include "tap.h"

#define PAGES	4096UL
#define SIZE	(PAGES * PAGE)
#define FORMS	10
#define PART	(PAGES / 16)
#define PIN	COWSCOPE_PIN_FOLL_PIN
#define WRITE	COWSCOPE_PIN_WRITE
#define LONG	COWSCOPE_PIN_LONGTERM
#define FAST	COWSCOPE_PIN_FAST

static const unsigned int forms[FORMS] = {
	0, WRITE, FAST, FAST | WRITE, PIN, PIN | WRITE, PIN | FAST, PIN | FAST | WRITE,
	PIN | LONG, PIN | LONG | WRITE
};

static int fd;

static void take(struct hold *h, unsigned int how, const char *mem, size_t pages)
{
	int err = cross_hold(h, fd, how, mem, pages);

	if (err)
		tap_bail("PIN %u of %zu pages: %s", how, pages, strerror(-err));
}

/* Each form on a part of its own, then some over it. */
static void small(void)
{
	struct known k = { .kind = COWSCOPE_KIND_ANON, .pages = 1, .mapcount = 1 };
	struct hold h[FORMS], over[3];
	char *mem = map_anon(SIZE);
	struct gate go;
	pid_t pid;
	int i;

	memset(mem, 'A', SIZE);
	forget_writes(0);
	for (i = 0; i < FORMS; i++)
		take(&h[i], forms[i], mem + i * PART * PAGE, PART);
	for (i = 0; i < FORMS; i++) {
		char what[64];

		snprintf(what, sizeof(what), "held by form 0x%x", forms[i]);
		k.refcount = 1 + (forms[i] & PIN ? 1024 : 1);
		cross_check(what, mem + i * PART * PAGE, PART, k);
	}
	k.refcount = 1;
	cross_check("not held", mem + FORMS * PART * PAGE, PAGES - FORMS * PART, k);

	take(&over[0], 0, mem, PAGES);
	take(&over[1], PIN, mem + PART / 2 * PAGE, PAGES - PART);
	take(&over[2], PIN | WRITE, mem + SIZE / 2, PAGES / 2);
	k.refcount = 0;
	cross_check("held by several", mem, PAGES, k);
	forget_writes(0);
	cross_check("held, after clear_refs", mem, PAGES, k);
	gate_open(&go);
	pid = fork();
	if (!pid) {
		gate_wait(&go);
		_exit(0);
	}
	k.mapcount = 0;
	cross_check("held, with a child", mem, PAGES, k);
	forget_writes(pid);
	cross_check_of("of the child", pid, mem, PAGES, k);
	memset(mem, 'B', SIZE / 2);
	cross_check("held, half written after fork", mem, PAGES, k);
	gate_pass(&go);
	wait_status(pid);
	for (i = 0; i < FORMS; i += 2)
		cross_release(&h[i], fd);
	cross_release(&over[1], fd);
	cross_check("some returned", mem, PAGES, k);
	madvise(mem, SIZE, MADV_PAGEOUT);
	cross_check("held, those that can be are swapped out", mem, PAGES, k);
	memset(mem, 'C', SIZE);
	cross_check("held, written again", mem, PAGES, k);
	for (i = 1; i < FORMS; i += 2)
		cross_release(&h[i], fd);
	cross_release(&over[0], fd);
	cross_release(&over[2], fd);
	cross_check("all returned", mem, PAGES, k);
	munmap(mem, SIZE);
}

static void large(const char *what, char *mem, struct known k, bool split)
{
	struct hold h[4];
	char name[64];
	struct gate go;
	pid_t pid;

	if (!mem)
		return tap_skip(what, "no huge page to be had");
	if (k.kind != COWSCOPE_KIND_HUGETLB)
		forget_writes(0);
	/* 512, 100, 1 and 2 references on each of four. */
	take(&h[0], PIN, mem, 512);
	take(&h[1], WRITE, mem + HUGE, 100);
	take(&h[2], PIN | FAST | WRITE, mem + 2 * HUGE + 5 * PAGE, 1);
	take(&h[3], FAST, mem + 3 * HUGE + 511 * PAGE, 1);
	snprintf(name, sizeof(name), "%s, held", what);
	cross_check(name, mem, 2048, k);
	k.refcount = 1 + 512;
	cross_check(name, mem, 512, k);
	k.refcount = 1 + 100;
	cross_check(name, mem + HUGE, 512, k);
	k.refcount = 1 + 1;
	cross_check(name, mem + 2 * HUGE, 1024, k);
	if (split) {
		mprotect(mem, PAGE, PROT_READ);
		mprotect(mem + 2 * HUGE, PAGE, PROT_READ);
		mprotect(mem + 3 * HUGE, PAGE, PROT_READ);
		k.level = COWSCOPE_LEVEL_PTE;
		k.refcount = 512 + 512;
		snprintf(name, sizeof(name), "%s, held, now by PTEs", what);
		cross_check(name, mem, 512, k);
		k.refcount = 512 + 1;
		cross_check(name, mem + 2 * HUGE, 1024, k);
	}
	gate_open(&go);
	pid = fork();
	if (!pid) {
		gate_wait(&go);
		_exit(0);
	}
	k = (struct known){ .kind = k.kind };
	snprintf(name, sizeof(name), "%s, held, with a child", what);
	cross_check(name, mem, 2048, k);
	if (k.kind != COWSCOPE_KIND_HUGETLB)
		forget_writes(pid);
	cross_check_of("of the child", pid, mem, 2048, k);
	gate_pass(&go);
	wait_status(pid);
	cross_release(&h[0], fd);
	cross_release(&h[1], fd);
	cross_release(&h[2], fd);
	cross_release(&h[3], fd);
	snprintf(name, sizeof(name), "%s, returned", what);
	cross_check(name, mem, 2048, k);
	munmap(mem, 4 * HUGE);
}

static void shared_memory(void)
{
	struct known k = { .kind = COWSCOPE_KIND_SHMEM, .pages = 1, .mapcount = 1 };
	struct hold read, write;
	char *mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	memset(mem, 'A', SIZE);
	forget_writes(0);
	take(&read, PIN, mem, PAGES / 2);
	take(&write, WRITE, mem + SIZE / 4, PAGES / 2);
	k.refcount = 2 + 1024;
	cross_check("shared memory, pinned", mem, PAGES / 4, k);
	k.refcount = 2 + 1024 + 1;
	cross_check("shared memory, pinned and referenced", mem + SIZE / 4, PAGES / 4, k);
	k.refcount = 2 + 1;
	cross_check("shared memory, referenced", mem + SIZE / 2, PAGES / 4, k);
	cross_release(&read, fd);
	cross_release(&write, fd);
	k.refcount = 2;
	cross_check("shared memory, returned", mem, PAGES, k);
	munmap(mem, SIZE);
}

void held(void)
{
	struct known k = { .kind = COWSCOPE_KIND_ANON, .level = COWSCOPE_LEVEL_PMD, .pages = 512,
			   .mapcount = 1 };

	fd = dev_open();
	small();
	shared_memory();
	large("THP", map_thps(4), k, true);
	k.kind = COWSCOPE_KIND_HUGETLB;
	k.level = COWSCOPE_LEVEL_HUGETLB;
	large("hugetlb", map_hugetlbs(4), k, false);
	close(fd);
}
