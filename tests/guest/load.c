// SPDX-License-Identifier: GPL-2.0
/*
 * Write faults, forks and write-protection without end, for whatever else is
 * tested meanwhile. Says what it did when it is ended by SIGTERM.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "kit.h"
#include "tap.h"

#define PAGES	48

static int stop;
static char *mem;

static void ended(int sig)
{
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
}

static void *racer(void *arg)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		poke(mem + i * PAGE, 'a' + (uintptr_t)arg);
	return NULL;
}

static void round_of(unsigned int n, int clear_refs)
{
	pthread_t thread;
	pid_t pid = fork();

	if (!pid) {
		racer((void *)1);
		_exit(mem[0] == 'b' ? 0 : 1);
	}
	pthread_create(&thread, NULL, racer, (void *)2);
	racer((void *)2);
	pthread_join(thread, NULL);
	mprotect(mem, PAGES * PAGE, PROT_READ);
	mprotect(mem, PAGES * PAGE, PROT_READ | PROT_WRITE);
	racer((void *)3);
	if (n % 4 == 0 && write(clear_refs, "4", 1) != 1)
		tap_bail("clear_refs");
	if (n % 16 == 0)
		madvise(mem, PAGES * PAGE, MADV_DONTNEED);
	racer((void *)4);
	if (wait_status(pid) || mem[0] != 'e' || mem[(PAGES - 1) * PAGE] != 'e')
		tap_bail("memory is not what was written");
}

int main(void)
{
	int clear_refs = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	unsigned int n;

	if (nice(19) < 0)
		tap_bail("nice");
	signal(SIGTERM, ended);
	mem = map_anon(PAGES * PAGE);
	for (n = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); n++)
		round_of(n, clear_refs);
	printf("# load: %u rounds\n", n);
	return 0;
}
