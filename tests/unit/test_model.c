// SPDX-License-Identifier: GPL-2.0
/*
 * What stories are to show under each rule. Written down from the sources of the
 * kernels and from what they did, not from model.c.
 */
#include "unit.h"

#include "judge.h"
#include "model.h"

enum { MAPCOUNT, PAGE_COUNT, NEVER, MAPPINGS, KERNELS };

static const struct model_kernel kernels[KERNELS] = {
	[MAPCOUNT] = { .rule = COWSCOPE_RULE_MAPCOUNT, .large = COWSCOPE_LARGE_AS_SMALL },
	[PAGE_COUNT] = { .rule = COWSCOPE_RULE_PAGE_COUNT, .large = COWSCOPE_LARGE_AS_SMALL },
	[NEVER] = { .rule = COWSCOPE_RULE_EXCLUSIVE, .large = COWSCOPE_LARGE_NEVER },
	[MAPPINGS] = { .rule = COWSCOPE_RULE_EXCLUSIVE, .large = COWSCOPE_LARGE_MAPPINGS },
};

#define STEPS	16
#define SMALL	"map small", "write A", "settle"
#define PMD	"map pmd", "write A", "settle"
#define BY_PTE	"map pte", "write A", "settle"
#define HUGETLB	"map hugetlb", "write A", "settle"

#define RO_1	"refcount=2 mapcount=1 exclusive="
#define PIN_1	"refcount=1025 mapcount=1 exclusive="
#define PTES	"refcount=512 mapcount=1 exclusive="
#define BOTH	"refcount=1023 mapcount=1 exclusive="

