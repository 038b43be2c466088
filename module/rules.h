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
	u32 folio_pins;		/* those of them that are pins */
	u32 held;		/* cowscope's holders of the page that a copy would
				 * leave behind
				 */
	u32 held_pins;		/* those of them that are pins */
	u32 held_own;		/* those of them through the writer's mm */
	u32 held_other;		/* those of them through another mm */
	u32 holder;		/* id of one, the writer's own first, or 0 */
};

/* What a pin adds to the references of a small page: GUP_PIN_COUNTING_BIAS. */
#define COWSCOPE_PIN_REFERENCES	1024

/*
 * What page_maybe_dma_pinned() said of a page, and what is known of it: the
 * first that holds. Known are cowscope's own holders, and that on a small page
 * fewer than COWSCOPE_PIN_REFERENCES unexplained references hide no pin.
 */
enum cowscope_detection {
	COWSCOPE_DETECT_NONE,		/* not pinned, mappings explain it all; or
					 * no counts to go by: the zero page, device
					 * memory, hugetlb that nobody pins
					 */
	COWSCOPE_TRUE_POSITIVE,		/* pinned, and it is, by cowscope */
	COWSCOPE_TRUE_NEGATIVE,		/* not pinned; caches, or holders of other
					 * pages of the folio, explain it all
					 */
	COWSCOPE_FALSE_POSITIVE,	/* pinned, yet so many mappings or plain
					 * references explain it; a small page
					 */
	COWSCOPE_FALSE_POSITIVE_FOLIO,	/* pinned, yet all pins are cowscope's, on
					 * other pages of the folio
					 */
	COWSCOPE_FALSE_NEGATIVE,	/* not pinned, yet it is, by cowscope */
	COWSCOPE_FALSE_NEGATIVE_GET,	/* not pinned; cowscope holds it by
					 * FOLL_GET, which the test cannot tell from
					 * a look-up
					 */
	COWSCOPE_UNVERIFIED_PINNED,	/* pinned, by somebody else perhaps */
	COWSCOPE_UNVERIFIED,		/* not pinned; somebody unknown refers to it */
	COWSCOPE_DETECTIONS
};

/* How the kernel at hand decides; filled by the module or by a test. */
struct cowscope_rule_in_force {
	enum cowscope_rule rule;		/* of do_wp_page() */
	enum cowscope_large_rule large;
	enum cowscope_rule pmd;			/* of do_huge_pmd_wp_page() */
	enum cowscope_decision huge_zero;	/* ... on the huge zero page */
};

/* References that the swap cache and the page cache hold on the folio. */
static inline s32 cowscope_cached(u32 state)
{
	u32 nr = 1U << COWSCOPE_STATE_ORDER(state);

	return (state & COWSCOPE_STATE_SWAPCACHE ? nr : 0) +
	       (state & COWSCOPE_STATE_MAPPING ?
		(state & COWSCOPE_STATE_CACHED_ONCE ? 1 : nr) : 0);
}

/* ... and an LRU cache may hold: hugetlb folios never get onto an LRU list. */
static inline s32 cowscope_lru_cached(u32 state)
{
	return !(state & COWSCOPE_STATE_LRU) &&
	       COWSCOPE_STATE_KIND(state) != COWSCOPE_KIND_HUGETLB;
}

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
 * cowscope_predict - what this kernel decides
 * @c: counts at entry, with the level at which the fault is decided
 * @k: how this kernel decides
 *
 * By the rule that is in force at that level: do_wp_page()'s is @k->rule,
 * do_huge_pmd_wp_page()'s @k->pmd (5.10 goes by mapcount there), hugetlb's is
 * mapcount on every kernel. COWSCOPE_COPY, COWSCOPE_REUSE, at level pmd
 * COWSCOPE_SPLIT instead of a copy, COWSCOPE_EITHER where it hangs on what
 * cannot be read, or COWSCOPE_DECISION_NONE if a count it goes by is not known.
 */
enum cowscope_decision cowscope_predict(const struct cowscope_counts *c,
					const struct cowscope_rule_in_force *k);

/**
 * cowscope_would_all - what each rule decides for a private page
 * @c: counts at entry
 * @k: how this kernel decides
 *
 * A rule is its criterion, applied to the page at hand: nobody else maps it;
 * nobody else refers to it; it is exclusive or nobody else refers to it. That
 * is so at each level, and not what the kernels named after a rule did there:
 * those of the page_count rule went by mapcount for a PMD, and every kernel
 * does for hugetlb. So the columns can be compared, and show what each
 * criterion would be worth where it is not used; what is in force is predicted.
 *
 * As struct cowscope_record.rules has it: COWSCOPE_COPY or COWSCOPE_REUSE, or
 * 0 where it hangs on what is not known. What is not reused at level pmd is
 * split, and then copied page by page: COWSCOPE_COPY.
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

/**
 * cowscope_otherwise - the verdict on the decision that was not made
 * @c: counts when the other one was
 * @decision: what the kernel did
 *
 * As COWSCOPE_STATE_OTHERWISE has it; COWSCOPE_VERDICT_NONE where neither a
 * copy nor a reuse was made, or none of the rules applies.
 */
enum cowscope_verdict cowscope_otherwise(const struct cowscope_counts *c,
					 enum cowscope_decision decision);

/**
 * cowscope_ruling - what a fault would have meant under a rule
 * @would: COWSCOPE_COPY, COWSCOPE_REUSE, or 0 if the rule's decision is not known
 * @decision: what the kernel did, a copy or a reuse
 * @verdict: on that
 * @otherwise: on the other
 *
 * COWSCOPE_VERDICT_NONE if @would is 0.
 */
enum cowscope_verdict cowscope_ruling(unsigned int would, enum cowscope_decision decision,
				      enum cowscope_verdict verdict,
				      enum cowscope_verdict otherwise);

/**
 * cowscope_detect - was the kernel's test for pins right about a page?
 * @c: counts with cowscope's holders
 */
enum cowscope_detection cowscope_detect(const struct cowscope_counts *c);

/* All that is said of a write fault, as enum values of a byte. */
struct cowscope_meaning {
	u8 predicted;			/* enum cowscope_decision, by the rule in force */
	u8 verdict;			/* enum cowscope_verdict */
	u8 otherwise;			/* likewise, on the decision not made */
	u8 rules;			/* cowscope_would_all() */
	u8 detected;			/* enum cowscope_detection */
	u8 ruled[COWSCOPE_RULES];	/* cowscope_ruling() of each */
};

/**
 * cowscope_mean - the functions above, of one fault
 * @m: filled
 * @c: counts when it was decided
 * @k: how this kernel decides
 * @decision: what it did
 * @copied: the entry points to another page now
 */
void cowscope_mean(struct cowscope_meaning *m, const struct cowscope_counts *c,
		   const struct cowscope_rule_in_force *k, enum cowscope_decision decision,
		   bool copied);

#endif
