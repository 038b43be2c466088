/* SPDX-License-Identifier: GPL-2.0 */
/* One line a check, as KTAP has it; the exit status is kselftest's. */
#ifndef COWSCOPE_TEST_TAP_H
#define COWSCOPE_TEST_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TAP_PASS	0
#define TAP_FAIL	1
#define TAP_SKIP	4

#ifndef __printf
#define __printf(a, b)	__attribute__((format(printf, a, b)))
#endif

extern int tap_checks, tap_failed, tap_skipped;	/* in kit.c */

static inline void tap_begin(void)
{
	/* A crash must not swallow what was said, nor a child say it again. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("KTAP version 1");
}

/* Prints what was seen; follows the check that it explains. */
__printf(1, 2)
static inline void tap_note(const char *fmt, ...)
{
	va_list args;

	fputs("# ", stdout);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

__printf(2, 3)
static inline bool tap_ok(bool good, const char *fmt, ...)
{
	va_list args;

	printf("%s %d ", good ? "ok" : "not ok", ++tap_checks);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	tap_failed += !good;
	return good;
}

/* A check that cannot be made here, and why. */
__printf(2, 3)
static inline void tap_skip(const char *check, const char *fmt, ...)
{
	va_list args;

	printf("ok %d %s # SKIP ", ++tap_checks, check);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	tap_skipped++;
}

/* The test cannot go on. */
#define tap_bail(fmt, ...) do {						\
	printf("Bail out! %s:%d: " fmt "\n", __FILE__, __LINE__, ##__VA_ARGS__); \
	exit(TAP_FAIL);							\
} while (0)

#define tap_eq(got, want, fmt, ...) ({					\
	long long got_ = (got), want_ = (want);				\
									\
	if (!tap_ok(got_ == want_, fmt, ##__VA_ARGS__))			\
		tap_note("%s is %lld, not %lld", #got, got_, want_);	\
	got_ == want_;							\
})

/* For a test of several conditions: sets `bad` where one does not hold. */
#define CHECK(cond) do {						\
	if (!(cond)) {							\
		bad = true;						\
		tap_note("line %d: not so: %s", __LINE__, #cond);	\
	}								\
} while (0)

static inline int tap_end(void)
{
	printf("1..%d\n", tap_checks);
	if (tap_failed)
		return TAP_FAIL;
	return tap_checks == tap_skipped ? TAP_SKIP : TAP_PASS;
}

#endif
