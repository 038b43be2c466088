// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rounds.h"

/* A counter that must grow by `per` each time. */
struct check {
	const char *file;
	const char *keys;	/* joined by +; empty: the file is one number */
	unsigned int per;
	bool others;		/* it may grow by more: others' doings count in it */
};

static struct check checks[4];
static unsigned int n_checks;
static u64 began[4];

/* Of one row: */
static u64 best;
static u64 done;		/* in all rounds, also those that do not count */
static unsigned int good;
unsigned int rounds;
static char wrong[160];		/* why the last round that does not count does not */

void fault_of(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(wrong, sizeof(wrong), format, args);
	va_end(args);
}

void fail(const char *what)
{
	perror(what);
	exit(1);
}

static bool is_key(const char *keys, const char *name)
{
	size_t n = strlen(name);
	const char *p;

	if (n && name[n - 1] == ':')
		n--;
	for (p = keys; p; p = strchr(p, '+') ? strchr(p, '+') + 1 : NULL)
		if (strcspn(p, "+") == n && !strncmp(p, name, n))
			return true;
	return false;
}

static u64 counter(const struct check *c)
{
	static char text[65536];
	char name[64], *line, *rest;
	int fd = open(c->file, O_RDONLY);
	size_t len = 0;
	ssize_t got;
	u64 value, sum = 0;

	if (fd < 0)
		fail(c->file);
	while ((got = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += got;
	close(fd);
	text[len] = 0;
	if (!*c->keys)
		return strtoull(text, NULL, 0);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (sscanf(line, "%63s %llu", name, &value) == 2 && is_key(c->keys, name))
			sum += value;
	return sum;
}

u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

void checks_begin(void)
{
	unsigned int i, twice;

	/* Whoever had to wait for us gets the processor now, not in the timed part. */
	usleep(50000);
	for (twice = 0; twice < 2; twice++)
		for (i = 0; i < n_checks; i++)
			began[i] = counter(&checks[i]);
	now();
}

bool checks_hold(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n_checks; i++) {
		u64 grew = counter(&checks[i]) - began[i];

		if (grew < (u64)n * checks[i].per ||
		    (!checks[i].others && grew > (u64)n * checks[i].per)) {
			fault_of("%s %s grew by %llu, not by %llu", checks[i].file, checks[i].keys,
				 grew, (u64)n * checks[i].per);
			return false;
		}
	}
	return true;
}

void round_end(u64 ns, unsigned int n, bool holds)
{
	u64 each = (ns + n / 2) / n;

	rounds++;
	done += n;
	if (holds) {
		if (!good++ || each < best)
			best = each;
	}
}

bool check_add(char *spec)
{
	char *keys = strchr(spec, ','), *per = strrchr(spec, ',');

	if (n_checks == sizeof(checks) / sizeof(*checks) || !keys || keys == per)
		return false;
	*keys = 0;
	*per = 0;
	checks[n_checks].file = spec;
	checks[n_checks].keys = keys + 1;
	checks[n_checks].per = strtoul(per + 1, &keys, 10);
	checks[n_checks++].others = *keys == '+';
	return true;
}

void checks_forget(void)
{
	n_checks = 0;
}

void rounds_begin(void)
{
	best = 0;
	done = 0;
	rounds = 0;
	good = 0;
	wrong[0] = 0;
}

void rounds_print(const char *row)
{
	if (2 * good < rounds || !good)
		printf("%s ! %s\n", row, wrong);
	else
		printf("%s %llu %llu\n", row, best, done);
	fflush(stdout);
}
