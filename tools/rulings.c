// SPDX-License-Identifier: GPL-2.0
/* The three rules side by side. */
#include "rulings.h"

#include "format.h"
#include "output.h"
#include "rules.h"

static const char no_exclusive[] = "no PageAnonExclusive before 5.19";

void rulings_add(struct rulings *s, const struct cowscope_record *r)
{
	unsigned int decision = COWSCOPE_OUTCOME_DECISION(r->outcome), rule;

	if (r->type != COWSCOPE_EVENT_COW_FAULT || r->state & COWSCOPE_STATE_SHARED_VMA ||
	    (decision != COWSCOPE_COPY && decision != COWSCOPE_REUSE))
		return;
	for (rule = 0; rule < COWSCOPE_RULES; rule++) {
		unsigned int v = cowscope_ruling(COWSCOPE_RULES_WOULD(r->rules, rule), decision,
						 r->verdict, COWSCOPE_STATE_OTHERWISE(r->state));

		s->count[rule][v < COWSCOPE_VERDICTS ? v : COWSCOPE_VERDICT_UNKNOWN]++;
	}
}

/* The columns: sums of verdicts. */
#define V(what)	(1u << COWSCOPE_VERDICT_##what)
#define COPIES	(V(PIN_LOST) | V(MAYBE_LOST) | V(NEEDED) | V(SUPERFLUOUS) | V(UNKNOWN))
#define REUSES	(V(LEAK) | V(FINE))

static const struct {
	const char *name;
	u32 verdicts;
	enum color paint;
} columns[] = {
	{ "faults", COPIES | REUSES, COLOR_NONE },
	{ "copies", COPIES, COLOR_NONE },
	{ "superfluous", V(SUPERFLUOUS), COLOR_WARN },
	{ "pin_lost", V(PIN_LOST), COLOR_BAD },
	{ "maybe_lost", V(MAYBE_LOST), COLOR_WARN },
	{ "needed", V(NEEDED), COLOR_NONE },
	{ "unknown", V(UNKNOWN), COLOR_NONE },
	{ "reuses", REUSES, COLOR_NONE },
	{ "leak", V(LEAK), COLOR_BAD },
	{ "undecided", V(NONE), COLOR_NONE },
};

static u64 sum(const u64 *count, u32 verdicts)
{
	unsigned int v;
	u64 n = 0;

	for (v = 0; v < COWSCOPE_VERDICTS; v++)
		if (verdicts & 1u << v)
			n += count[v];
	return n;
}

/* The kernel's rule came with the bit. */
static bool cannot_say(unsigned int rule, unsigned int in_force)
{
	return rule == COWSCOPE_RULE_EXCLUSIVE && in_force != COWSCOPE_RULE_EXCLUSIVE;
}

static void print_json(const struct rulings *s, unsigned int in_force)
{
	unsigned int rule;
	size_t i;

	for (rule = 0; rule < COWSCOPE_RULES; rule++) {
		bool silent = cannot_say(rule, in_force);
		struct json_object *object = json_object_new_object();

		json_add(object, "report", "rule");
		json_add(object, "rule", cowscope_rule_name(rule));
		json_object_object_add(object, "in_force",
				       json_object_new_boolean(rule == in_force));
		for (i = 0; i < ARRAY_SIZE(columns); i++)
			json_object_object_add(object, columns[i].name, silent ? NULL :
				json_object_new_uint64(sum(s->count[rule], columns[i].verdicts)));
		json_add(object, "reason", silent ? no_exclusive : NULL);
		json_print(object);
	}
}

void rulings_print(const struct rulings *s, unsigned int in_force)
{
	struct table *t;
	unsigned int rule;
	size_t i;

	if (output.json) {
		print_json(s, in_force);
		return;
	}
	/* Every fault counts under each of them. */
	if (!sum(s->count[COWSCOPE_RULE_MAPCOUNT], ~0u))
		return;
	printf("\nWhat each rule makes of these faults (*: in force):\n");
	t = table_new("rule >faults >copies >superfluous >pin_lost >maybe_lost >needed >unknown >reuses >leak >undecided");
	for (rule = 0; rule < COWSCOPE_RULES; rule++) {
		if (cannot_say(rule, in_force)) {
			table_line(t, "%-*s  %s", (int)strlen("page_count *"),
				   cowscope_rule_name(rule), no_exclusive);
			continue;
		}
		table_cell(t, COLOR_NONE, "%s%s", cowscope_rule_name(rule),
			   rule == in_force ? " *" : "");
		for (i = 0; i < ARRAY_SIZE(columns); i++) {
			u64 n = sum(s->count[rule], columns[i].verdicts);

			table_cell(t, n ? columns[i].paint : COLOR_NONE, "%llu",
				   (unsigned long long)n);
		}
	}
	table_print(t);
}
