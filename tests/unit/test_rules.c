// SPDX-License-Identifier: GPL-2.0
/*
 * What each kernel does with a page at each level, and what that means. The
 * expectations were written down from the kernels' sources and from the table
 * of verdicts, not from rules.c.
 */
#include "unit.h"

#include "rules.h"

#define NA	COWSCOPE_COUNT_NA
#define LRU	COWSCOPE_STATE_LRU
#define SWAP	COWSCOPE_STATE_SWAPCACHE
#define ANON	KIND(ANON)
#define PAE	EXCLUSIVE(YES)
#define NOT_PAE	EXCLUSIVE(NO)
#define THP	ORDER(9)
#define PMD	(LEVEL(PMD) | THP)
#define HUGETLB	(LEVEL(HUGETLB) | KIND(HUGETLB) | THP)
#define CACHED	COWSCOPE_STATE_MAPPING
#define ONCE	COWSCOPE_STATE_CACHED_ONCE

#define KERNEL(rule, large, pmd, zero) \
	{ COWSCOPE_RULE_##rule, COWSCOPE_LARGE_##large, COWSCOPE_RULE_##pmd, COWSCOPE_##zero }

static const struct cowscope_rule_in_force kernels[] = {
	KERNEL(PAGE_COUNT, AS_SMALL, MAPCOUNT, SPLIT),		/* 5.10 */
	KERNEL(EXCLUSIVE, AS_SMALL, EXCLUSIVE, SPLIT),		/* 6.1 */
	KERNEL(EXCLUSIVE, NEVER, EXCLUSIVE, SPLIT),		/* 6.12 */
	KERNEL(EXCLUSIVE, MAPPINGS, EXCLUSIVE, EITHER),		/* 7.3 */
};

enum { K5_10, K6_1, K6_12, K7_3 };

/* A page's counts; of a small folio the mappings are those of the page. */
static struct cowscope_counts counts(u32 state, s32 refcount, s32 mapcount, s32 folio_mapcount)
{
	return (struct cowscope_counts){
		.state = state,
		.refcount = refcount,
		.mapcount = mapcount,
		.folio_mapcount = COWSCOPE_STATE_ORDER(state) ? folio_mapcount : mapcount,
		.pincount = NA,
	};
}

#define C	COWSCOPE_COPY
#define R	COWSCOPE_REUSE
#define E	COWSCOPE_EITHER
#define N	COWSCOPE_DECISION_NONE
#define S	COWSCOPE_SPLIT

struct prediction {
	const char *what;
	u32 state;		/* but for exclusive, which 5.10 has not */
	s32 refcount, mapcount, folio_mapcount;
	enum cowscope_decision decision[ARRAY_SIZE(kernels)];
};

/* Of pages that are not exclusive. */
static const struct prediction predictions[] = {
	/*						 5.10 6.1 6.12 7.3 */
	{ "nobody else",		ANON | LRU, 1, 1, 0,		{ R, R, R, R } },
	{ "another mapping",		ANON | LRU, 2, 2, 0,		{ C, C, C, C } },
	{ "a reference",		ANON | LRU, 2, 1, 0,		{ C, C, C, C } },
	{ "references and mappings",	ANON | LRU, 9, 4, 0,		{ C, C, C, C } },
	{ "isolated, nobody else",	ANON, 1, 1, 0,			{ R, R, R, R } },
	/* 5.19 on drains this CPU's LRU caches if that could help */
	{ "in an LRU cache, perhaps",	ANON, 2, 1, 0,			{ C, E, E, E } },
	{ "one more than that",		ANON, 3, 1, 0,			{ C, C, C, C } },
	{ "many, not on the LRU",	ANON, 4, 1, 0,			{ C, C, C, C } },
	/* ... and frees the swap slot if that could help */
	{ "in the swap cache",		ANON | LRU | SWAP, 2, 1, 0,	{ C, E, E, E } },
	{ "in swap and LRU caches",	ANON | SWAP, 3, 1, 0,		{ C, E, E, E } },
	{ "swap cache and a reference",	ANON | LRU | SWAP, 3, 1, 0,	{ C, C, C, C } },
	{ "the same, not on the LRU",	ANON | SWAP, 4, 1, 0,		{ C, C, C, C } },
	{ "locked by somebody",		ANON | LRU | COWSCOPE_STATE_LOCKED, 1, 1, 0,
									{ C, C, C, C } },
	{ "KSM",			KIND(KSM) | LRU, 5, 5, 0,	{ C, C, C, C } },
	{ "KSM, only here",		KIND(KSM) | LRU, 1, 1, 0,	{ C, C, C, C } },
	{ "private file page",		KIND(FILE) | LRU | COWSCOPE_STATE_MAPPING, 2, 1, 0,
									{ C, C, C, C } },
	{ "private tmpfs page",		KIND(SHMEM) | LRU | COWSCOPE_STATE_MAPPING, 2, 1, 0,
									{ C, C, C, C } },
	{ "zero page",			KIND(ZERO), 5000, NA, NA,	{ C, C, C, C } },
	{ "no struct page, private",	KIND(PFN), NA, NA, NA,		{ C, C, C, C } },
	{ "shared mapping",		KIND(SHMEM) | LRU | COWSCOPE_STATE_SHARED_VMA, 2, 1, 0,
									{ E, E, E, E } },
	{ "many references",		ANON | LRU | PINNED(YES), 1025, 1, 0,
									{ C, C, C, C } },
	/* A folio of 512 pages, mapped by PTEs. */
	{ "large, all here",		ANON | LRU | THP, 512, 1, 512,	{ C, C, C, R } },
	{ "large, one page left",	ANON | LRU | THP, 1, 1, 1,	{ R, R, C, C } },
	{ "large, a reference",		ANON | LRU | THP, 513, 1, 512,	{ C, C, C, C } },
	{ "large, also elsewhere",	ANON | LRU | THP | COWSCOPE_STATE_MM_SHARED, 1024, 2, 1024,
									{ C, C, C, C } },
	{ "large, said to be shared",	ANON | LRU | THP | COWSCOPE_STATE_MM_SHARED, 512, 1, 512,
									{ C, C, C, C } },
	/* A PMD maps it: 5.10 goes by mapcount there, and nobody drains or gives up. */
	{ "PMD, nobody else",		PMD | ANON | LRU, 1, 1, 1,	{ R, R, R, R } },
	{ "PMD, another mapping",	PMD | ANON | LRU, 2, 2, 2,	{ S, S, S, S } },
	{ "PMD, one page elsewhere",	PMD | ANON | LRU, 2, 1, 2,	{ S, S, S, S } },
	{ "PMD, a reference",		PMD | ANON | LRU, 2, 1, 1,	{ R, S, S, S } },
	{ "PMD, in an LRU cache",	PMD | ANON, 2, 1, 1,		{ R, S, S, S } },
	{ "PMD, locked",		PMD | ANON | LRU | COWSCOPE_STATE_LOCKED, 1, 1, 1,
									{ R, R, R, R } },
	{ "PMD, in the swap cache",	PMD | ANON | LRU | SWAP, 513, 1, 1,
									{ E, E, E, E } },
	{ "PMD, and a reference",	PMD | ANON | LRU | SWAP, 514, 1, 1,
									{ E, S, S, S } },
	{ "PMD, said to be shared",	PMD | ANON | LRU | COWSCOPE_STATE_MM_SHARED, 1, 1, 1,
									{ R, R, R, R } },
	{ "huge zero page",		LEVEL(PMD) | KIND(ZERO), 7, NA, NA,
									{ S, S, S, E } },
	{ "PMD, changed meanwhile",	LEVEL(PMD) | KIND(UNKNOWN), NA, NA, NA,
									{ N, N, N, N } },
	/* hugetlb goes by mapcount in each kernel. */
	{ "hugetlb, nobody else",	HUGETLB, 1, 1, 1,		{ R, R, R, R } },
	{ "hugetlb, a reference",	HUGETLB, 2, 1, 1,		{ R, R, R, R } },
	{ "hugetlb, another mapping",	HUGETLB, 2, 2, 2,		{ C, C, C, C } },
	{ "hugetlb, private file",	HUGETLB | CACHED, 513, 1, 1,	{ C, C, C, C } },
	{ "the same, up to 6.6",	HUGETLB | CACHED | ONCE, 2, 1, 1, { C, C, C, C } },
	{ "hugetlb, shared mapping",	HUGETLB | CACHED | COWSCOPE_STATE_SHARED_VMA, 513, 1, 1,
									{ R, R, R, R } },
};

/* Exclusive pages are reused, whoever else holds them; 5.10 knows none. */
static const struct prediction exclusive_predictions[] = {
	{ "nobody else",		ANON | LRU, 1, 1, 0,		{ R, R, R, R } },
	{ "a reference",		ANON | LRU, 2, 1, 0,		{ C, R, R, R } },
	{ "a pin",			ANON | LRU | PINNED(YES), 1025, 1, 0, { C, R, R, R } },
	{ "in the swap cache",		ANON | LRU | SWAP, 2, 1, 0,	{ C, R, R, R } },
	{ "in an LRU cache",		ANON, 2, 1, 0,			{ C, R, R, R } },
	{ "locked",			ANON | LRU | COWSCOPE_STATE_LOCKED, 1, 1, 0,
									{ C, R, R, R } },
	{ "large",			ANON | LRU | THP, 512, 1, 512,	{ C, R, R, R } },
	{ "large, a pin",		ANON | LRU | THP | PINNED(YES), 513, 1, 512,
									{ C, R, R, R } },
	{ "PMD, a pin",			PMD | ANON | LRU | PINNED(YES), 2, 1, 1,
									{ R, R, R, R } },
	{ "PMD, in the swap cache",	PMD | ANON | LRU | SWAP, 513, 1, 1,
									{ E, R, R, R } },
	{ "hugetlb, a pin",		HUGETLB | PINNED(YES), 2, 1, 1,	{ R, R, R, R } },
};

static void check_predictions(const struct prediction *p, size_t n, u32 exclusive)
{
	size_t i, k;

	for (i = 0; i < n; i++)
		for (k = 0; k < ARRAY_SIZE(kernels); k++) {
			u32 state = p[i].state | (k == K5_10 ? EXCLUSIVE(NA) : exclusive);
			struct cowscope_counts c = counts(state, p[i].refcount, p[i].mapcount,
							  p[i].folio_mapcount);
			enum cowscope_decision d = cowscope_predict(&c, &kernels[k]);

			if (d != p[i].decision[k])
				fail_msg("%s, kernel %zu: %d, expected %d", p[i].what, k, d,
					 p[i].decision[k]);
		}
}

static void predicts(void **state)
{
	check_predictions(predictions, ARRAY_SIZE(predictions), NOT_PAE);
}

static void predicts_exclusive(void **state)
{
	check_predictions(exclusive_predictions, ARRAY_SIZE(exclusive_predictions), PAE);
}

static void predicts_nothing_unread(void **state)
{
	struct cowscope_counts c = counts(KIND(UNKNOWN), NA, NA, NA);
	size_t k;

	for (k = 0; k < ARRAY_SIZE(kernels); k++)
		assert_int_equal(cowscope_predict(&c, &kernels[k]), N);
	/* Exclusive is what the rule goes by first. */
	c = counts(ANON | LRU | EXCLUSIVE(NA), 1, 1, 1);
	assert_int_equal(cowscope_predict(&c, &kernels[K6_1]), N);
}

static const struct {
	const char *what;
	u32 state;
	s32 refcount, mapcount, folio_mapcount;
	enum cowscope_decision mapcount_rule, page_count_rule, exclusive_rule;
} would[] = {
	{ "nobody else",	ANON | LRU | NOT_PAE, 1, 1, 0,		R, R, R },
	/* The dispute: a reference, no other mapping. */
	{ "5.10's lost pin",	ANON | LRU, 2, 1, 0,			R, C, N },
	{ "the same, 6.1",	ANON | LRU | PAE, 2, 1, 0,		R, C, R },
	{ "held after a fork",	ANON | LRU | NOT_PAE, 2, 1, 0,		R, C, C },
	{ "shared by a fork",	ANON | LRU | NOT_PAE, 2, 2, 0,		C, C, C },
	{ "KSM",		KIND(KSM) | LRU | NOT_PAE, 4, 4, 0,	C, C, C },
	{ "zero page",		KIND(ZERO), 100, NA, NA,		C, C, C },
	{ "file page",		KIND(FILE) | LRU | COWSCOPE_STATE_MAPPING, 2, 1, 0, C, C, C },
	/* The slot of the swap cache may have other users. */
	{ "swap cache",		ANON | LRU | SWAP | NOT_PAE, 2, 1, 0,	N, C, N },
	{ "LRU cache",		ANON | NOT_PAE, 2, 1, 0,		R, C, N },
	{ "mapcount not kept",	ANON | LRU | PAE | THP, 512, NA, 512,	N, C, R },
	{ "shared mapping",	KIND(SHMEM) | LRU | COWSCOPE_STATE_SHARED_VMA, 2, 1, 0, N, N, N },
	{ "not read",		KIND(UNKNOWN), NA, NA, NA,		N, N, N },
	/* A page that was not mapped when it was decided. */
	{ "swapped in",		ANON | LRU | PAE | COWSCOPE_STATE_SWAPIN, 1, 1, 0, N, N, N },
	/* Criteria, not what the kernels named after them do at that level. */
	{ "PMD, nobody else",	PMD | ANON | LRU | NOT_PAE, 1, 1, 1,	R, R, R },
	{ "PMD, a reference",	PMD | ANON | LRU | PAE, 2, 1, 1,	R, C, R },
	{ "PMD, after a fork",	PMD | ANON | LRU | NOT_PAE, 2, 1, 1,	R, C, C },
	{ "PMD, shared",	PMD | ANON | LRU | NOT_PAE, 2, 2, 2,	C, C, C },
	{ "huge zero page",	LEVEL(PMD) | KIND(ZERO), 7, NA, NA,	C, C, C },
	{ "hugetlb, alone",	HUGETLB | NOT_PAE, 1, 1, 1,		R, R, R },
	{ "hugetlb, held",	HUGETLB | NOT_PAE, 2, 1, 1,		R, C, C },
	{ "hugetlb, 5.10",	HUGETLB, 2, 1, 1,			R, C, N },
	{ "hugetlb, its own",	HUGETLB | PAE, 2, 1, 1,			R, C, R },
	{ "hugetlb, shared",	HUGETLB | NOT_PAE, 2, 2, 2,		C, C, C },
	{ "hugetlb, file",	HUGETLB | CACHED, 513, 1, 1,		C, C, C },
	{ "hugetlb, a shared mapping", HUGETLB | CACHED | COWSCOPE_STATE_SHARED_VMA, 513, 1, 1,
									N, N, N },
};

static void would_decide(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(would); i++) {
		struct cowscope_counts c = counts(would[i].state, would[i].refcount,
						  would[i].mapcount, would[i].folio_mapcount);
		u8 all = cowscope_would_all(&c, &kernels[K6_1]);
		u8 expected = would[i].mapcount_rule | would[i].page_count_rule << 2 |
			      would[i].exclusive_rule << 4;

		if (all != expected)
			fail_msg("%s: 0x%x, expected 0x%x", would[i].what, all, expected);
	}
}