static const struct {
	const char *steps[STEPS];
	const char *expect[KERNELS];
} stories[] = {
	/* The table of the seed: in place, a read-only reference. */
	{ { SMALL, "hold get_ro", "clear_refs", "write B", "read" },
	  { "B reuse fine " RO_1 "-", "A copy pin_lost " RO_1 "-",
	    "B reuse fine " RO_1 "yes", "B reuse fine " RO_1 "yes" } },
	{ { SMALL, "hold pin_rw", "clear_refs", "write B", "read" },
	  { "B none", "B none", "B none", "B none" } },
	{ { SMALL, "hold vmsplice", "mprotect r", "mprotect rw", "write B", "read" },
	  { "B reuse fine " RO_1 "-", "A copy maybe_lost " RO_1 "-",
	    "B reuse fine " RO_1 "yes or B none", "B reuse fine " RO_1 "yes or B none" } },
	/* A pin does not help where nothing asks for it. */
	{ { SMALL, "hold pin_ro", "uffd_wp on", "uffd_wp off", "write B", "read" },
	  { "B reuse fine " PIN_1 "-", "A copy pin_lost " PIN_1 "-",
	    "B reuse fine " PIN_1 "yes or B none", "B reuse fine " PIN_1 "yes or B none" } },
	/* Read-only and pinned: clear_refs sees no pin. */
	{ { SMALL, "mprotect r", "hold pin_ro", "clear_refs", "mprotect rw", "write B", "read" },
	  { "B reuse fine " PIN_1 "-", "A copy pin_lost " PIN_1 "-",
	    "B reuse fine " PIN_1 "yes or B none", "B reuse fine " PIN_1 "yes or B none" } },
	/* fork: pins are copied at once, references are lost but by mapcount. */
	{ { SMALL, "hold pin_ro", "fork", "write B", "read" },
	  { "B none early_copy", "B none early_copy", "B none early_copy", "B none early_copy" } },
	{ { SMALL, "hold get_rw", "fork", "write B", "read" },
	  { "A copy pin_lost refcount=3 mapcount=2 exclusive=-",
	    "A copy pin_lost refcount=3 mapcount=2 exclusive=-",
	    "A copy pin_lost refcount=3 mapcount=2 exclusive=no",
	    "A copy pin_lost refcount=3 mapcount=2 exclusive=no" } },
	{ { SMALL, "hold get_ro", "fork", "child exit", "write B", "read" },
	  { "B reuse fine " RO_1 "-", "A copy pin_lost " RO_1 "-",
	    "A copy pin_lost " RO_1 "no", "A copy pin_lost " RO_1 "no" } },
	/* To pin after the fork unshares, where pages are known to be shared. */
	{ { SMALL, "fork", "hold pin_ro", "write B", "read" },
	  { "A copy pin_lost refcount=1026 mapcount=2 exclusive=-",
	    "A copy pin_lost refcount=1026 mapcount=2 exclusive=-",
	    "B reuse fine " PIN_1 "yes", "B reuse fine " PIN_1 "yes" } },
	{ { SMALL, "fork", "child exit", "hold pin_ro", "write B", "read" },
	  { "B reuse fine " PIN_1 "-", "A copy pin_lost " PIN_1 "-",
	    "B reuse fine " PIN_1 "yes", "B reuse fine " PIN_1 "yes" } },
	/* The zygote, and the other way round. */
	{ { SMALL, "fork", "child hold get_ro", "child munmap", "write B", "child read" },
	  { "B reuse leak " RO_1 "-", "A copy needed " RO_1 "-",
	    "A copy needed " RO_1 "no", "A copy needed " RO_1 "no" } },
	{ { SMALL, "hold vmsplice", "fork", "munmap", "child write B", "read" },
	  { "B reuse fine " RO_1 "-", "A copy maybe_lost " RO_1 "-",
	    "A copy maybe_lost " RO_1 "no", "A copy maybe_lost " RO_1 "no" } },
	/* Nobody holds it: what the other process sees. */
	{ { SMALL, "fork", "write B", "child look" },
	  { "A copy needed refcount=2 mapcount=2 exclusive=-",
	    "A copy needed refcount=2 mapcount=2 exclusive=-",
	    "A copy needed refcount=2 mapcount=2 exclusive=no",
	    "A copy needed refcount=2 mapcount=2 exclusive=no" } },
	/* A THP of PTEs goes by its folio: copied for nothing, or not. */
	{ { BY_PTE, "fork", "child exit", "write B" },
	  { "- copy superfluous " PTES "- or - reuse fine " PTES "-",
	    "- copy superfluous " PTES "-",
	    "- copy superfluous " PTES "no",
	    "- reuse fine " PTES "no" } },
	/* A PMD that is not reused is split, then each PTE decides. */
	{ { PMD, "hold get_ro", "fork", "child exit", "write B", "read" },
	  { "B reuse fine " RO_1 "-",
	    "A copy pin_lost refcount=513 mapcount=1 exclusive=-",
	    "A copy pin_lost refcount=513 mapcount=1 exclusive=no",
	    "A copy pin_lost refcount=513 mapcount=1 exclusive=no" } },
	{ { PMD, "fork", "child write C", "write B", "child look" },
	  { "C copy superfluous " BOTH "- or C reuse fine " BOTH "-",
	    "C copy superfluous " BOTH "-",
	    "C copy superfluous " BOTH "no",
	    "C copy superfluous " BOTH "no" } },
	/* Files and the zero page are copied; only a long-term pin unshares first. */
	{ { "map file", "touch", "hold pin_ro", "write B", "read" },
	  { "0 copy pin_lost", "0 copy pin_lost", "0 copy pin_lost", "0 copy pin_lost" } },
	{ { "map zero", "touch", "hold pin_ro_longterm", "write B", "read" },
	  { "0 copy pin_lost", "0 copy pin_lost", "B reuse fine " PIN_1 "yes",
	    "B reuse fine " PIN_1 "yes" } },
	{ { "map zero", "touch", "hold vmsplice", "fork", "write B", "read" },
	  { "0 copy needed", "0 copy needed", "0 copy needed", "0 copy needed" } },
	{ { "map shared", "write A", "fork", "child hold pin_ro", "write B", "child read" },
	  { "B none", "B none", "B none", "B none" } },
	/* Whom somebody holds stays in the swap cache. */
	{ { SMALL, "hold get_ro", "swap_out", "touch", "write B", "read" },
	  { "B reuse fine or A copy pin_lost", "A copy pin_lost",
	    "B reuse fine or B none", "B reuse fine or B none" } },
	{ { SMALL, "hold pin_ro", "swap_out", "touch", "write B", "read" },
	  { "B none", "B none", "B none", "B none" } },
};

