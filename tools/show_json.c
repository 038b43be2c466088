// SPDX-License-Identifier: GPL-2.0
/* Outcomes for programs: one JSON object for each. */
#include "show.h"

#include <sys/utsname.h>

#include "format.h"
#include "judge.h"
#include "output.h"

/* Only what describes the page; the decision is there already. */
static void add_page(void *ctx, const char *key, const char *value, bool number)
{
	static const char *const told[] = { "refcount", "mapcount", "exclusive", "pinned" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(told); i++) {
		if (strcmp(key, told[i]))
			continue;
		if (number)
			json_object_object_add(ctx, key, json_object_new_int64(atoll(value)));
		else if (strcmp(value, "-"))
			json_add(ctx, key, value);
	}
}

static void outcome(const struct plan *p, const struct outcome *o, size_t number)
{
	static const char *const results[RESULTS] = {
		[RESULT_OK] = "ok", [RESULT_NOT_OK] = "not ok", [RESULT_SKIP] = "skip",
	};
	static const char *const absent[] = { "refcount", "mapcount", "exclusive", "pinned" };
	const struct observed seen = outcome_observed(o);
	struct json_object *object = json_object_new_object();
	struct utsname u;
	size_t i;

	json_add(object, "scenario", o->scenario->name);
	json_add(object, "holder", o->variant->holder);
	json_add(object, "saw", seen.saw);
	json_add(object, "decision", judge_decision(seen.fault));
	json_add(object, "verdict", seen.fault ? judge_verdict(seen.fault) : NULL);
	for (i = 0; i < ARRAY_SIZE(absent); i++)
		json_add(object, absent[i], NULL);
	if (seen.fault)
		cowscope_fields(seen.fault, add_page, object);
	json_object_object_add(object, "early_copy", json_object_new_boolean(
			       seen.events >> COWSCOPE_EVENT_EARLY_COPY & 1));
	json_add(object, "rule", cowscope_rule_name(o->rule));
	json_add(object, "kernel", uname(&u) ? NULL : u.release);
	json_add(object, "result", results[o->result]);
	json_add(object, "expected", o->expect);
	json_add(object, "why", *o->why ? o->why : NULL);
	json_print(object);
}

const struct show show_json = { .outcome = outcome };
