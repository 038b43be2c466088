// SPDX-License-Identifier: GPL-2.0
/* Kinds of memory, and what the kernel itself says of pages. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "kit.h"
#include "tap.h"

void pagemap(pid_t pid, const void *addr, size_t count, uint64_t *out)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid ? pid : getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, out, count * 8, (uintptr_t)addr / PAGE * 8) != (ssize_t)count * 8)
		tap_bail("%s: %s", path, strerror(errno));
	close(fd);
}

uint64_t pagemap_one(const void *addr)
{
	uint64_t entry;

	pagemap(0, addr, 1, &entry);
	return entry;
}

static uint64_t kpage(int *fd, const char *path, uint64_t pfn)
{
	uint64_t value;

	if (*fd < 0)
		*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd < 0 || pread(*fd, &value, 8, pfn * 8) != 8)
		tap_bail("%s of 0x%llx: %s", path, (unsigned long long)pfn, strerror(errno));
	return value;
}

uint64_t kpagecount(uint64_t pfn)
{
	static int fd = -1;

	return kpage(&fd, "/proc/kpagecount", pfn);
}

uint64_t kpageflags(uint64_t pfn)
{
	static int fd = -1;

	return kpage(&fd, "/proc/kpageflags", pfn);
}

void *map_anon(size_t length)
{
	void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		tap_bail("mmap of %zu bytes: %s", length, strerror(errno));
	madvise(p, length, MADV_NOHUGEPAGE);
	return p;
}

/* One huge page at @at, which is aligned; tries again where there was none. */
static bool fill_thp(int fd, char *at)
{
	struct cowscope_page page;
	int tries;

	for (tries = 0; tries < 5; tries++) {
		madvise(at, HUGE, MADV_HUGEPAGE);
		memset(at, 'A', HUGE);
		if (dev_pages(fd, 0, at, 1, &page))
			tap_bail("PAGE_STATE failed");
		if (page.pte & COWSCOPE_PTE_HUGE)
			return true;
		madvise(at, HUGE, MADV_DONTNEED);
		write_file("/proc/sys/vm/compact_memory", "1");
	}
	return false;
}

void *map_thps(size_t n)
{
	char *p = map_anon((n + 1) * HUGE);
	int fd = dev_open();
	size_t i;

	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	for (i = 0; i < n && fill_thp(fd, p + i * HUGE); i++)
		;
	close(fd);
	return i == n ? p : NULL;
}

void *map_thp(void)
{
	return map_thps(1);
}

void *map_hugetlbs(size_t n)
{
	char *p = mmap(NULL, n * HUGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	memset(p, 'A', n * HUGE);
	return p;
}

void *map_hugetlb(void)
{
	return map_hugetlbs(1);
}

/*
 * To move no page at all with move_pages(2) drains first. Compaction would, too, but
 * what that moves is in an LRU cache again.
 */
void drain(void)
{
	void *page = NULL;
	int node = 0, status;

	if (syscall(SYS_move_pages, 0, 0UL, &page, &node, &status, 0))
		tap_bail("move_pages: %s", strerror(errno));
}

bool kernel_has(int major, int minor)
{
	struct utsname u;
	int a, b;

	if (uname(&u) || sscanf(u.release, "%d.%d", &a, &b) != 2)
		tap_bail("no release");
	return a > major || (a == major && b >= minor);
}

bool kernel_configured(const char *option)
{
	static char text[512 * 1024];
	struct utsname u;
	char buf[256];

	uname(&u);
	snprintf(buf, sizeof(buf), "/boot/config-%s", u.release);
	if (!read_file(buf, text, sizeof(text)))
		tap_bail("%s: %s", buf, strerror(errno));
	snprintf(buf, sizeof(buf), "\nCONFIG_%s=y\n", option);
	return strstr(text, buf);
}

int test_file(void)
{
	const char *dir = getenv("TEST_DIR");
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s.XXXXXX", dir ? dir : "/tmp",
		 program_invocation_short_name);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		tap_bail("%s: %s", path, strerror(errno));
	unlink(path);
	return fd;
}

void *map_file(int fd, size_t length, int flags)
{
	static const char a[PAGE] = { [0 ... PAGE - 1] = 'A' };
	size_t at;
	void *p;

	for (at = 0; at < length; at += PAGE)
		if (pwrite(fd, a, PAGE, at) != (ssize_t)PAGE)
			tap_bail("write: %s", strerror(errno));
	fsync(fd);
	p = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (p == MAP_FAILED)
		tap_bail("mmap of a file: %s", strerror(errno));
	return p;
}

size_t present(const void *mem, size_t pages)
{
	uint64_t *entries = malloc(pages * sizeof(*entries));
	size_t i, n = 0;

	pagemap(0, mem, pages, entries);
	for (i = 0; i < pages; i++)
		n += !!(entries[i] & PM_PRESENT);
	free(entries);
	return n;
}

#define KSM	"/sys/kernel/mm/ksm/"

static long ksm_scans(void)
{
	char text[32] = "";

	read_file(KSM "full_scans", text, sizeof(text));
	return atol(text);
}

bool ksm_merge(void *mem, size_t length)
{
	long scans = ksm_scans();
	int tries;

	if (madvise(mem, length, MADV_MERGEABLE) || !write_file(KSM "pages_to_scan", "100000") ||
	    !write_file(KSM "sleep_millisecs", "10") || !write_file(KSM "run", "1"))
		return false;
	/* The first may be half done, the second sees what does not change. */
	for (tries = 0; tries < 6000 && ksm_scans() < scans + 4; tries++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	if (tries == 6000)
		tap_bail("KSM does not come to an end");
	return write_file(KSM "run", "0");
}