static const struct {
	const char *what;
	u32 state;
	s32 refcount, mapcount, folio_mapcount;
	u32 own, other;		/* cowscope's holders */
	s32 refs;		/* what they add to refcount */
	enum cowscope_decision decision;
	bool copied;
	enum cowscope_verdict verdict;
} verdicts[] = {
#define V(what)	COWSCOPE_VERDICT_##what
	/* leak: reused while another than the writer certainly holds it */
	{ "zygote", ANON | LRU, 2, 1, 0, 0, 1, 1, R, false, V(LEAK) },
	{ "zygote, 6.1", ANON | LRU | NOT_PAE, 2, 1, 0, 0, 1, 1, R, false, V(LEAK) },
	{ "both hold it", ANON | LRU, 3, 1, 0, 1, 1, 2, R, false, V(LEAK) },
	{ "as a shared mapping should", KIND(SHMEM) | LRU | COWSCOPE_STATE_MAPPING |
	  COWSCOPE_STATE_SHARED_VMA, 4, 2, 0, 0, 1, 1, R, false, V(FINE) },

	/* pin_lost: copied while held through the writer's own mapping */
	{ "clear_refs, 5.10", ANON | LRU, 2, 1, 0, 1, 0, 1, C, true, V(PIN_LOST) },
	{ "pin, 5.10", ANON | LRU | PINNED(YES), 1025, 1, 0, 1, 0, 1024, C, true, V(PIN_LOST) },
	{ "held, and shared by a fork", ANON | LRU, 3, 2, 0, 1, 0, 1, C, true, V(PIN_LOST) },
	{ "held KSM page", KIND(KSM) | LRU, 4, 3, 0, 1, 0, 1, C, true, V(PIN_LOST) },
	{ "held file page", KIND(FILE) | LRU | COWSCOPE_STATE_MAPPING, 3, 1, 0, 1, 0, 1, C, true,
	  V(PIN_LOST) },
	{ "held zero page", KIND(ZERO), 99, NA, NA, 1, 0, 1, C, true, V(PIN_LOST) },
	{ "held by both", ANON | LRU, 4, 2, 0, 1, 1, 2, C, true, V(PIN_LOST) },
	{ "pinned by who knows, exclusive", ANON | LRU | PAE | PINNED(YES), 1025, 1, 0, 0, 0, 0, C,
	  true, V(PIN_LOST) },
	{ "folio's mappings not known", ANON | LRU | THP, 600, 1, NA, 1, 0, 1, C, true,
	  V(PIN_LOST) },

	/* maybe_lost: copied with references that nothing explains */
	{ "vmsplice, 5.10", ANON | LRU, 2, 1, 0, 0, 0, 0, C, true, V(MAYBE_LOST) },
	{ "pin count, no exclusive", ANON | LRU | PINNED(YES), 1025, 1, 0, 0, 0, 0, C, true,
	  V(MAYBE_LOST) },
	{ "pin count, not exclusive", ANON | LRU | NOT_PAE | PINNED(YES), 1026, 2, 0, 0, 0, 0, C,
	  true, V(MAYBE_LOST) },
	{ "shared by a fork, and held", ANON | LRU, 3, 2, 0, 0, 0, 0, C, true, V(MAYBE_LOST) },
	{ "beyond the LRU cache", ANON, 3, 1, 0, 0, 0, 0, C, true, V(MAYBE_LOST) },
	{ "beyond the swap cache", ANON | LRU | SWAP, 3, 1, 0, 0, 0, 0, C, true, V(MAYBE_LOST) },
	{ "beyond cowscope's other", ANON | LRU, 3, 1, 0, 0, 1, 1, C, true, V(MAYBE_LOST) },
	{ "KSM, and held", KIND(KSM) | LRU, 4, 3, 0, 0, 0, 0, C, true, V(MAYBE_LOST) },
	{ "file page, and held", KIND(FILE) | LRU | COWSCOPE_STATE_MAPPING, 3, 1, 0, 0, 0, 0, C,
	  true, V(MAYBE_LOST) },
	{ "large, and held", ANON | LRU | THP, 513, 1, 512, 0, 0, 0, C, true, V(MAYBE_LOST) },

	/* needed: every rule copies */
	{ "shared by a fork", ANON | LRU, 2, 2, 0, 0, 0, 0, C, true, V(NEEDED) },
	{ "the same, in an LRU cache", ANON, 3, 2, 0, 0, 0, 0, C, true, V(NEEDED) },
	{ "another holds it", ANON | LRU, 2, 1, 0, 0, 1, 1, C, true, V(NEEDED) },
	{ "KSM", KIND(KSM) | LRU, 3, 3, 0, 0, 0, 0, C, true, V(NEEDED) },
	{ "zero page", KIND(ZERO), 99, NA, NA, 0, 0, 0, C, true, V(NEEDED) },
	{ "file page", KIND(FILE) | LRU | COWSCOPE_STATE_MAPPING, 2, 1, 0, 0, 0, 0, C, true,
	  V(NEEDED) },
	{ "file page with buffers", KIND(FILE) | LRU | COWSCOPE_STATE_MAPPING |
	  COWSCOPE_STATE_PRIVATE, 3, 1, 0, 0, 0, 0, C, true, V(NEEDED) },
	{ "tmpfs page", KIND(SHMEM) | LRU | COWSCOPE_STATE_MAPPING, 2, 1, 0, 0, 0, 0, C, true,
	  V(NEEDED) },
	{ "unshared for a pin", ANON | LRU | NOT_PAE, 2, 2, 0, 0, 0, 0, COWSCOPE_UNSHARE, true,
	  V(NEEDED) },

	{ "huge zero page, 6.13", LEVEL(PMD) | KIND(ZERO), 7, NA, NA, 0, 0, 0, C, true, V(NEEDED) },
	{ "hugetlb, shared by a fork", HUGETLB | NOT_PAE, 2, 2, 2, 0, 0, 0, C, true, V(NEEDED) },
	{ "hugetlb, file", HUGETLB | CACHED, 513, 1, 1, 0, 0, 0, C, true, V(NEEDED) },
	{ "hugetlb, file, 6.1", HUGETLB | CACHED | ONCE, 2, 1, 1, 0, 0, 0, C, true, V(NEEDED) },

	/* at other levels as well */
	{ "THP held elsewhere", PMD | ANON | LRU, 2, 1, 1, 0, 1, 1, R, false, V(LEAK) },
	{ "hugetlb held elsewhere", HUGETLB | NOT_PAE, 2, 1, 1, 0, 1, 1, R, false, V(LEAK) },
	{ "hugetlb, held and shared", HUGETLB, 3, 2, 2, 1, 0, 1, C, true, V(PIN_LOST) },
	{ "held huge zero page", LEVEL(PMD) | KIND(ZERO), 7, NA, NA, 1, 0, 1, C, true, V(PIN_LOST) },
	{ "held huge zero page, split", LEVEL(PMD) | KIND(ZERO), 7, NA, NA, 1, 0, 1, S, false,
	  V(PIN_LOST) },
	{ "held THP, split", PMD | ANON | LRU, 3, 1, 2, 1, 0, 1, S, false, V(NONE) },
	{ "hugetlb, who knows", HUGETLB | NOT_PAE, 3, 2, 2, 0, 0, 0, C, true, V(MAYBE_LOST) },
	{ "hugetlb file, who knows", HUGETLB | CACHED | ONCE, 3, 1, 1, 0, 0, 0, C, true,
	  V(MAYBE_LOST) },
	{ "swapped in, gone again", KIND(UNKNOWN) | COWSCOPE_STATE_SWAPIN, NA, NA, NA, 0, 0, 0, R,
	  false, V(UNKNOWN) },

	/* superfluous: nobody else maps it, all is explained */
	{ "LRU cache, 5.10", ANON, 2, 1, 0, 0, 0, 0, C, true, V(SUPERFLUOUS) },
	{ "locked", ANON | LRU | COWSCOPE_STATE_LOCKED, 1, 1, 0, 0, 0, 0, C, true,
	  V(SUPERFLUOUS) },
	{ "large, 5.10", ANON | LRU | THP, 512, 1, 512, 0, 0, 0, C, true, V(SUPERFLUOUS) },
	{ "large, 6.12", ANON | LRU | THP | NOT_PAE, 512, 1, 512, 0, 0, 0, C, true,
	  V(SUPERFLUOUS) },

	/* fine: reused, nobody harmed */
	{ "nobody else", ANON | LRU, 1, 1, 0, 0, 0, 0, R, false, V(FINE) },
	{ "held by the writer, 6.1", ANON | LRU | PAE, 2, 1, 0, 1, 0, 1, R, false, V(FINE) },
	{ "pinned by the writer", ANON | LRU | PAE | PINNED(YES), 1025, 1, 0, 1, 0, 1024, R, false,
	  V(FINE) },
	{ "held by who knows", ANON | LRU | PAE, 2, 1, 0, 0, 0, 0, R, false, V(FINE) },

	/* unknown: the counts were not to be had */
	{ "mappings not known", ANON | LRU | THP, 600, 1, NA, 0, 0, 0, C, true, V(UNKNOWN) },
	{ "nothing known", KIND(UNKNOWN), NA, NA, NA, 0, 0, 0, C, true, V(UNKNOWN) },

	{ "swap slot's users not known", ANON | LRU | SWAP, 2, 1, 0, 0, 0, 0, C, true,
	  V(UNKNOWN) },

	/* none: nothing copied, nothing reused */
	{ "raced", ANON | LRU, 2, 1, 0, 1, 0, 1, COWSCOPE_RACED, false, V(NONE) },
	{ "retry", ANON | LRU, 2, 1, 0, 0, 1, 1, COWSCOPE_RETRY, false, V(NONE) },
	{ "left to userfaultfd", ANON | LRU, 1, 1, 0, 0, 0, 0, COWSCOPE_UFFD, false, V(NONE) },
	{ "split", ANON | LRU | THP, 1, 1, 1, 0, 0, 0, COWSCOPE_SPLIT, false, V(NONE) },
	{ "failed", ANON | LRU, 2, 2, 0, 0, 0, 0, COWSCOPE_FAILED, false, V(NONE) },
	{ "nothing to unshare", ANON | LRU | NOT_PAE, 1, 1, 0, 0, 0, 0, COWSCOPE_UNSHARE, false,
	  V(NONE) },
};

