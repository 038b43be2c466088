// SPDX-License-Identifier: GPL-2.0
/*
 * Writes to memory that it shares with a child, so that each write copies a page,
 * and to more and more of it: it runs out of memory in a write fault.
 *
 *   hungry MEGABYTES   how much it is at most; then it ends
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <signal.h>

#include "kit.h"
#include "tap.h"

#define CHUNK	(1UL << 20)

int main(int argc, char **argv)
{
	unsigned long chunks = argc > 1 ? strtoul(argv[1], NULL, 10) : 0, i, page;
	pid_t pid;

	for (i = 0; i < chunks; i++) {
		char *mem = map_anon(CHUNK);

		madvise(mem, CHUNK, MADV_NOHUGEPAGE);
		memset(mem, 'A', CHUNK);
		if (i % 4)
			continue;
		pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pause();
			_exit(0);
		}
		if (pid < 0)
			return 1;
		for (page = 0; page < CHUNK; page += PAGE)
			poke(mem + page, 'B');
	}
	return 0;
}
