// SPDX-License-Identifier: GPL-2.0
/*
 * What a write-protect fault that is reused costs: "4" into clear_refs takes
 * the write bit of PAGES pages, then each is written. Prints ns a fault, the
 * least of some rounds; with -icount a ns is an instruction.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGES	4096
#define ROUNDS	5

static unsigned long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void write_all(char *p, size_t page)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		__atomic_store_n(p + i * page, 1, __ATOMIC_RELAXED);
}

int main(void)
{
	size_t page = sysconf(_SC_PAGESIZE);
	unsigned long long best = -1, t;
	int fd = open("/proc/self/clear_refs", O_WRONLY), i;
	char *p = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || p == MAP_FAILED || madvise(p, PAGES * page, MADV_NOHUGEPAGE)) {
		perror("wpfault");
		return 1;
	}
	write_all(p, page);
	for (i = 0; i < ROUNDS; i++) {
		if (write(fd, "4", 1) != 1) {
			perror("/proc/self/clear_refs");
			return 1;
		}
		t = now();
		write_all(p, page);
		t = now() - t;
		if (t < best)
			best = t;
	}
	printf("%llu\n", (best + PAGES / 2) / PAGES);
	return 0;
}
