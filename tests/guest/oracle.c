// SPDX-License-Identifier: GPL-2.0
/* PAGE_STATE against the kernel's own view, over every kind of memory. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/userfaultfd.h>

#include "cross.h"
#include "tap.h"

#define PAGES	4096UL
#define SIZE	(PAGES * PAGE)
#define ANON	.kind = COWSCOPE_KIND_ANON, .level = COWSCOPE_LEVEL_PTE, .pages = 1
#define CHILDREN 4

static void read_all(const char *mem, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		peek(mem + i * PAGE);
}

static void protections(char *mem)
{
	struct known k = { ANON, .mapcount = 1, .refcount = 1 };

	k.exclusive = k.write = k.dirty = COWSCOPE_YES;
	k.protnone = k.shared = COWSCOPE_NO;
	cross_check("anon, written", mem, PAGES, k);
	forget_writes(0);
	k.write = COWSCOPE_NO;
	cross_check("anon, after clear_refs", mem, PAGES, k);
	write_file("/proc/self/clear_refs", "1");
	k.young = COWSCOPE_NO;
	cross_check("anon, not referenced", mem, PAGES, k);
	memset(mem, 'B', SIZE / 2);
	k.write = k.young = COWSCOPE_NA;
	cross_check("anon, half written again", mem, PAGES, k);
	mprotect(mem, SIZE, PROT_READ);
	k.write = COWSCOPE_NO;
	cross_check("anon, read-only", mem, PAGES, k);
	mprotect(mem, SIZE, PROT_NONE);
	k.protnone = COWSCOPE_YES;
	cross_check("anon, PROT_NONE", mem, PAGES, k);
	mprotect(mem, SIZE, PROT_READ | PROT_WRITE);
}

/* Each child writes to a part of its own, says so, and waits for its turn to exit. */
static void children(char *mem)
{
	struct known k = { ANON, .mapcount = CHILDREN + 1, .refcount = CHILDREN + 1,
			   .exclusive = COWSCOPE_NO, .write = COWSCOPE_NO };
	size_t part = PAGES / CHILDREN;
	struct gate ready, go[CHILDREN], exits[CHILDREN];
	pid_t pid[CHILDREN];
	int i;

	gate_open(&ready);
	for (i = 0; i < CHILDREN; i++) {
		gate_open(&go[i]);
		gate_open(&exits[i]);
		pid[i] = fork();
		if (pid[i])
			continue;
		gate_wait(&go[i]);
		memset(mem + i * part * PAGE, 'C', part * PAGE);
		gate_pass(&ready);
		gate_wait(&exits[i]);
		_exit(0);
	}
	cross_check("shared with four children", mem, PAGES, k);
	cross_check_of("of one of the children", pid[2], mem, PAGES, k);
	for (i = 0; i < CHILDREN; i++) {
		gate_pass(&go[i]);
		gate_wait(&ready);
	}
	k.mapcount = k.refcount = CHILDREN;
	cross_check("each child has written to a part", mem, PAGES, k);
	k.mapcount = k.refcount = k.exclusive = k.write = 0;
	forget_writes(pid[1]);
	cross_check_of("of a child that has written", pid[1], mem, PAGES, k);
	for (i = 0; i < CHILDREN / 2; i++) {
		gate_pass(&exits[i]);
		wait_status(pid[i]);
	}
	cross_check("two have exited", mem, PAGES, k);
	memset(mem, 'P', SIZE / 2);
	cross_check("the parent has written to a half", mem, PAGES, k);
	for (; i < CHILDREN; i++) {
		cross_check_of("of a child that remains", pid[i], mem, PAGES, k);
		gate_pass(&exits[i]);
		wait_status(pid[i]);
	}
	k.mapcount = k.refcount = 1;
	cross_check("all have exited", mem, PAGES, k);
}

