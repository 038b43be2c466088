// SPDX-License-Identifier: GPL-2.0
/*
 * What a write fault on a private page would decide, and what it meant. The
 * three rules are those of do_wp_page() and reuse_swap_page() in Linux 5.8,
 * of do_wp_page() in 5.10, and of do_wp_page() and wp_can_reuse_anon_folio()
 * in 6.1, 6.12 and 7.3; at the other levels those of do_huge_pmd_wp_page(),
 * hugetlb_cow() and hugetlb_wp() in the same kernels.
 */
#include "rules.h"

static bool is_anon(const struct cowscope_counts *c)
{
	u32 kinds = 1u << COWSCOPE_KIND_ANON | 1u << COWSCOPE_KIND_KSM;

	if (!(c->state & COWSCOPE_STATE_MAPPING))
		kinds |= 1u << COWSCOPE_KIND_HUGETLB;
	return kinds >> COWSCOPE_STATE_KIND(c->state) & 1;
}

/* Does one entry map the whole folio? */
static bool is_huge(const struct cowscope_counts *c)
{
	unsigned int level = COWSCOPE_STATE_LEVEL(c->state);

	return level == COWSCOPE_LEVEL_PMD || level == COWSCOPE_LEVEL_HUGETLB;
}

static bool is_ksm(const struct cowscope_counts *c)
{
	return COWSCOPE_STATE_KIND(c->state) == COWSCOPE_KIND_KSM;
}

static bool is_large(const struct cowscope_counts *c)
{
	return COWSCOPE_STATE_ORDER(c->state) > 0;
}

/*
 * A private page that is not anonymous, or is KSM's, is copied under every rule;
 * COWSCOPE_EITHER if its rule decides.
 */
static enum cowscope_decision by_kind(const struct cowscope_counts *c)
{
	if (COWSCOPE_STATE_KIND(c->state) == COWSCOPE_KIND_UNKNOWN)
		return COWSCOPE_DECISION_NONE;
	return is_anon(c) && !is_ksm(c) ? COWSCOPE_EITHER : COWSCOPE_COPY;
}

/* reuse_swap_page(): the swap slot's users count too, and cannot be read. */
static enum cowscope_decision by_mapcount(const struct cowscope_counts *c)
{
	/* Any mapping beyond one of all pages makes a page mapped twice. */
	s32 mapcount = is_huge(c) ? c->folio_mapcount : c->mapcount;

	if (mapcount == COWSCOPE_COUNT_NA)
		return COWSCOPE_DECISION_NONE;
	if (mapcount > 1)
		return COWSCOPE_COPY;
	/* A PTE-mapped THP goes by its most mapped page, which is not read. */
	if (is_large(c) && c->folio_mapcount != 1)
		return COWSCOPE_EITHER;
	return c->state & COWSCOPE_STATE_SWAPCACHE ? COWSCOPE_EITHER : COWSCOPE_REUSE;
}

static enum cowscope_decision by_page_count(const struct cowscope_counts *c)
{
	if (c->refcount != 1 || c->mapcount > 1)
		return COWSCOPE_COPY;
	/* do_wp_page() does not wait for the page's lock. */
	if (c->state & COWSCOPE_STATE_LOCKED && !is_huge(c))
		return COWSCOPE_COPY;
	return COWSCOPE_REUSE;
}

/* wp_can_reuse_anon_folio() for a small folio, and 6.1 for a large one. */
static enum cowscope_decision by_references(const struct cowscope_counts *c)
{
	bool in_swapcache = c->state & COWSCOPE_STATE_SWAPCACHE;
	bool on_lru = c->state & COWSCOPE_STATE_LRU;

	/* No LRU cache is drained for a huge mapping, and its lock is waited for. */
	if (is_huge(c)) {
		if (c->refcount > 1 + cowscope_cached(c->state))
			return COWSCOPE_COPY;
		return in_swapcache ? COWSCOPE_EITHER : COWSCOPE_REUSE;
	}
	if (c->refcount > 1 + in_swapcache + !on_lru)
		return COWSCOPE_COPY;
	/* lru_add_drain() reaches this CPU's caches only. */
	if (c->refcount > 1 + in_swapcache)
		return COWSCOPE_EITHER;
	if (c->state & COWSCOPE_STATE_LOCKED)
		return COWSCOPE_COPY;
	/* folio_free_swap() fails if the slot has other users. */
	return in_swapcache ? COWSCOPE_EITHER : COWSCOPE_REUSE;
}

/* __wp_can_reuse_large_anon_folio(): all references are this mm's mappings. */
static enum cowscope_decision by_mappings(const struct cowscope_counts *c)
{
	if (c->folio_mapcount == COWSCOPE_COUNT_NA)
		return COWSCOPE_DECISION_NONE;
	if (c->folio_mapcount <= 1 || c->state & COWSCOPE_STATE_MM_SHARED)
		return COWSCOPE_COPY;
	if (c->state & COWSCOPE_STATE_SWAPCACHE)
		return COWSCOPE_EITHER;
	return c->folio_mapcount == c->refcount ? COWSCOPE_REUSE : COWSCOPE_COPY;
}

