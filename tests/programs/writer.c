// SPDX-License-Identifier: GPL-2.0
/*
 * A process for others to look at: maps memory, writes to it when told to on its
 * input, and answers each line with one:
 *   write N   writes to its first N pages; "done"
 *   dirty     how many of its pages are soft-dirty, says its pagemap
 * Its first line is PID START END.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kit.h"
#include "tap.h"

#define PAGES	400UL

int main(void)
{
	char *start = map_anon(PAGES * PAGE), line[64], value = 'A';
	static uint64_t entry[PAGES];
	unsigned long n, i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	madvise(start, PAGES * PAGE, MADV_NOHUGEPAGE);
	memset(start, value, PAGES * PAGE);
	pagemap(getpid(), start, PAGES, entry);
	printf("%d 0x%lx 0x%lx\n", getpid(), (unsigned long)start,
	       (unsigned long)start + PAGES * PAGE);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "write %lu", &n) == 1 && n <= PAGES) {
			value++;
			for (i = 0; i < n; i++)
				poke(start + i * PAGE, value);
			puts("done");
		} else if (!strcmp(line, "dirty\n")) {
			pagemap(getpid(), start, PAGES, entry);
			for (n = i = 0; i < PAGES; i++)
				n += !!(entry[i] & PM_SOFT_DIRTY);
			printf("%lu\n", n);
		} else {
			puts("what?");
		}
	}
	return 0;
}
