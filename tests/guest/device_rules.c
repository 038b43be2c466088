// SPDX-License-Identifier: GPL-2.0
/* mmap, limits and privileges of the device. Also built for 32 bit. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/capability.h>

#include "kit.h"
#include "tap.h"

static int fd;
static struct cowscope_info info = { .size = sizeof(info) };

static int try_map(size_t length, int prot, int flags, off_t offset)
{
	char *p = mmap(NULL, length, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, length);
	return 0;
}

static void maps(void)
{
	size_t size = info.map_size;
	char *p, *q;

	tap_eq(try_map(size, PROT_READ, MAP_SHARED, 0), 0, "mmap: all");
	tap_eq(try_map(PAGE, PROT_READ, MAP_SHARED, 0), 0, "mmap: one page");
	tap_eq(try_map(size, PROT_READ | PROT_WRITE, MAP_SHARED, 0), -EPERM, "mmap: writable");
	tap_eq(try_map(size, PROT_WRITE, MAP_SHARED, 0), -EPERM, "mmap: writable only");
	tap_eq(try_map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0), -EPERM,
	       "mmap: private and writable");
	tap_eq(try_map(size + PAGE, PROT_READ, MAP_SHARED, 0), -EINVAL, "mmap: beyond map_size");
	tap_eq(try_map(size, PROT_READ, MAP_SHARED, PAGE), -EINVAL, "mmap: all, offset a page");
	tap_eq(try_map(PAGE, PROT_READ, MAP_SHARED, PAGE), -EINVAL, "mmap: one page, offset a page");

	p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	tap_ok(mprotect(p, size, PROT_READ | PROT_WRITE) && errno == EACCES,
	       "mmap: cannot be made writable");
	q = mremap(p, size, size + PAGE, MREMAP_MAYMOVE);
	tap_ok(q == MAP_FAILED, "mmap: does not grow");
	munmap(p, size);
	p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	tap_ok(p == MAP_FAILED || (mprotect(p, PAGE, PROT_READ | PROT_WRITE) && errno == EACCES),
	       "mmap: private cannot be made writable");
	if (p != MAP_FAILED)
		munmap(p, size);
}

static void mapping_outlives_file(void)
{
	const struct cowscope_ring *ring;
	int other = dev_open();
	char *p = mmap(NULL, info.map_size, PROT_READ, MAP_SHARED, other, 0);
	uint64_t head;

	close(other);
	ring = (void *)(p + info.rings_offset);
	head = ring->head;
	on_cpu(0);
	/* Whatever happens on CPU 0 from now on shows in the first ring. */
	dev(fd, COWSCOPE_MARK, &(struct cowscope_mark){ .size = sizeof(struct cowscope_mark),
		.text = "still mapped" });
	tap_ok(__atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) > head,
	       "mmap: outlives its descriptor");
	munmap(p, info.map_size);
}

/* State goes with the last descriptor and the last mapping. */
static void mapping_keeps_pins(void)
{
	char *mem = map_anon(PAGE), *map;
	int other = dev_open();

	*mem = 'A';
	map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, other, 0);
	tap_ok(dev_pin(other, 0, mem, PAGE) > 0, "a pin of a file that is mapped");
	close(other);
	tap_eq(pins_listed(), 1, "stays while the mapping does");
	munmap(map, PAGE);
	tap_eq(pins_listed(), 0, "and goes with it");
	munmap(mem, PAGE);
}

static void limits(void)
{
	char *mem = map_anon(PAGE);
	int other = dev_open(), id = 0, n, first = 0, wrong = 0;

	*mem = 'A';
	for (n = 0; n < 1024; n++) {
		int last = id;

		id = dev_pin(other, 0, mem, PAGE);
		if (id <= 0)
			break;
		if (!first)
			first = id;
		wrong += id <= last;
	}
	tap_eq(n, 1024, "1024 pins in one file");
	tap_eq(wrong, 0, "ids are never used again");
	tap_eq(dev_pin(other, 0, mem, PAGE), -ENOSPC, "the 1025th: ENOSPC");
	tap_eq(pins_listed(), 1024, "pins shows all of them");
	tap_eq(memlock(0), 4096, "and charges them");
	id = dev_pin(fd, 0, mem, PAGE);
	tap_ok(id > 0, "another file may have more");
	dev_unpin(fd, id);
	tap_eq(dev_unpin(other, first), 0, "one returned");
	id = dev_pin(other, 0, mem, PAGE);
	tap_ok(id > first, "and one taken");
	close(other);
	tap_eq(pins_listed(), 0, "all gone with the file");
	tap_eq(memlock(0), 0, "and uncharged");
	munmap(mem, PAGE);
}