static void judges(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(verdicts); i++) {
		struct cowscope_counts c = counts(verdicts[i].state, verdicts[i].refcount,
						  verdicts[i].mapcount, verdicts[i].folio_mapcount);
		enum cowscope_verdict v;

		c.held_own = verdicts[i].own;
		c.held_other = verdicts[i].other;
		c.held_refs = verdicts[i].refs;
		v = cowscope_judge(&c, verdicts[i].decision, verdicts[i].copied);
		if (v != verdicts[i].verdict)
			fail_msg("%s: %d, expected %d", verdicts[i].what, v, verdicts[i].verdict);
	}
}

/* The other decision, on the same page. */
static void judges_otherwise(void **state)
{
	struct cowscope_counts c = counts(ANON | LRU, 2, 1, 0);

	c.held_own = c.held_refs = 1;
	assert_int_equal(cowscope_otherwise(&c, C), V(FINE));
	assert_int_equal(cowscope_otherwise(&c, R), V(PIN_LOST));
	c.held_other = 1;
	assert_int_equal(cowscope_otherwise(&c, C), V(LEAK));
	c = counts(ANON | LRU, 2, 2, 0);
	assert_int_equal(cowscope_otherwise(&c, R), V(NEEDED));
	c = counts(ANON | LRU, 1, 1, 0);
	assert_int_equal(cowscope_otherwise(&c, R), V(SUPERFLUOUS));
	assert_int_equal(cowscope_otherwise(&c, COWSCOPE_RACED), V(NONE));
	assert_int_equal(cowscope_otherwise(&c, COWSCOPE_UNSHARE), V(NONE));
	assert_int_equal(cowscope_otherwise(&c, N), V(NONE));
	c.state |= COWSCOPE_STATE_SHARED_VMA;
	assert_int_equal(cowscope_otherwise(&c, R), V(NONE));
}

