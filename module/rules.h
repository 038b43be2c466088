/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a write fault on a page would decide and what a decision means. Pure
 * functions of what was read: no locks, no kernel version, no kernel header.
 * Also compiled and unit-tested in user space.
 */
#ifndef COWSCOPE_RULES_H
#define COWSCOPE_RULES_H

#include "pure.h"
#include <linux/cowscope.h>

/* One folio and page, as read in one go. */
struct cowscope_counts {
	u32 state;		/* COWSCOPE_STATE_* */
	s32 refcount;		/* of the folio */
	s32 mapcount;		/* of the page, or COWSCOPE_COUNT_NA */
	s32 folio_mapcount;	/* of all its pages, or COWSCOPE_COUNT_NA */
	s32 pincount;		/* of a large folio, or COWSCOPE_COUNT_NA */
	s32 held_refs;		/* what cowscope's holders add to refcount */
	u32 held;		/* cowscope's holders of the page */
	u32 held_own;		/* those of them through the writer's mm */
	u32 held_other;		/* those of them through another mm */
	u32 holder;		/* id of one, the writer's own first, or 0 */
};

/* How the kernel at hand decides; filled by the module or by a test. */
struct cowscope_rule_in_force {
	enum cowscope_rule rule;
	enum cowscope_large_rule large;
};

/**
 * cowscope_explained - how many references of the folio are accounted for
 * @c: counts as read
 *
 * Mappings, swap cache, page cache, fs-private data, one for an LRU cache if
 * the folio is not on an LRU list, and cowscope's own. COWSCOPE_COUNT_NA if
 * the mappings of the folio are not known or the kind has no such count.
 */
s32 cowscope_explained(const struct cowscope_counts *c);

/**
 * cowscope_predict - what this kernel's do_wp_page() decides
 * @c: counts at entry, under the page-table lock
 * @k: how this kernel decides
 *
 * COWSCOPE_COPY, COWSCOPE_REUSE, COWSCOPE_EITHER where it hangs on what cannot
 * be read, or COWSCOPE_DECISION_NONE if a count it goes by is not known.
 */
enum cowscope_decision cowscope_predict(const struct cowscope_counts *c,
					const struct cowscope_rule_in_force *k);

/**
 * cowscope_would_all - what each rule decides for a private page
 * @c: counts at entry
 * @k: how this kernel decides
 *
 * As struct cowscope_record.rules has it: COWSCOPE_COPY or COWSCOPE_REUSE, or
 * 0 where it hangs on what is not known.
 */
u8 cowscope_would_all(const struct cowscope_counts *c,
		      const struct cowscope_rule_in_force *k);

/**
 * cowscope_judge - what a decision meant
 * @c: counts when it was made
 * @decision: what the kernel did
 * @copied: the PTE points to another page now
 */
enum cowscope_verdict cowscope_judge(const struct cowscope_counts *c,
				     enum cowscope_decision decision, bool copied);

#endif
