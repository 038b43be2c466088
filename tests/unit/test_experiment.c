// SPDX-License-Identifier: GPL-2.0
/* What an experiment says of the rule; the experiment itself is tried in guests. */
#include "unit.h"

#include "experiment.h"
#include <linux/cowscope.h>

static unsigned int rule(char protect, char fork)
{
	struct experiment e = { .protect = protect, .fork = fork };

	return experiment_rule(&e);
}

static void rules(void **state)
{
	assert_int_equal(rule('B', 'B'), COWSCOPE_RULE_MAPCOUNT);
	assert_int_equal(rule('A', 'A'), COWSCOPE_RULE_PAGE_COUNT);
	assert_int_equal(rule('B', 'A'), COWSCOPE_RULE_EXCLUSIVE);
}

static void no_rule(void **state)
{
	static const char saw[] = { '\0', 'A', 'B', '?' };
	unsigned int i, known = 0;

	assert_int_equal(rule('A', 'B'), COWSCOPE_RULES);
	for (i = 0; i < 16; i++)
		known += rule(saw[i / 4], saw[i % 4]) < COWSCOPE_RULES;
	assert_int_equal(known, 3);
}

static void texts(void **state)
{
	struct experiment e = { .protect = 'B', .fork = 'A' };

	assert_string_equal(experiment_text(&e), "by experiment: a reference outlives write-protection and is lost by a fork");
	e.fork = 'B';
	assert_string_equal(experiment_text(&e), "by experiment: a reference outlives write-protection and a fork");
	e.protect = e.fork = 'A';
	assert_string_equal(experiment_text(&e), "by experiment: a reference is lost by write-protection and a fork");
	strcpy(e.trouble, "vmsplice: none left");
	assert_string_equal(experiment_text(&e), "experiment failed: vmsplice: none left");
}

/* On whatever kernel this is: something is seen, and asked twice it is the same. */
static void tried(void **state)
{
	const struct experiment *e = experiment();

	assert_string_equal(e->trouble, "");
	assert_true(e->protect == 'A' || e->protect == 'B');
	assert_true(e->fork == 'A' || e->fork == 'B');
	assert_ptr_equal(e, experiment());
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(rules),
	cmocka_unit_test(no_rule),
	cmocka_unit_test(texts),
	cmocka_unit_test(tried),
};

GROUP(experiment, tests);