static void rules(void **state)
{
	assert_int_equal(cowscope_ruling(C, C, V(PIN_LOST), V(FINE)), V(PIN_LOST));
	assert_int_equal(cowscope_ruling(R, C, V(PIN_LOST), V(FINE)), V(FINE));
	assert_int_equal(cowscope_ruling(C, R, V(LEAK), V(NEEDED)), V(NEEDED));
	assert_int_equal(cowscope_ruling(R, R, V(LEAK), V(NEEDED)), V(LEAK));
	assert_int_equal(cowscope_ruling(0, C, V(PIN_LOST), V(FINE)), V(NONE));
	assert_int_equal(cowscope_ruling(3, R, V(FINE), V(NEEDED)), V(NONE));
}

#define D(what)	COWSCOPE_##what
#define FILE_	(KIND(FILE) | LRU | COWSCOPE_STATE_MAPPING)
#define NO_PIN	PINNED(NO)
#define PIN	PINNED(YES)

/* Expectations from mm.h: a small page is "pinned" from 1024 references on. */
static const struct {
	const char *what;
	u32 state;
	s32 refcount, mapcount, folio_mapcount, pincount;
	u32 held, held_pins, folio_pins;
	s32 refs;		/* what cowscope's holders add to refcount */
	enum cowscope_detection detection;
} detections[] = {
	{ "mapped only", ANON | LRU | NO_PIN, 1, 1, 0, NA, 0, 0, 0, 0, D(DETECT_NONE) },
	{ "shared only", ANON | LRU | NO_PIN, 7, 7, 0, NA, 0, 0, 0, 0, D(DETECT_NONE) },
	{ "KSM", KIND(KSM) | LRU | NO_PIN, 9, 9, 0, NA, 0, 0, 0, 0, D(DETECT_NONE) },
	{ "zero page", KIND(ZERO), NA, NA, NA, NA, 0, 0, 0, 0, D(DETECT_NONE) },
	{ "mappings not known", ANON | LRU | THP | NO_PIN, 600, 1, NA, 0, 0, 0, 0, 0,
	  D(DETECT_NONE) },

	{ "a pin", ANON | LRU | PIN, 1025, 1, 0, NA, 1, 1, 1, 1024, D(TRUE_POSITIVE) },
	{ "a pin and a stranger", ANON | LRU | PIN, 1026, 1, 0, NA, 1, 1, 1, 1024,
	  D(TRUE_POSITIVE) },
	{ "a pin on a THP", ANON | LRU | THP | PIN, 513, 1, 512, 1, 1, 1, 1, 1,
	  D(TRUE_POSITIVE) },
	{ "a pin on hugetlb", KIND(HUGETLB) | THP | PIN, 2, 1, 1, 1, 1, 1, 1, 1,
	  D(TRUE_POSITIVE) },
	{ "a pin that is not seen", ANON | LRU | NO_PIN, 2, 1, 0, NA, 1, 1, 1, 1024,
	  D(FALSE_NEGATIVE) },

	{ "LRU cache", ANON | NO_PIN, 2, 1, 0, NA, 0, 0, 0, 0, D(TRUE_NEGATIVE) },
	{ "swap cache", ANON | LRU | SWAP | NO_PIN, 2, 1, 0, NA, 0, 0, 0, 0, D(TRUE_NEGATIVE) },
	{ "file", FILE_ | NO_PIN, 2, 1, 0, NA, 0, 0, 0, 0, D(TRUE_NEGATIVE) },
	{ "another page of the folio is held", ANON | LRU | THP | NO_PIN, 513, 1, 512, 0, 0, 0, 0,
	  1, D(TRUE_NEGATIVE) },

	{ "1100 references", ANON | LRU | PIN, 1101, 1, 0, NA, 1100, 0, 0, 1100,
	  D(FALSE_POSITIVE) },
	{ "1100 mappings", ANON | LRU | PIN, 1100, 1100, 0, NA, 0, 0, 0, 0, D(FALSE_POSITIVE) },
	{ "KSM, 1100 mappings", KIND(KSM) | LRU | PIN, 1100, 1100, 0, NA, 0, 0, 0, 0,
	  D(FALSE_POSITIVE) },
	{ "file, 1023 mappings", FILE_ | PIN, 1024, 1023, 0, NA, 0, 0, 0, 0, D(FALSE_POSITIVE) },
	{ "1100 mappings and a stranger", ANON | LRU | PIN, 1101, 1100, 0, NA, 0, 0, 0, 0,
	  D(FALSE_POSITIVE) },
	{ "1023 strangers more", ANON | LRU | PIN, 2123, 1100, 0, NA, 0, 0, 0, 0,
	  D(FALSE_POSITIVE) },
	{ "1024 strangers more", ANON | LRU | PIN, 2124, 1100, 0, NA, 0, 0, 0, 0,
	  D(UNVERIFIED_PINNED) },

	{ "another page is pinned", ANON | LRU | THP | PIN, 513, 1, 512, 1, 0, 0, 1, 1,
	  D(FALSE_POSITIVE_FOLIO) },
	{ "held, another page is pinned", ANON | LRU | THP | PIN, 514, 1, 512, 1, 1, 0, 1, 2,
	  D(FALSE_POSITIVE_FOLIO) },
	{ "another is, by a stranger too", ANON | LRU | THP | PIN, 514, 1, 512, 2, 0, 0, 1, 1,
	  D(UNVERIFIED_PINNED) },
	{ "a stranger pins a THP", ANON | LRU | THP | PIN, 513, 1, 512, 1, 0, 0, 0, 0,
	  D(UNVERIFIED_PINNED) },
	{ "the same, off the LRU", ANON | THP | PIN, 513, 1, 512, 1, 0, 0, 0, 0,
	  D(UNVERIFIED_PINNED) },

	{ "one reference", ANON | LRU | NO_PIN, 2, 1, 0, NA, 1, 0, 0, 1, D(FALSE_NEGATIVE_GET) },
	{ "and a stranger's", ANON | LRU | NO_PIN, 3, 1, 0, NA, 1, 0, 0, 1,
	  D(FALSE_NEGATIVE_GET) },
	{ "vmsplice", ANON | LRU | NO_PIN, 2, 1, 0, NA, 0, 0, 0, 0, D(UNVERIFIED) },
	{ "vmsplice, in an LRU cache", ANON | NO_PIN, 3, 1, 0, NA, 0, 0, 0, 0, D(UNVERIFIED) },
	{ "io_uring", ANON | LRU | PIN, 1025, 1, 0, NA, 0, 0, 0, 0, D(UNVERIFIED_PINNED) },
};