static enum cowscope_decision by_exclusive(const struct cowscope_counts *c,
					   enum cowscope_large_rule large)
{
	switch (COWSCOPE_STATE_EXCLUSIVE(c->state)) {
	case COWSCOPE_NA:
		return COWSCOPE_DECISION_NONE;
	case COWSCOPE_YES:
		return COWSCOPE_REUSE;
	}
	if (is_huge(c))
		return by_references(c);
	if (is_large(c) && large == COWSCOPE_LARGE_NEVER)
		return COWSCOPE_COPY;
	if (is_large(c) && large == COWSCOPE_LARGE_MAPPINGS)
		return by_mappings(c);
	return by_references(c);
}

static enum cowscope_decision by_rule(const struct cowscope_counts *c,
				      enum cowscope_rule rule, enum cowscope_large_rule large)
{
	switch (rule) {
	case COWSCOPE_RULE_MAPCOUNT:
		return by_mapcount(c);
	case COWSCOPE_RULE_PAGE_COUNT:
		return by_page_count(c);
	case COWSCOPE_RULE_EXCLUSIVE:
		return by_exclusive(c, large);
	default:
		return COWSCOPE_DECISION_NONE;
	}
}

static enum cowscope_decision decide(const struct cowscope_counts *c,
				     enum cowscope_rule rule, enum cowscope_large_rule large)
{
	enum cowscope_decision d = by_kind(c);

	return d == COWSCOPE_EITHER ? by_rule(c, rule, large) : d;
}

enum cowscope_decision cowscope_predict(const struct cowscope_counts *c,
					const struct cowscope_rule_in_force *k)
{
	enum cowscope_decision d;

	switch (COWSCOPE_STATE_LEVEL(c->state)) {
	case COWSCOPE_LEVEL_PMD:
		if (COWSCOPE_STATE_KIND(c->state) == COWSCOPE_KIND_ZERO)
			return k->huge_zero;
		d = decide(c, k->pmd, k->large);
		return d == COWSCOPE_COPY ? COWSCOPE_SPLIT : d;
	case COWSCOPE_LEVEL_HUGETLB:
		if (c->state & COWSCOPE_STATE_SHARED_VMA)
			return COWSCOPE_REUSE;
		return decide(c, COWSCOPE_RULE_MAPCOUNT, k->large);
	}
	/* wp_page_shared() and wp_pfn_shared() may ask the filesystem. */
	if (c->state & COWSCOPE_STATE_SHARED_VMA)
		return COWSCOPE_EITHER;
	return decide(c, k->rule, k->large);
}

u8 cowscope_would_all(const struct cowscope_counts *c,
		      const struct cowscope_rule_in_force *k)
{
	enum cowscope_decision all_do = by_kind(c);
	unsigned int rule;
	u8 all = 0;

	if (c->state & (COWSCOPE_STATE_SHARED_VMA | COWSCOPE_STATE_SWAPIN))
		return 0;
	for (rule = 0; rule < COWSCOPE_RULES; rule++) {
		enum cowscope_decision d = all_do == COWSCOPE_EITHER ?
					   by_rule(c, rule, k->large) : all_do;

		if (d == COWSCOPE_COPY || d == COWSCOPE_REUSE)
			all |= d << 2 * rule;
	}
	return all;
}

s32 cowscope_explained(const struct cowscope_counts *c)
{
	switch (COWSCOPE_STATE_KIND(c->state)) {
	case COWSCOPE_KIND_ANON:
	case COWSCOPE_KIND_KSM:
	case COWSCOPE_KIND_FILE:
	case COWSCOPE_KIND_SHMEM:
	case COWSCOPE_KIND_HUGETLB:
		break;
	default:
		return COWSCOPE_COUNT_NA;
	}
	if (c->folio_mapcount == COWSCOPE_COUNT_NA)
		return COWSCOPE_COUNT_NA;

	/* A forged record may have any counts: they wrap. */
	return (u32)c->folio_mapcount + c->held_refs + cowscope_cached(c->state) +
	       (c->state & COWSCOPE_STATE_PRIVATE ? 1 : 0) + cowscope_lru_cached(c->state);
}

static enum cowscope_verdict judge_copy(const struct cowscope_counts *c)
{
	s32 explained = cowscope_explained(c);

	if (c->held_own)
		return COWSCOPE_VERDICT_PIN_LOST;
	if (COWSCOPE_STATE_EXCLUSIVE(c->state) == COWSCOPE_YES &&
	    COWSCOPE_STATE_PINNED(c->state) == COWSCOPE_YES)
		return COWSCOPE_VERDICT_PIN_LOST;