/* The same alternatives; which comes first does not matter. */
static bool is_same(const char *a, const char *b)
{
	const char *or = strstr(a, " or ");
	char turned[512];

	if (!strcmp(a, b))
		return true;
	if (!or)
		return false;
	snprintf(turned, sizeof(turned), "%s or %.*s", or + 4, (int)(or - a), a);
	return !strcmp(turned, b);
}

static void check(const char *const *steps, const struct model_kernel *k, const char *expect)
{
	char text[512] = "";

	assert_null(model_predict(text, sizeof(text), steps, k));
	assert_null(judge_syntax(text));
	if (!is_same(text, expect))
		fail_msg("rule %d, %s, %s, %s...: \"%s\", expected \"%s\"", k->rule, steps[0],
			 steps[2], steps[3], text, expect);
}

static void by_the_rule(void **state)
{
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(stories); i++)
		for (k = 0; k < KERNELS; k++)
			check(stories[i].steps, &kernels[k], stories[i].expect[k]);
}

/* What a departure from the rule makes of a story that follows it otherwise. */
static const struct {
	enum model_departure departure;
	int kernel;
	const char *steps[STEPS];
	const char *by_rule, *departed;
} departures[] = {
	{ MODEL_HUGETLB_BY_MAPCOUNT, MAPPINGS,
	  { HUGETLB, "fork", "child hold get_ro", "child munmap", "write B", "child read" },
	  "A copy needed " RO_1 "no", "B reuse leak " RO_1 "no" },
	{ MODEL_PMD_BY_MAPCOUNT, PAGE_COUNT,
	  { PMD, "fork", "child hold get_ro", "child munmap", "write B", "child read" },
	  "A copy needed refcount=513 mapcount=1 exclusive=-", "B reuse leak " RO_1 "-" },
	{ MODEL_FORK_SHARES_HUGETLB, PAGE_COUNT,
	  { HUGETLB, "hold pin_rw", "fork", "write B", "read" },
	  "B none early_copy", "A copy pin_lost refcount=3 mapcount=2 exclusive=-" },
	{ MODEL_CLEAR_REFS_PINNED_PMD, NEVER, { PMD, "hold pin_rw", "clear_refs", "write B", "read" },
	  "B none", "B reuse fine " RO_1 "yes" },
	{ MODEL_LONGTERM_NOT_UNSHARED, NEVER,
	  { "map file", "touch", "hold pin_ro_longterm", "write B", "read" },
	  "B reuse fine " PIN_1 "yes", "0 copy pin_lost" },
};

static void departed(void **state)
{
	size_t i;

	assert_int_equal(ARRAY_SIZE(departures), MODEL_DEPARTURES);
	for (i = 0; i < ARRAY_SIZE(departures); i++) {
		struct model_kernel k = kernels[departures[i].kernel];

		check(departures[i].steps, &k, departures[i].by_rule);
		k.departures = 1U << departures[i].departure;
		check(departures[i].steps, &k, departures[i].departed);
	}
}

static void says_what_it_does_not_know(void **state)
{
	static const char *const wrong[][4] = {
		{ "map small", "wirte A", NULL }, { "map smal", NULL },
		{ "map small", "hold nobody", NULL }, { "map small", "child jump", NULL },
	};
	char text[512];
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		for (n = 0; wrong[i][n + 1]; n++)
			;
		assert_string_equal(model_predict(text, sizeof(text), wrong[i],
						  &kernels[NEVER]), wrong[i][n]);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(by_the_rule),
	cmocka_unit_test(departed),
	cmocka_unit_test(says_what_it_does_not_know),
};

GROUP(model, tests);