static void detects(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(detections); i++) {
		struct cowscope_counts c = counts(detections[i].state, detections[i].refcount,
						  detections[i].mapcount,
						  detections[i].folio_mapcount);
		enum cowscope_detection d;

		c.pincount = detections[i].pincount;
		c.held = detections[i].held;
		c.held_pins = detections[i].held_pins;
		c.folio_pins = detections[i].folio_pins;
		c.held_refs = detections[i].refs;
		d = cowscope_detect(&c);
		if (d != detections[i].detection)
			fail_msg("%s: %d, expected %d", detections[i].what, d,
				 detections[i].detection);
	}
}

static void explains(void **state)
{
	struct cowscope_counts c = counts(ANON | LRU, 2, 1, 0);

	assert_int_equal(cowscope_explained(&c), 1);
	c.state = ANON;
	assert_int_equal(cowscope_explained(&c), 2);
	c.state = ANON | SWAP | LRU;
	assert_int_equal(cowscope_explained(&c), 2);
	c.held_refs = 1024;
	assert_int_equal(cowscope_explained(&c), 1026);

	c = counts(KIND(FILE) | LRU | COWSCOPE_STATE_MAPPING | COWSCOPE_STATE_PRIVATE, 9, 3, 0);
	assert_int_equal(cowscope_explained(&c), 5);

	/* Each page of a large folio has its place in the cache. */
	c = counts(ANON | LRU | SWAP | THP, 9, 1, 512);
	assert_int_equal(cowscope_explained(&c), 1024);
	c = counts(KIND(FILE) | LRU | COWSCOPE_STATE_MAPPING | ORDER(2), 9, 1, 3);
	assert_int_equal(cowscope_explained(&c), 7);

	c = counts(ANON | LRU | THP, 9, 1, NA);
	assert_int_equal(cowscope_explained(&c), NA);
	/* No LRU cache holds a hugetlb folio; the page cache counts as the kernel does. */
	c = counts(HUGETLB, 9, 3, 3);
	assert_int_equal(cowscope_explained(&c), 3);
	c.state = HUGETLB | CACHED;
	assert_int_equal(cowscope_explained(&c), 515);
	c.state = HUGETLB | CACHED | ONCE;
	assert_int_equal(cowscope_explained(&c), 4);
	c = counts(KIND(ZERO), 9, 1, 1);
	assert_int_equal(cowscope_explained(&c), NA);
	c = counts(KIND(PFN), NA, NA, NA);
	assert_int_equal(cowscope_explained(&c), NA);
	c = counts(KIND(UNKNOWN), NA, NA, NA);
	assert_int_equal(cowscope_explained(&c), NA);
}

