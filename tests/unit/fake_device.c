// SPDX-License-Identifier: GPL-2.0
/*
 * A /dev/cowscope of memory, for trying the command where there is no module:
 * linked with --wrap=open,--wrap=ioctl. It knows INFO, MARK and PAGE_STATE, has
 * one ring, sees no fault, and takes every PTE to be writable.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/cowscope.h>

#define TASKS		1024
#define RECORDS		4096
#define PAGE		4096
#define RINGS_OFFSET	(TASKS * sizeof(struct cowscope_task))
#define MAP_SIZE	(RINGS_OFFSET + PAGE + RECORDS * sizeof(struct cowscope_record))

static int memory = -1;
static char *map;

int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	int mode;

	va_start(args, flags);
	mode = va_arg(args, int);
	va_end(args);
	if (strcmp(path, "/dev/cowscope"))
		return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (memory < 0) {
		memory = memfd_create("fake", MFD_CLOEXEC);
		if (ftruncate(memory, MAP_SIZE))
			abort();
		map = mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	}
	return dup(memory);
}

static int info(struct cowscope_info *arg)
{
	const char *rule = getenv("FAKE_RULE");

	*arg = (struct cowscope_info){
		.size = sizeof(*arg), .cpus = 1, .ring_records = RECORDS, .tasks = TASKS,
		.map_size = MAP_SIZE, .rings_offset = RINGS_OFFSET,
		.ring_stride = MAP_SIZE - RINGS_OFFSET, .ring_data_offset = PAGE,
		.rule = rule ? atoi(rule) : COWSCOPE_RULE_EXCLUSIVE, .rule_found = 1,
		.enabled = 1,
	};
	return 0;
}

static int mark(const struct cowscope_mark *arg)
{
	struct cowscope_ring *ring = (void *)(map + RINGS_OFFSET);
	struct cowscope_record *record = (void *)(map + RINGS_OFFSET + PAGE);
	struct cowscope_task *task = (struct cowscope_task *)map + (getpid() & (TASKS - 1));
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	record += ring->head & (RECORDS - 1);
	*record = (struct cowscope_record){
		.ts = now.tv_sec * 1000000000ULL + now.tv_nsec, .pid = getpid(),
		.type = COWSCOPE_EVENT_MARK,
	};
	memcpy(record->text, arg->text, sizeof(record->text));
	*task = (struct cowscope_task){ .pid = getpid(), .tgid = getpid(), .comm = "fake" };
	__atomic_store_n(&ring->head, ring->head + 1, __ATOMIC_RELEASE);
	return 0;
}

static int page_state(const struct cowscope_page_state *arg)
{
	struct cowscope_page *page = (void *)(uintptr_t)arg->pages;
	int fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY);
	__u64 entry = 0;

	if (pread(fd, &entry, sizeof(entry), arg->addr / PAGE * sizeof(entry)) < 0)
		entry = 0;
	close(fd);
	*page = (struct cowscope_page){
		.addr = arg->addr, .pte = COWSCOPE_PTE_READ, .refcount = 1, .mapcount = 1,
	};
	if (entry >> 63)
		page->pte |= COWSCOPE_PTE_PRESENT | COWSCOPE_PTE_WRITE |
			     (entry & ((1ULL << 40) - 1));
	return 0;
}

int __wrap_ioctl(int fd, unsigned long command, ...)
{
	va_list args;
	void *arg;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	switch (command) {
	case COWSCOPE_INFO:
		return info(arg);
	case COWSCOPE_MARK:
		return mark(arg);
	case COWSCOPE_PAGE_STATE:
		return page_state(arg);
	}
	if (_IOC_TYPE(command) != COWSCOPE_IOC)
		return syscall(SYS_ioctl, fd, command, arg);
	errno = ENOTTY;
	return -1;
}
