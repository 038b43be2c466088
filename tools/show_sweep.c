// SPDX-License-Identifier: GPL-2.0
/* Outcomes of the sweep for people: what deviates, and why some were skipped. */
#include "show.h"

#include <stdlib.h>
#include <sys/utsname.h>

#include "format.h"
#include "judge.h"
#include "output.h"

#define NAME_WIDTH	48

static unsigned int explained;

/* Why cases were skipped, and how many for that. */
static struct {
	char *why;
	unsigned int cases;
} skips[16];

static void begin(const struct plan *p)
{
	struct utsname u;
	size_t i, cases = 0;

	for (i = 0; i < p->scenarios; i++)
		cases += p->scenario[i].variants;
	printf("Linux %s, rule %s, %zu cases. What deviates from the rule:\n\n",
	       uname(&u) ? "?" : u.release, cowscope_rule_name(p->device->info.rule), cases);
}

static void count_skip(const struct outcome *o)
{
	size_t i, length = strcspn(o->why, "\n");

	for (i = 0; i < ARRAY_SIZE(skips) - 1 && skips[i].why; i++)
		if (!strncmp(skips[i].why, o->why, length) && !skips[i].why[length])
			break;
	if (!skips[i].why)
		skips[i].why = i < ARRAY_SIZE(skips) - 1 ? strndup(o->why, length) :
				strdup("for other reasons");
	skips[i].cases++;
}

static void outcome(const struct plan *p, const struct outcome *o, size_t number)
{
	const struct observed seen = outcome_observed(o);
	const char *verdict = judge_verdict(seen.fault);
	enum color paint = verdict_color(seen.fault ? seen.fault->verdict :
					 COWSCOPE_VERDICT_NONE);

	if (o->result == RESULT_SKIP)
		count_skip(o);
	if (o->result == RESULT_SKIP || (o->result == RESULT_OK && !o->variant->finding))
		return;
	if (p->trace)
		retell(o, p->device, "");
	printf("%-*s  %s %-6s %s%-11s%s ", NAME_WIDTH, outcome_name(o->scenario, o->variant),
	       seen.saw ? seen.saw : "-", judge_decision(seen.fault), color_on(paint), verdict,
	       color_off(paint));
	if (o->result == RESULT_OK) {
		explained++;
		printf("%s\n", o->variant->finding);
		return;
	}
	printf("%sNOT OK%s\n", color_on(COLOR_BAD), color_off(COLOR_BAD));
	show_why(o, "  ");
}

static void end(const unsigned int count[RESULTS])
{
	size_t i;

	printf("\n%u as predicted by the rule, %u deviate as doc/findings.md says, %u deviate, %u skipped\n",
	       count[RESULT_OK] - explained, explained, count[RESULT_NOT_OK], count[RESULT_SKIP]);
	for (i = 0; i < ARRAY_SIZE(skips) && skips[i].why; i++) {
		printf("skipped %u: %s\n", skips[i].cases, skips[i].why);
		free(skips[i].why);
	}
}

const struct show show_sweep = { .begin = begin, .outcome = outcome, .end = end };