/* What holds of all states, also of those that nobody thought of. */
static void agrees_with_itself(const struct cowscope_counts *c, u32 own, u32 other)
{
	size_t k;

	for (k = 0; k < ARRAY_SIZE(kernels); k++) {
		enum cowscope_decision p = cowscope_predict(c, &kernels[k]);
		u32 level = COWSCOPE_STATE_LEVEL(c->state);
		enum cowscope_rule rule = level == COWSCOPE_LEVEL_PMD ? kernels[k].pmd :
			level == COWSCOPE_LEVEL_HUGETLB ? COWSCOPE_RULE_MAPCOUNT : kernels[k].rule;
		u8 would_be = COWSCOPE_RULES_WOULD(cowscope_would_all(c, &kernels[k]), rule);
		enum cowscope_verdict copied = cowscope_judge(c, COWSCOPE_COPY, true);
		enum cowscope_verdict reused = cowscope_judge(c, COWSCOPE_REUSE, false);

		assert_true(p == N || p == R || p == E || p == (level == COWSCOPE_LEVEL_PMD ? S : C));
		/* A private page: the rule in force would do what is predicted. */
		if (!(c->state & COWSCOPE_STATE_SHARED_VMA) &&
		    (level != COWSCOPE_LEVEL_PMD ||
		     COWSCOPE_STATE_KIND(c->state) != COWSCOPE_KIND_ZERO))
			assert_int_equal(would_be, p == E ? N : p == S ? C : p);
		assert_true(copied != V(NONE) && copied != V(LEAK) && copied != V(FINE));
		if (COWSCOPE_STATE_KIND(c->state) == COWSCOPE_KIND_UNKNOWN && c->refcount == NA)
			assert_int_equal(reused, V(UNKNOWN));
		else
			assert_int_equal(reused, other && !(c->state & COWSCOPE_STATE_SHARED_VMA) ?
					 V(LEAK) : V(FINE));
		if (own)
			assert_int_equal(copied, V(PIN_LOST));
		if (copied == V(SUPERFLUOUS)) {
			assert_true(c->mapcount == 1 && !own && !other);
			assert_true(c->refcount <= cowscope_explained(c));
		}
		if (copied == V(MAYBE_LOST))
			assert_true(c->refcount > cowscope_explained(c));
	}
}

