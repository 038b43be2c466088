// SPDX-License-Identifier: GPL-2.0
/* oracle: large folios, of each kind and mapped in each way. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "cross.h"
#include "tap.h"

#define THPS	8
#define PAGES	(THPS * 512UL)
#define SIZE	(PAGES * PAGE)
#define THP	"/sys/kernel/mm/transparent_hugepage/"

static pid_t waiter(struct gate *go)
{
	pid_t pid;

	gate_open(go);
	pid = fork();
	if (!pid) {
		gate_wait(go);
		_exit(0);
	}
	return pid;
}

static void ended(pid_t pid, struct gate *go)
{
	gate_pass(go);
	wait_status(pid);
}

static void by_pmd(char *mem, struct known k)
{
	struct gate go;
	pid_t pid;

	k.level = COWSCOPE_LEVEL_PMD;
	k.mapcount = k.refcount = 1;
	k.exclusive = COWSCOPE_YES;
	cross_check("THP by PMD", mem, PAGES, k);
	pid = waiter(&go);
	k.mapcount = k.refcount = 2;
	k.exclusive = k.write = COWSCOPE_NO;
	cross_check("THP by PMD, with a child", mem, PAGES, k);
	cross_check_of("of the child", pid, mem, PAGES, k);
	/* Here by PTEs, in the child by a PMD. */
	mprotect(mem + SIZE / 4, SIZE / 4 + HUGE / 2, PROT_READ);
	k = (struct known){ .kind = COWSCOPE_KIND_ANON, .pages = 512 };
	cross_check("THP by PMD there, partly by PTEs here", mem, PAGES, k);
	cross_check_of("of the child, by PMD", pid, mem, PAGES, k);
	ended(pid, &go);
	mprotect(mem, SIZE, PROT_READ | PROT_WRITE);
	memset(mem, 'B', SIZE);
}

static void by_ptes(char *mem)
{
	struct known k = { .kind = COWSCOPE_KIND_ANON, .pages = 512, .mapcount = 1,
			   .exclusive = COWSCOPE_YES };
	struct gate go;
	pid_t pid;
	int i;

	for (i = 0; i < THPS; i++)
		mprotect(mem + i * HUGE + (7 + i) * PAGE, PAGE, PROT_READ);
	k.level = COWSCOPE_LEVEL_PTE;
	k.refcount = 512;
	cross_check("THP by PTEs", mem, PAGES, k);
	pid = waiter(&go);
	k.refcount = 1024;
	k.mapcount = 2;
	k.exclusive = COWSCOPE_NO;
	cross_check("THP by PTEs, with a child", mem, PAGES, k);
	memset(mem, 'C', PAGE * 5);
	ended(pid, &go);
	for (i = 0; i < THPS; i++)
		munmap(mem + i * HUGE + 16 * PAGE, 32 * PAGE);
	k = (struct known){ .level = COWSCOPE_LEVEL_PTE };
	cross_check("THP by PTEs, with holes", mem, PAGES, k);
	for (i = 0; i < THPS; i++)
		madvise(mem + i * HUGE + 100 * PAGE, 50 * PAGE, MADV_DONTNEED);
	cross_check("THP by PTEs, more holes", mem, PAGES, k);
	madvise(mem, 2 * HUGE, MADV_PAGEOUT);
	cross_check("THP by PTEs, partly swapped out", mem, PAGES, k);
	memset(mem + HUGE + 200 * PAGE, 'D', 300 * PAGE);
	cross_check("THP by PTEs, partly written again", mem, PAGES, k);
}

static void thp(void)
{
	struct known k = { .kind = COWSCOPE_KIND_ANON, .pages = 512, .write = COWSCOPE_NO,
			   .shared = COWSCOPE_NO };
	char *mem = map_thps(THPS);

	if (!mem)
		return tap_skip("THP", "no huge pages to be had");
	forget_writes(0);
	by_pmd(mem, k);
	munmap(mem, SIZE);

	mem = map_thps(THPS);
	if (!mem)
		return tap_skip("THP by PTEs", "no huge pages to be had");
	forget_writes(0);
	by_ptes(mem);
	munmap(mem, SIZE);
}

/* Folios between a page and a PMD, where the kernel makes them. */
static void large(void)
{
	struct known k = { .kind = COWSCOPE_KIND_ANON, .level = COWSCOPE_LEVEL_PTE, .pages = 16,
			   .mapcount = 1, .exclusive = COWSCOPE_YES };
	struct gate go;
	char *mem;
	pid_t pid;

	if (!write_file(THP "hugepages-64kB/enabled", "madvise"))
		return tap_skip("folios of 64 kB", "not on this kernel");
	write_file(THP "hugepages-2048kB/enabled", "never");
	mem = map_anon(SIZE + HUGE);
	mem = (char *)(((uintptr_t)mem + HUGE - 1) & ~(HUGE - 1));
	madvise(mem, SIZE, MADV_HUGEPAGE);
	memset(mem, 'L', SIZE);
	forget_writes(0);
	cross_check("folios of 64 kB", mem, PAGES, k);
	pid = waiter(&go);
	k.mapcount = 2;
	k.exclusive = COWSCOPE_NO;
	cross_check("folios of 64 kB, with a child", mem, PAGES, k);
	memset(mem, 'M', SIZE / 2);
	k = (struct known){ 0 };
	cross_check("folios of 64 kB, half written", mem, PAGES, k);
	ended(pid, &go);
	munmap(mem + 3 * PAGE, SIZE / 3);
	cross_check("folios of 64 kB, partly unmapped", mem, PAGES, k);
	munmap(mem, SIZE);
	write_file(THP "hugepages-64kB/enabled", "never");
	write_file(THP "hugepages-2048kB/enabled", "inherit");
}

