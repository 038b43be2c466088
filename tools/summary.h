/* SPDX-License-Identifier: GPL-2.0 */
/* What a stream of records comes down to. */
#ifndef COWSCOPE_SUMMARY_H
#define COWSCOPE_SUMMARY_H

#include "names.h"
#include "pure.h"
#include "rulings.h"
#include <linux/cowscope.h>

/* More lost pages than this are counted, not kept. */
#define SUMMARY_PAGES	1024

/* Over all operations of one kind. */
struct summary_op {
	u64 times;
	u64 pages;
	u64 changed;
	u64 pinned;
	u64 held;
	u64 wrongly_left, wrongly_cleared;	/* clear_refs */
};

struct summary {
	u64 records;
	u64 first;		/* ts */
	u64 last;
	/* by event, level, decision and verdict; the last ones are out of range */
	u64 count[COWSCOPE_EVENTS + 1][4][16][COWSCOPE_VERDICTS + 1];
	struct rulings rulings;
	u64 predicted;		/* cow_faults with a definite prediction... */
	u64 mispredicted;	/* ... that did not come true */
	struct summary_op fork, clear_refs, uffd_wp, pagemap_scan;
	struct cowscope_record page[SUMMARY_PAGES];	/* whose holder lost it */
	u64 pages;
};

/* What else the report needs to know. */
struct summary_about {
	const char *release;
	unsigned int rule;	/* enum cowscope_rule */
	u64 lost;
	u64 missed;
	bool unknown_loss;	/* lost and missed are not known */
};

/**
 * summary_add - take a record into account
 * @s: the summary, all zero at first
 * @r: the record
 */
void summary_add(struct summary *s, const struct cowscope_record *r);

/**
 * summary_print - print the report
 * @s: the summary
 * @names: of threads
 * @about: how the records came about
 */
void summary_print(const struct summary *s, const struct names *names,
		   const struct summary_about *about);

#endif