/* One of so many values, from what is left of a number. */
static u32 pick(u32 *n, u32 values)
{
	u32 value = *n % values;

	*n /= values;
	return value;
}

static void agrees(void **state)
{
	static const u32 orders[] = { 0, 4, 9 };
	static const u32 bits[] = {
		LRU, SWAP, COWSCOPE_STATE_LOCKED, COWSCOPE_STATE_SHARED_VMA,
		COWSCOPE_STATE_MM_SHARED,
	};
	u32 i, n = 0;

	for (i = 0; !n; i++) {
		struct cowscope_counts c;
		size_t k;

		n = i;
		c.state = pick(&n, COWSCOPE_KINDS);
		c.state |= pick(&n, COWSCOPE_YES + 1) << COWSCOPE_STATE_EXCLUSIVE_SHIFT;
		c.state |= pick(&n, COWSCOPE_YES + 1) << COWSCOPE_STATE_PINNED_SHIFT;
		c.state |= ORDER(orders[pick(&n, ARRAY_SIZE(orders))]);
		c.state |= pick(&n, COWSCOPE_LEVELS) << COWSCOPE_STATE_LEVEL_SHIFT;
		for (k = 0; k < ARRAY_SIZE(bits); k++)
			c.state |= pick(&n, 2) * bits[k];
		c = counts(c.state, (s32)pick(&n, 7) + NA, (s32)pick(&n, 5) + NA, 0);
		c.folio_mapcount = c.mapcount;
		c.held_own = pick(&n, 2);
		c.held_other = pick(&n, 2);
		c.held_refs = c.held_own + c.held_other;
		agrees_with_itself(&c, c.held_own, c.held_other);
	}
	assert_true(i > 900000);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(predicts),
	cmocka_unit_test(predicts_exclusive),
	cmocka_unit_test(predicts_nothing_unread),
	cmocka_unit_test(would_decide),
	cmocka_unit_test(judges),
	cmocka_unit_test(judges_otherwise),
	cmocka_unit_test(rules),
	cmocka_unit_test(detects),
	cmocka_unit_test(explains),
	cmocka_unit_test(agrees),
};

GROUP(rules, tests);
