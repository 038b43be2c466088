// SPDX-License-Identifier: GPL-2.0
/* What is said of a decision: the rule, its counts, the others, the verdict. */
#include "unit.h"

#include "reason.h"

static char said[REASON_MAX];
static const char *rest;	/* of it, not looked at yet */

static const char *say(const struct cowscope_record *fault, u32 events, unsigned int rule)
{
	const struct observed o = { .fault = fault, .events = events };

	reason(said, sizeof(said), &o, rule);
	rest = said;
	return said;
}

static void begins(const char *text)
{
	size_t length = strlen(text);

	if (strncmp(rest, text, length))
		fail_msg("\"%s\" does not begin with \"%s\"", rest, text);
	rest += length;
}

static void lost(void **state)
{
	struct cowscope_record r = lost_pin();

	say(&r, 0, COWSCOPE_RULE_PAGE_COUNT);
	begins("page_count reuses a page to which nobody else holds a reference; refcount=2: copy. ");
	begins("Of this page mapcount says reuse (mapcount=1). ");
	begins("pin_lost: whoever took a reference or pin through the writer's mapping ");
	assert_string_equal(rest, "keeps the old page.");
}

static void exclusive(void **state)
{
	struct cowscope_record r = lost_pin();

	r.state |= EXCLUSIVE(YES);
	r.outcome = COWSCOPE_OUTCOME(COWSCOPE_REUSE, COWSCOPE_REUSE);
	r.verdict = COWSCOPE_VERDICT_FINE;
	say(&r, 0, COWSCOPE_RULE_EXCLUSIVE);
	begins("exclusive reuses a page that is exclusive, or to which nobody else holds ");
	begins("a reference; exclusive=yes: reuse. ");
	begins("Of this page mapcount says reuse (mapcount=1), page_count says copy (refcount=2). ");
	assert_string_equal(rest, "fine: nobody was harmed.");
	r.state = (r.state & ~EXCLUSIVE(YES) & ~COWSCOPE_STATE_LRU) | EXCLUSIVE(NO);
	assert_non_null(strstr(say(&r, 0, COWSCOPE_RULE_EXCLUSIVE),
			       "; exclusive=no refcount=2 page_flags=-: reuse."));
}

/* Where the kernel does not go by the rule that is in force for PTEs. */
static void levels(void **state)
{
	struct cowscope_record r = lost_pin();

	r.state = (r.state & ~LEVEL(PTE)) | LEVEL(PMD) | ORDER(9);
	assert_non_null(strstr(say(&r, 0, COWSCOPE_RULE_PAGE_COUNT), "mapcount reuses a page"));
	assert_non_null(strstr(said, "mapcount=1 order=9: copy"));
	assert_non_null(strstr(say(&r, 0, COWSCOPE_RULE_EXCLUSIVE), "exclusive reuses a page"));
	r.state = KIND(HUGETLB) | LEVEL(HUGETLB);
	assert_non_null(strstr(say(&r, 0, COWSCOPE_RULE_EXCLUSIVE), "mapcount reuses a page"));
	r.state |= COWSCOPE_STATE_MAPPING;
	assert_non_null(strstr(say(&r, 0, COWSCOPE_RULE_EXCLUSIVE), "page of kind hugetlb"));
}

static void no_rule(void **state)
{
	struct cowscope_record r = lost_pin();

	assert_string_equal(say(NULL, 0, COWSCOPE_RULE_EXCLUSIVE),
			    "The last write did not fault, so no rule was asked.");
	assert_non_null(strstr(say(NULL, 1U << COWSCOPE_EVENT_EARLY_COPY, COWSCOPE_RULE_EXCLUSIVE),
			       " early_copy: fork copied"));
	r.state = KIND(KSM) | LEVEL(PTE);
	assert_non_null(strstr(say(&r, 0, COWSCOPE_RULE_PAGE_COUNT), "of kind ksm makes a copy"));
	r.state = KIND(ANON) | COWSCOPE_STATE_SHARED_VMA;
	assert_non_null(strstr(say(&r, 0, COWSCOPE_RULE_PAGE_COUNT), "The mapping is shared"));
	r.state = KIND(ANON) | COWSCOPE_STATE_SWAPIN;
	assert_non_null(strstr(say(&r, 0, COWSCOPE_RULE_PAGE_COUNT), "do_swap_page() decided"));
	r.outcome = COWSCOPE_OUTCOME(COWSCOPE_UFFD, COWSCOPE_COPY);
	assert_non_null(strstr(say(&r, 0, COWSCOPE_RULE_PAGE_COUNT), "left to userfaultfd"));
	r.outcome = COWSCOPE_OUTCOME(COWSCOPE_RETRY, COWSCOPE_COPY);
	assert_non_null(strstr(say(&r, 0, COWSCOPE_RULE_PAGE_COUNT), "no decision: retry"));
}

/* Whatever a record holds, the text has room, and nothing is said of nothing. */
static void anything(void **state)
{
	struct cowscope_record r = lost_pin();
	size_t longest = 0;
	unsigned int i;

	for (i = 0; i < 1u << 20; i++) {
		r.state = i * 2654435761u;
		r.outcome = i;
		r.verdict = i % (COWSCOPE_VERDICTS + 1);
		r.refcount = r.mapcount = i & 1 ? -2147483647 : COWSCOPE_COUNT_NA;
		r.rules = i >> 3;
		if (strlen(say(&r, ~0u, i % (COWSCOPE_RULES + 1))) > longest)
			longest = strlen(said);
	}
	assert_in_range(longest, 300, REASON_MAX - 2);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(lost),
	cmocka_unit_test(exclusive),
	cmocka_unit_test(levels),
	cmocka_unit_test(no_rule),
	cmocka_unit_test(anything),
};

GROUP(reason, tests);
