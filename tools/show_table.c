// SPDX-License-Identifier: GPL-2.0
/* Outcomes for people: a row as soon as there is one. */
#include "show.h"

#include <sys/utsname.h>

#include "format.h"
#include "judge.h"
#include "output.h"

static int name_width, holder_width;

static void row(const char *name, const char *holder, const char *saw, const char *decision,
		const char *verdict, enum color paint)
{
	printf("%-*s  %-*s  %-3s  %-8s  %s%-11s%s  ", name_width, name, holder_width, holder, saw,
	       decision, color_on(paint), verdict, color_off(paint));
}

static void begin(const struct plan *p)
{
	struct utsname u;
	size_t i, k;

	name_width = strlen("SCENARIO");
	holder_width = strlen("HOLDER");
	for (i = 0; i < p->scenarios; i++) {
		const struct scenario *s = &p->scenario[i];

		if (name_width < (int)strlen(s->name))
			name_width = strlen(s->name);
		for (k = 0; k < s->variants; k++)
			if (s->variant[k].holder &&
			    holder_width < (int)strlen(s->variant[k].holder))
				holder_width = strlen(s->variant[k].holder);
	}
	printf("Linux %s, rule %s. SAW is what the holder read in the end.\n\n",
	       uname(&u) ? "?" : u.release, cowscope_rule_name(p->device->info.rule));
	if (p->trace)
		return;
	printf("%s", color_on(COLOR_BOLD));
	row("SCENARIO", "HOLDER", "SAW", "DECISION", "VERDICT", COLOR_NONE);
	printf("RESULT%s\n", color_off(COLOR_BOLD));
}

static void print_result(enum result result)
{
	static const struct {
		const char *name;
		enum color paint;
	} results[RESULTS] = {
		[RESULT_OK] = { "ok", COLOR_GOOD },
		[RESULT_NOT_OK] = { "NOT OK", COLOR_BAD },
		[RESULT_SKIP] = { "skipped", COLOR_DIM },
	};

	printf("%s%s%s\n", color_on(results[result].paint), results[result].name,
	       color_off(results[result].paint));
}

static void outcome(const struct plan *p, const struct outcome *o, size_t number)
{
	const struct observed seen = outcome_observed(o);
	const struct scenario *s = o->scenario;

	if (p->trace) {
		printf("%s# %s: %s%s\n", color_on(COLOR_BOLD), outcome_name(s, o->variant),
		       s->title, color_off(COLOR_BOLD));
		retell(o, p->device, "");
		printf("# saw %s, decision %s, verdict %s: ", seen.saw ? seen.saw : "nothing",
		       judge_decision(seen.fault), judge_verdict(seen.fault));
		print_result(o->result);
		show_why(o, "#   ");
		printf("\n");
		return;
	}
	row(number == 1 ? s->name : "", o->variant->holder ? o->variant->holder : "-",
	    seen.saw ? seen.saw : "-", judge_decision(seen.fault), judge_verdict(seen.fault),
	    verdict_color(seen.fault ? seen.fault->verdict : COWSCOPE_VERDICT_NONE));
	print_result(o->result);
	show_why(o, "  ");
}

static void end(const unsigned int count[RESULTS])
{
	printf("%u ok, %u not ok, %u skipped\n", count[RESULT_OK], count[RESULT_NOT_OK],
	       count[RESULT_SKIP]);
}

const struct show show_table = { .begin = begin, .outcome = outcome, .end = end };