static void moved(char *mem)
{
	struct known k = { ANON, .mapcount = 1, .refcount = 1 };
	char *to = map_anon(SIZE);

	if (mremap(mem, SIZE / 2, SIZE / 2, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		tap_bail("mremap: %s", strerror(errno));
	forget_writes(0);
	cross_check("where half of it was moved from", mem, PAGES, k);
	cross_check("where it was moved to", to, PAGES, k);
	munmap(mem + SIZE / 2, SIZE / 4);
	cross_check("partly unmapped", mem, PAGES, k);
	munmap(mem, SIZE);
	munmap(to, SIZE);
}

static void zero(void)
{
	char *mem = map_anon(SIZE);
	struct known k = { .kind = COWSCOPE_KIND_ZERO, .level = COWSCOPE_LEVEL_PTE };

	forget_writes(0);
	cross_check("not touched", mem, PAGES, k);
	read_all(mem, PAGES);
	cross_check("zero page", mem, PAGES, k);
	munmap(mem, SIZE);
}

static void ksm(void)
{
	char *mem = map_anon(SIZE), *twin;
	struct known k = { .kind = COWSCOPE_KIND_KSM, .level = COWSCOPE_LEVEL_PTE, .pages = 1,
			   .exclusive = COWSCOPE_NO, .write = COWSCOPE_NO };
	pid_t pid;
	struct gate go;

	for (twin = mem; twin < mem + SIZE; twin += PAGE)
		memset(twin, 'a' + (twin - mem) / PAGE % 16, PAGE);
	if (!ksm_merge(mem, SIZE)) {
		tap_skip("KSM", "this kernel has none");
	} else {
		forget_writes(0);
		cross_check("KSM", mem, PAGES, k);
		gate_open(&go);
		pid = fork();
		if (!pid) {
			gate_wait(&go);
			_exit(0);
		}
		cross_check("KSM, with a child", mem, PAGES, k);
		memset(mem, 'W', SIZE / 2);
		cross_check("KSM, half written", mem + SIZE / 2, PAGES / 2, k);
		k = (struct known){ ANON, .mapcount = 1, .refcount = 1, .exclusive = COWSCOPE_YES };
		cross_check("KSM, the half that was written", mem, PAGES / 2, k);
		gate_pass(&go);
		wait_status(pid);
		write_file("/sys/kernel/mm/ksm/run", "2");
	}
	munmap(mem, SIZE);
}

static void swapped(void)
{
	struct known k = { .kind = COWSCOPE_KIND_ANON };
	char *mem = map_anon(SIZE);
	struct gate go;
	pid_t pid;
	size_t in;

	memset(mem, 'S', SIZE);
	for (in = 0; in < PAGES; in++)
		poke(mem + in * PAGE, in);
	forget_writes(0);
	drain();
	if (madvise(mem, SIZE, MADV_PAGEOUT))
		tap_bail("MADV_PAGEOUT: %s", strerror(errno));
	in = present(mem, PAGES);
	tap_ok(in < PAGES / 4, "swapped out: %zu of %lu are left", in, PAGES);
	cross_check("swapped out", mem, PAGES, k);
	read_all(mem, PAGES / 2);
	cross_check("half swapped in", mem, PAGES, k);
	gate_open(&go);
	pid = fork();
	if (!pid) {
		gate_wait(&go);
		_exit(0);
	}
	cross_check("half swapped in, with a child", mem, PAGES, k);
	cross_check_of("of the child", pid, mem, PAGES, k);
	memset(mem + SIZE / 4, 'T', SIZE / 2);
	cross_check("swapped in to write, half of it", mem, PAGES, k);
	gate_pass(&go);
	wait_status(pid);
	memset(mem, 'T', SIZE);
	k = (struct known){ ANON, .mapcount = 1, .exclusive = COWSCOPE_YES, .write = COWSCOPE_YES };
	cross_check("all written", mem, PAGES, k);
	munmap(mem, SIZE);
}

static void uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	char *mem = map_anon(SIZE);
	struct uffdio_register reg = { .range = { (uintptr_t)mem, SIZE },
		.mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	struct known k = { ANON, .mapcount = 1, .refcount = 1, .exclusive = COWSCOPE_YES };
	int uf = syscall(SYS_userfaultfd, O_CLOEXEC);
	size_t i;

	memset(mem, 'U', SIZE);
	forget_writes(0);
	if (uf < 0 || ioctl(uf, UFFDIO_API, &api) || ioctl(uf, UFFDIO_REGISTER, &reg)) {
		tap_skip("uffd-wp", "%s", strerror(errno));
	} else {
		for (i = 0; i < PAGES; i += 1 + i % 7) {
			wp.range = (struct uffdio_range){ (uintptr_t)mem + i * PAGE, PAGE };
			if (ioctl(uf, UFFDIO_WRITEPROTECT, &wp))
				tap_bail("UFFDIO_WRITEPROTECT: %s", strerror(errno));
		}
		cross_check("partly uffd-wp", mem, PAGES, k);
		wp.range = (struct uffdio_range){ (uintptr_t)mem, SIZE };
		wp.mode = 0;
		ioctl(uf, UFFDIO_WRITEPROTECT, &wp);
		cross_check("no longer uffd-wp", mem, PAGES, k);
	}
	close(uf);
	munmap(mem, SIZE);
}

void anonymous(void)
{
	char *mem = map_anon(SIZE);

	memset(mem, 'A', SIZE);
	forget_writes(0);
	memset(mem, 'B', SIZE);
	protections(mem);
	memset(mem, 'C', SIZE);
	children(mem);
	moved(mem);
	zero();
	ksm();
	swapped();
	uffd();
}

void files(void)
{
	int file = test_file(), memfd = memfd_create("oracle", MFD_CLOEXEC);
	unsigned int kind = getenv("TEST_DIR") ? COWSCOPE_KIND_FILE : COWSCOPE_KIND_SHMEM;
	struct known k = { .kind = kind, .level = COWSCOPE_LEVEL_PTE, .mapcount = 1,
			   .pages = 1, .shared = COWSCOPE_NO, .write = COWSCOPE_NO };
	size_t pages = PAGES / 2;	/* that much fits the filesystem */
	char *mem = map_file(file, pages * PAGE, MAP_PRIVATE);

	read_all(mem, pages);
	forget_writes(0);
	cross_check("private file", mem, pages, k);
	memset(mem, 'B', pages * PAGE / 2);
	cross_check("private file, the other half written", mem + pages * PAGE / 2, pages / 2, k);
	cross_check("private file, half written", mem, pages / 2, (struct known){ ANON,
		    .mapcount = 1, .refcount = 1, .exclusive = COWSCOPE_YES,
		    .shared = COWSCOPE_NO });
	munmap(mem, pages * PAGE);

	mem = map_file(file, pages * PAGE, MAP_SHARED);
	memset(mem, 'B', pages * PAGE);
	forget_writes(0);
	k.shared = COWSCOPE_YES;
	cross_check("shared file", mem, pages, k);
	munmap(mem, pages * PAGE);
	close(file);

	mem = map_file(memfd, SIZE, MAP_SHARED);
	memset(mem, 'B', SIZE);
	forget_writes(0);
	k.kind = COWSCOPE_KIND_SHMEM;
	cross_check("memfd", mem, PAGES, k);
	drain();
	madvise(mem, SIZE / 2, MADV_PAGEOUT);
	cross_check("memfd, partly swapped out", mem, PAGES, k);
	munmap(mem, SIZE);
	close(memfd);

	mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(mem, 'B', SIZE);
	forget_writes(0);
	cross_check("shared memory", mem, PAGES, k);
	munmap(mem, SIZE);
}

int main(void)
{
	tap_begin();
	cross_begin();
	anonymous();
	files();
	huge();
	held();
	tap_note("%lu pages compared here", cross_compared());
	cross_end();
	return tap_end();
}
