// SPDX-License-Identifier: GPL-2.0
/*
 * Write-protect faults to be recorded: about COUNT of them, by two processes at a
 * time. Each forks a child that writes PAGES pages, which copies them, and writes
 * them itself when the child is gone, which reuses them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES		1024
#define PROCESSES	2

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static void write_all(char *p, size_t page, char value)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		__atomic_store_n(p + i * page, value, __ATOMIC_RELAXED);
}

static void wait_child(void)
{
	int status;

	if (wait(&status) < 0 || status)
		die("wait");
}

static void fault(long count)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || madvise(p, PAGES * page, MADV_NOHUGEPAGE))
		die("mmap");
	write_all(p, page, 'A');
	for (; count > 0; count -= 2 * PAGES) {
		pid_t child = fork();

		if (child < 0)
			die("fork");
		if (!child) {
			write_all(p, page, 'B');
			_exit(EXIT_SUCCESS);
		}
		wait_child();
		write_all(p, page, 'C');
	}
}

int main(int argc, char **argv)
{
	long count = argc == 2 ? atol(argv[1]) : 0;
	int i;

	if (count <= 0) {
		fprintf(stderr, "usage: %s COUNT\n", argv[0]);
		return 2;
	}
	for (i = 0; i < PROCESSES; i++) {
		pid_t child = fork();

		if (child < 0)
			die("fork");
		if (!child) {
			fault(count / PROCESSES);
			return EXIT_SUCCESS;
		}
	}
	for (i = 0; i < PROCESSES; i++)
		wait_child();
	return EXIT_SUCCESS;
}
