/* SPDX-License-Identifier: GPL-2.0 */
/* What the unit tests share. Include it before anything else. */
#ifndef COWSCOPE_UNIT_H
#define COWSCOPE_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
/* fail() is a function of the command's. */
#undef fail
#undef fail_msg
#define fail_msg(...) do {							\
	print_error("ERROR: " __VA_ARGS__);					\
	print_error("\n");							\
	_fail(__FILE__, __LINE__);						\
} while (0)

#include "pure.h"
#include <linux/cowscope.h>

/* A group of tests; run by main(). */
struct group {
	const char *name;
	const struct CMUnitTest *tests;
	size_t count;
};

extern const struct group format_group, rules_group, ring_group, reader_group, recording_group,
	output_group, summary_group, judge_group, match_group, experiment_group;

#define GROUP(what, table)							\
	const struct group what##_group = { #what, table, ARRAY_SIZE(table) }

#define PTE(pfn, flags)	((pfn) | COWSCOPE_PTE_READ | COWSCOPE_PTE_PRESENT | (flags))
#define KIND(what)	((u32)COWSCOPE_KIND_##what)
#define ORDER(n)	((u32)(n) << COWSCOPE_STATE_ORDER_SHIFT)
#define LEVEL(what)	((u32)COWSCOPE_LEVEL_##what << COWSCOPE_STATE_LEVEL_SHIFT)
#define EXCLUSIVE(what)	((u32)COWSCOPE_##what << COWSCOPE_STATE_EXCLUSIVE_SHIFT)
#define OTHERWISE(what)	((u32)COWSCOPE_VERDICT_##what << COWSCOPE_STATE_OTHERWISE_SHIFT)
#define PINNED(what)	((u32)COWSCOPE_##what << COWSCOPE_STATE_PINNED_SHIFT)

/**
 * lost_pin - the fault that cowscope exists to show, as 5.10 records it
 */
struct cowscope_record lost_pin(void);

/**
 * captured - what a function writes to standard output
 * @function: called with @ctx
 * @ctx: handed through
 *
 * Returns a string to be freed.
 */
char *captured(void (*function)(void *ctx), void *ctx);

#endif