	switch (COWSCOPE_STATE_KIND(c->state)) {
	case COWSCOPE_KIND_ZERO:
	case COWSCOPE_KIND_PFN:
		return COWSCOPE_VERDICT_NEEDED;
	}
	if (explained == COWSCOPE_COUNT_NA)
		return COWSCOPE_VERDICT_UNKNOWN;
	if (c->refcount > explained)
		return COWSCOPE_VERDICT_MAYBE_LOST;
	if (!is_anon(c) || is_ksm(c) || c->held_other || c->mapcount > 1)
		return COWSCOPE_VERDICT_NEEDED;
	/* Others may have the page by its swap entry, which is not read. */
	if (c->mapcount != 1 || c->state & COWSCOPE_STATE_SWAPCACHE)
		return COWSCOPE_VERDICT_UNKNOWN;
	return COWSCOPE_VERDICT_SUPERFLUOUS;
}

enum cowscope_verdict cowscope_judge(const struct cowscope_counts *c,
				     enum cowscope_decision decision, bool copied)
{
	if (copied)
		return judge_copy(c);
	/* The zero page goes with a split: small ones take its place. */
	if (decision == COWSCOPE_SPLIT && c->held_own &&
	    COWSCOPE_STATE_KIND(c->state) == COWSCOPE_KIND_ZERO)
		return COWSCOPE_VERDICT_PIN_LOST;
	if (decision != COWSCOPE_REUSE)
		return COWSCOPE_VERDICT_NONE;
	if (COWSCOPE_STATE_KIND(c->state) == COWSCOPE_KIND_UNKNOWN &&
	    c->refcount == COWSCOPE_COUNT_NA)
		return COWSCOPE_VERDICT_UNKNOWN;
	/* Whoever holds a page of a shared mapping wants to see the write. */
	if (c->held_other && !(c->state & COWSCOPE_STATE_SHARED_VMA))
		return COWSCOPE_VERDICT_LEAK;
	return COWSCOPE_VERDICT_FINE;
}

enum cowscope_verdict cowscope_otherwise(const struct cowscope_counts *c,
					 enum cowscope_decision decision)
{
	if (c->state & COWSCOPE_STATE_SHARED_VMA)
		return COWSCOPE_VERDICT_NONE;
	switch (decision) {
	case COWSCOPE_COPY:
		return cowscope_judge(c, COWSCOPE_REUSE, false);
	case COWSCOPE_REUSE:
		return cowscope_judge(c, COWSCOPE_COPY, true);
	default:
		return COWSCOPE_VERDICT_NONE;
	}
}

enum cowscope_verdict cowscope_ruling(unsigned int would, enum cowscope_decision decision,
				      enum cowscope_verdict verdict,
				      enum cowscope_verdict otherwise)
{
	if (would != COWSCOPE_COPY && would != COWSCOPE_REUSE)
		return COWSCOPE_VERDICT_NONE;
	return would == decision ? verdict : otherwise;
}

enum cowscope_detection cowscope_detect(const struct cowscope_counts *c)
{
	bool pinned = COWSCOPE_STATE_PINNED(c->state) == COWSCOPE_YES;
	s32 explained = cowscope_explained(c);

	if (c->held_pins)
		return pinned ? COWSCOPE_TRUE_POSITIVE : COWSCOPE_FALSE_NEGATIVE;
	/* A large folio counts pins apart, so there are some; are all ours? */
	if (pinned && is_large(c))
		return c->folio_pins && c->pincount == (s32)c->folio_pins ?
		       COWSCOPE_FALSE_POSITIVE_FOLIO : COWSCOPE_UNVERIFIED_PINNED;
	if (explained == COWSCOPE_COUNT_NA)
		return COWSCOPE_DETECT_NONE;
	if (pinned)
		return c->refcount - explained < COWSCOPE_PIN_REFERENCES ?
		       COWSCOPE_FALSE_POSITIVE : COWSCOPE_UNVERIFIED_PINNED;
	if (c->held)
		return COWSCOPE_FALSE_NEGATIVE_GET;
	if (c->refcount > explained)
		return COWSCOPE_UNVERIFIED;
	return c->refcount > c->folio_mapcount ? COWSCOPE_TRUE_NEGATIVE : COWSCOPE_DETECT_NONE;
}

void cowscope_mean(struct cowscope_meaning *m, const struct cowscope_counts *c,
		   const struct cowscope_rule_in_force *k, enum cowscope_decision decision,
		   bool copied)
{
	unsigned int rule;

	m->predicted = cowscope_predict(c, k);
	m->verdict = cowscope_judge(c, decision, copied);
	m->otherwise = cowscope_otherwise(c, decision);
	m->rules = cowscope_would_all(c, k);
	m->detected = cowscope_detect(c);
	for (rule = 0; rule < COWSCOPE_RULES; rule++)
		m->ruled[rule] = cowscope_ruling(COWSCOPE_RULES_WOULD(m->rules, rule), decision,
						 m->verdict, m->otherwise);
}
