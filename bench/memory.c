// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"
#include "rounds.h"

char *map(size_t length, int advice)
{
	/* Room to align it to huge pages; nothing behind it becomes part of it. */
	char *p = mmap(NULL, length + 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	if (mprotect(p, length, PROT_READ | PROT_WRITE) || madvise(p, length, advice))
		fail("madvise");
	return p;
}

void write_all(char *p, size_t step, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		__atomic_store_n(p + i * step, 1, __ATOMIC_RELAXED);
}

void clear_refs(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/proc/self/clear_refs", O_WRONLY);
	if (write(fd, "4", 1) != 1)
		fail("/proc/self/clear_refs");
}