/* All of this memory is the zero page. */
static void one_page_limit(void)
{
	size_t length = 4096 * PAGE;
	int other = dev_open(), id;
	struct cowscope_mirror mirror = { .size = sizeof(mirror), .flags = COWSCOPE_MIRROR_GET,
		.length = length + PAGE };
	char *mem = mmap(NULL, 2 * length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(mem, 2 * length, MADV_NOHUGEPAGE);
	tap_eq(dev_pin(other, 0, mem, length + PAGE), -ENOSPC, "one page 4097 times: ENOSPC");
	mirror.addr = (uintptr_t)mem;
	tap_eq(dev(other, COWSCOPE_MIRROR, &mirror), -ENOSPC, "by a mirror likewise");
	tap_eq(pins_listed(), 0, "and nothing is left of either");
	tap_eq(memlock(0), 0, "nor charged");
	id = dev_pin(other, 0, mem, length);
	tap_ok(id > 0, "4096 times");
	tap_eq(dev_pin(other, 0, mem + length, PAGE), -ENOSPC, "once more: ENOSPC");
	dev_unpin(other, id);
	tap_ok(dev_pin(other, 0, mem + length, PAGE) > 0, "not when these are returned");
	close(other);
	munmap(mem, 2 * length);
}

static void privileges(void)
{
	struct cowscope_page page;
	struct stat st;
	char *mem = map_anon(PAGE);
	pid_t pid, parent = getpid();

	*mem = 'A';
	stat("/dev/cowscope", &st);
	tap_ok((st.st_mode & 07777) == 0600 && st.st_uid == 0, "the device is root's alone");
	pid = fork();
	if (!pid) {
		drop(CAP_SYS_ADMIN);
		exit(open("/dev/cowscope", O_RDWR) < 0 && errno == EPERM ? 0 : 1);
	}
	tap_eq(wait_status(pid), 0, "open() without CAP_SYS_ADMIN");

	pid = fork();
	if (!pid) {
		drop(CAP_SYS_PTRACE);
		exit(dev_pages(fd, parent, mem, 1, &page) == -EPERM ? 0 : 1);
	}
	tap_eq(wait_status(pid), 0, "PAGE_STATE: another process without CAP_SYS_PTRACE");
	pid = fork();
	if (!pid) {
		drop(CAP_SYS_PTRACE);
		exit(dev_pages(fd, getpid(), mem, 1, &page) == 0 ? 0 : 1);
	}
	tap_eq(wait_status(pid), 0, "PAGE_STATE: oneself by pid without it");
	pid = fork();
	if (!pid)
		exit(dev_pages(fd, parent, mem, 1, &page) == 0 && page.refcount == 2 ? 0 : 1);
	tap_eq(wait_status(pid), 0, "PAGE_STATE: another process with it");
	munmap(mem, PAGE);
}

static int limited(void *mem, size_t limit, unsigned int flags)
{
	setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ limit, limit });
	drop(CAP_IPC_LOCK);
	if (dev_pin(fd, flags, mem, 5 * PAGE) != -ENOMEM)
		return 1;
	if (memlock(0))
		return 2;
	if (dev_pin(fd, flags, mem, 3 * PAGE) <= 0)
		return 3;
	if (memlock(0) != 12)
		return 4;
	if (dev_pin(fd, flags, mem, 2 * PAGE) != -ENOMEM)
		return 5;
	if (dev_pin(fd, flags, mem, PAGE) <= 0)
		return 6;
	return memlock(0) == 16 ? 0 : 7;
}

static void memlock_limit(void)
{
	char *mem = map_anon(8 * PAGE);
	unsigned int flags;
	pid_t pid;
	int id;

	memset(mem, 'A', 8 * PAGE);
	for (flags = 0; flags < 16; flags++) {
		if (flags & COWSCOPE_PIN_LONGTERM && !(flags & COWSCOPE_PIN_FOLL_PIN))
			continue;
		pid = fork();
		if (!pid)
			exit(limited(mem, 4 * PAGE + 17, flags));
		tap_eq(wait_status(pid), 0, "RLIMIT_MEMLOCK honoured, flags %u", flags);
		/* They belong to the open file, which is still there. */
		tap_eq(pins_listed(), 2, "its pins outlive it, flags %u", flags);
		close(fd);
		fd = dev_open();
		tap_eq(pins_listed(), 0, "and go with the file, flags %u", flags);
	}
	id = dev_pin(fd, 0, mem, 8 * PAGE);
	tap_ok(id > 0, "CAP_IPC_LOCK: beyond the limit");
	tap_eq(memlock(0), 32, "charged");
	dev_unpin(fd, id);
	tap_eq(memlock(0), 0, "uncharged");
	munmap(mem, 8 * PAGE);
}

static int polled(int file)
{
	struct pollfd p = { .fd = file, .events = POLLIN };

	return poll(&p, 1, 0) == 1 ? p.revents : 0;
}

static void polls(void)
{
	struct cowscope_mark mark = { .size = sizeof(mark), .text = "poll" };
	int one, two;

	/* Nothing but marks from here on, and no page of ours is write-protected. */
	dev_control(fd, COWSCOPE_CONTROL_DISABLE, 0);
	one = dev_open();
	two = dev_open();
	polled(one);
	polled(two);
	tap_eq(polled(one), 0, "poll: nothing new");
	dev(fd, COWSCOPE_MARK, &mark);
	tap_eq(polled(one), POLLIN, "poll: a record");
	tap_eq(polled(one), 0, "poll: told once");
	tap_eq(polled(two), POLLIN, "poll: each open file for itself");
	close(one);
	close(two);
	dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0);
}

int main(void)
{
	tap_begin();
	fd = dev_open();
	if (dev(fd, COWSCOPE_INFO, &info))
		tap_bail("INFO failed");
	maps();
	mapping_outlives_file();
	polls();
	privileges();
	memlock_limit();
	mapping_keeps_pins();
	limits();
	one_page_limit();
	close(fd);
	return tap_end();
}
