// SPDX-License-Identifier: GPL-2.0
/* Outcomes as KTAP version 1, Documentation/dev-tools/ktap.rst. */
#include "show.h"

static void begin(const struct plan *p)
{
	printf("KTAP version 1\n1..%zu\n", p->scenarios);
}

static void scenario(const struct scenario *s)
{
	printf("  KTAP version 1\n  # Subtest: %s\n  1..%zu\n", s->name, s->variants);
}

static void result(const char *indent, size_t number, const char *name, enum result result)
{
	printf("%s%s %zu %s", indent, result == RESULT_NOT_OK ? "not ok" : "ok", number, name);
}

static void outcome(const struct plan *p, const struct outcome *o, size_t number)
{
	const char *name = o->variant->holder ? o->variant->holder : "story";

	if (p->trace)
		retell(o, p->device, "  # ");
	if (o->result != RESULT_SKIP)
		show_why(o, "  # ");
	result("  ", number, name, o->result);
	if (o->result == RESULT_SKIP)
		printf(" # SKIP %.*s", (int)strcspn(o->why, "\n"), o->why);
	printf("\n");
}

static void scenario_end(const struct scenario *s, size_t number, enum result worst)
{
	result("", number, s->name, worst);
	printf("%s\n", worst == RESULT_SKIP ? " # SKIP all subtests were skipped" : "");
}

static void end(const unsigned int count[RESULTS])
{
	printf("# Totals: pass:%u fail:%u xfail:0 xpass:0 skip:%u error:0\n", count[RESULT_OK],
	       count[RESULT_NOT_OK], count[RESULT_SKIP]);
}

const struct show show_ktap = {
	.begin = begin,
	.scenario = scenario,
	.outcome = outcome,
	.scenario_end = scenario_end,
	.end = end,
};