static void huge_zero(void)
{
	struct known k = { .kind = COWSCOPE_KIND_ZERO, .level = COWSCOPE_LEVEL_PMD };
	char *mem = map_anon(SIZE + HUGE);
	size_t i;

	mem = (char *)(((uintptr_t)mem + HUGE - 1) & ~(HUGE - 1));
	madvise(mem, SIZE, MADV_HUGEPAGE);
	for (i = 0; i < THPS; i++)
		peek(mem + i * HUGE);
	forget_writes(0);
	cross_check("huge zero page", mem, PAGES, k);
	poke(mem + HUGE, 'W');
	cross_check("huge zero page, one written", mem + 2 * HUGE, PAGES - 1024, k);
	cross_check("what was written", mem + HUGE, 512, (struct known){ 0 });
	munmap(mem, SIZE);
}

static void huge_shmem(void)
{
	struct known k = { .kind = COWSCOPE_KIND_SHMEM, .level = COWSCOPE_LEVEL_PMD, .pages = 512,
			   .mapcount = 1, .refcount = 513, .shared = COWSCOPE_YES };
	struct gate go;
	char *mem, *all;
	pid_t pid;

	if (!write_file(THP "shmem_enabled", "advise"))
		return tap_skip("huge shared memory", "not on this kernel");
	all = mmap(NULL, SIZE + HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mem = (char *)(((uintptr_t)all + HUGE - 1) & ~(HUGE - 1));
	madvise(all, SIZE + HUGE, MADV_HUGEPAGE);
	memset(mem, 'B', SIZE);
	forget_writes(0);
	/* Not aligned in the file: huge, but by PTEs. */
	if (mem != all) {
		k.level = COWSCOPE_LEVEL_PTE;
		k.refcount = 0;
		k.pages = 0;
	}
	cross_check("huge shared memory", mem, PAGES, k);
	pid = waiter(&go);
	peek(mem);
	cross_check("huge shared memory, with a child", mem, PAGES, (struct known){ 0 });
	cross_check_of("of the child", pid, mem, PAGES, (struct known){ 0 });
	mprotect(mem + 5 * PAGE, PAGE, PROT_NONE);
	cross_check("huge shared memory, a part PROT_NONE", mem, PAGES, (struct known){ 0 });
	ended(pid, &go);
	madvise(mem + 64 * PAGE, HUGE, MADV_DONTNEED);
	cross_check("huge shared memory, partly mapped", mem, PAGES, (struct known){ 0 });
	munmap(all, SIZE + HUGE);
	write_file(THP "shmem_enabled", "never");
}

static void hugetlb(void)
{
	struct known k = { .kind = COWSCOPE_KIND_HUGETLB, .level = COWSCOPE_LEVEL_HUGETLB,
			   .pages = 512, .mapcount = 1, .refcount = 1,
			   .exclusive = COWSCOPE_YES, .shared = COWSCOPE_NO };
	char *mem = map_hugetlbs(THPS);
	struct gate go;
	pid_t pid;
	int fd;

	if (!mem)
		return tap_skip("hugetlb", "no huge page to be had");
	cross_check("hugetlb", mem, PAGES, k);
	pid = waiter(&go);
	k.mapcount = k.refcount = 2;
	k.exclusive = COWSCOPE_NO;
	cross_check("hugetlb, with a child", mem, PAGES, k);
	cross_check_of("of the child", pid, mem, PAGES, k);
	memset(mem, 'W', SIZE / 2);
	k.mapcount = k.refcount = k.exclusive = 0;
	cross_check("hugetlb, half written", mem, PAGES, k);
	ended(pid, &go);
	mprotect(mem, SIZE / 2, PROT_NONE);
	k.mapcount = k.refcount = 1;
	cross_check("hugetlb, half PROT_NONE", mem, PAGES, k);
	munmap(mem, SIZE);

	fd = memfd_create("hugetlb", MFD_CLOEXEC | MFD_HUGETLB);
	if (fd < 0 || ftruncate(fd, SIZE))
		return tap_skip("hugetlb memfd", "%s", strerror(errno));
	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memset(mem, 'S', SIZE);
	k.refcount = 0;
	k.shared = COWSCOPE_YES;
	cross_check("hugetlb memfd", mem, PAGES, k);
	munmap(mem, SIZE);
	close(fd);
}

void huge(void)
{
	thp();
	large();
	huge_zero();
	huge_shmem();
	hugetlb();
}
