/* SPDX-License-Identifier: GPL-2.0 */
/* The three rules side by side: what the same faults would have come to. */
#ifndef COWSCOPE_RULINGS_H
#define COWSCOPE_RULINGS_H

#include "pure.h"
#include <linux/cowscope.h>

/* How often by rule and verdict; COWSCOPE_VERDICT_NONE: it cannot be said. */
struct rulings {
	u64 count[COWSCOPE_RULES][COWSCOPE_VERDICTS];
};

/**
 * rulings_add - take a record into account
 * @s: the sums, all zero at first
 * @r: the record; only a cow_fault that copied or reused a private page counts
 *
 * As the module's counters rule.* do.
 */
void rulings_add(struct rulings *s, const struct cowscope_record *r);

/**
 * rulings_print - print them, one rule a line
 * @s: the sums
 * @in_force: enum cowscope_rule of the kernel where they come from
 *
 * Nothing for people if there are none.
 */
void rulings_print(const struct rulings *s, unsigned int in_force);

#endif
