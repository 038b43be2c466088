// SPDX-License-Identifier: GPL-2.0
/* Expectations of scenarios, held against what was seen. */
#include "unit.h"

#include "judge.h"

#define EARLY	(1U << COWSCOPE_EVENT_EARLY_COPY)
#define LOST	(1U << COWSCOPE_EVENT_PIN_LOST)

static void takes_expectations(void **state)
{
	static const char *const good[] = {
		"B none", "- reuse", "A copy pin_lost", "A copy refcount=2",
		"A copy pin_lost refcount=2 mapcount=1 exclusive=no", "B none early_copy",
		"B none or B reuse fine", "B none or A copy pin_lost pin_lost or - raced",
		"or none", "  B\tnone\n",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++)
		assert_null(judge_syntax(good[i]));
}

static void refuses_others(void **state)
{
	static const struct {
		const char *expect;
		const char *complaint;
	} bad[] = {
		{ "", "needed" },
		{ "B", "needed" },
		{ "B none or", "needed" },
		{ "B none or B", "needed" },
		{ "B nothing", "\"nothing\" is no decision" },
		{ "B -", "\"-\" is no decision" },
		{ "B or none", "\"or\" is no decision" },
		{ "A copy lost", "\"lost\" is no verdict" },
		{ "A copy refcount=2 fine", "\"fine\" is no verdict" },
		{ "B none or B reuse fien", "\"fien\" is no verdict" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *complaint = judge_syntax(bad[i].expect);

		assert_non_null(complaint);
		assert_non_null(strstr(complaint, bad[i].complaint));
	}
}

static void compares_a_fault(void **state)
{
	struct cowscope_record fault = lost_pin();
	const struct observed seen = { "A", &fault, LOST };

	assert_true(judge("A copy", &seen));
	assert_true(judge("A copy pin_lost", &seen));
	assert_true(judge("A copy pin_lost refcount=2 mapcount=1 exclusive=-", &seen));
	assert_true(judge("A copy refcount=2", &seen));
	assert_true(judge("A copy pin_lost pin_lost", &seen));
	assert_false(judge("B copy", &seen));
	assert_false(judge("A reuse", &seen));
	assert_false(judge("A none", &seen));
	assert_false(judge("A copy maybe_lost", &seen));
	assert_false(judge("A copy pin_lost refcount=3", &seen));
	assert_false(judge("A copy refcount=2 mapcount=2", &seen));
	assert_false(judge("A copy mapcount=2 refcount=2", &seen));
	assert_false(judge("A copy nonsense=2", &seen));
	assert_false(judge("A copy pin_lost wrprotect", &seen));
}

static void compares_the_absence_of_one(void **state)
{
	const struct observed seen = { NULL, NULL, 0 };

	assert_true(judge("- none", &seen));
	assert_false(judge("A none", &seen));
	assert_false(judge("- copy", &seen));
	assert_false(judge("- none refcount=2", &seen));
}

static void wants_early_copies_named(void **state)
{
	const struct observed with = { "B", NULL, EARLY }, without = { "B", NULL, 0 };

	assert_true(judge("B none early_copy", &with));
	assert_false(judge("B none", &with));
	assert_true(judge("B none", &without));
	assert_false(judge("B none early_copy", &without));
}

static void tries_alternatives(void **state)
{
	struct cowscope_record fault = lost_pin();
	const struct observed copied = { "A", &fault, 0 }, kept = { "B", NULL, EARLY };

	assert_true(judge("B none or A copy pin_lost", &copied));
	assert_true(judge("A copy pin_lost or B none", &copied));
	assert_false(judge("A reuse or B copy", &copied));
	/* What one alternative asks for must not stick to the next. */
	assert_true(judge("A copy wrprotect or A copy", &copied));
	assert_true(judge("A copy or B none early_copy", &kept));
	/* Where a word for what the holder saw is due, "or" is one. */
	assert_false(judge("or copy", &copied));
	assert_false(judge("B none or\tor copy", &copied));
	assert_true(judge("B none or\tor copy or A copy", &copied));
}

static void says_what_was_seen(void **state)
{
	struct cowscope_record fault = lost_pin();
	struct observed seen = { "A", &fault, EARLY };
	char text[160], small[8];

	judge_text(text, sizeof(text), &seen);
	assert_string_equal(text, "A copy pin_lost refcount=2 mapcount=1 exclusive=- early_copy");
	assert_null(judge_syntax(text));
	assert_true(judge(text, &seen));

	judge_text(small, sizeof(small), &seen);
	assert_string_equal(small, "A copy ");

	seen = (struct observed){ NULL, NULL, 0 };
	judge_text(text, sizeof(text), &seen);
	assert_string_equal(text, "- none");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(takes_expectations),
	cmocka_unit_test(refuses_others),
	cmocka_unit_test(compares_a_fault),
	cmocka_unit_test(compares_the_absence_of_one),
	cmocka_unit_test(wants_early_copies_named),
	cmocka_unit_test(tries_alternatives),
	cmocka_unit_test(says_what_was_seen),
};

GROUP(judge, tests);
