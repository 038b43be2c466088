// SPDX-License-Identifier: GPL-2.0
/* Outcomes for programs: one JSON object for each, and one for each scenario. */
#include "show.h"

#include <sys/utsname.h>

#include "format.h"
#include "judge.h"
#include "output.h"
#include "reason.h"

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

struct json_object *scenario_json(const struct scenario *s)
{
	struct json_object *object = json_object_new_object();
	struct json_object *holders = json_object_new_array();
	size_t i;

	for (i = 0; i < s->variants; i++)
		if (s->variant[i].holder)
			json_object_array_add(holders,
					      json_object_new_string(s->variant[i].holder));
	json_add(object, "name", s->name);
	json_object_object_add(object, "holders", holders);
	json_add(object, "title", s->title);
	return object;
}

static void scenario(const struct scenario *s)
{
	struct json_object *object = scenario_json(s);

	json_add(object, "source", s->text);
	json_print(object);
}

/* When the trace says that a step began: ns, 0 if the mark was lost. */
static u64 began(const struct outcome *o, const struct story_step *step)
{
	size_t i;

	for (i = 0; i < o->records.count; i++)
		if (outcome_step(o, &o->records.record[i]) == step)
			return o->records.record[i].ts;
	return 0;
}

static struct json_object *step_json(const struct outcome *o, const struct story_step *step)
{
	struct json_object *object = json_object_new_object();

	json_add_number(object, "pid", step->pid);
	json_add(object, "line", step->text);
	json_add_number(object, "begin", began(o, step));
	json_add_number(object, "end", step->end);
	json_add(object, "got", *step->got ? step->got : NULL);
	json_object_object_add(object, "page", step->page.pte ? state_json(&step->page) : NULL);
	json_object_object_add(object, "held", step->held.pte ? state_json(&step->held) : NULL);
	return object;
}

/* The story: its steps, and the records that do not merely begin one. */
static void add_story(struct json_object *object, const struct plan *p, const struct outcome *o)
{
	struct json_object *steps = json_object_new_array();
	struct json_object *records = json_object_new_array();
	struct cowscope_task task;
	size_t i;

	for (i = 0; i < outcome_steps(o); i++)
		json_object_array_add(steps, step_json(o, &o->log->step[i]));
	/* The first is the mark with the scenario's name. */
	for (i = 1; i < o->records.count; i++) {
		const struct cowscope_record *r = &o->records.record[i];

		if (!outcome_step(o, r))
			json_object_array_add(records, record_json(r,
					      device_task(p->device, r->pid, &task) ?
					      task.comm : NULL));
	}
	json_object_object_add(object, "steps", steps);
	json_object_object_add(object, "records", records);
}

static void outcome(const struct plan *p, const struct outcome *o, size_t number)
{
	static const char *const results[RESULTS] = {
		[RESULT_OK] = "ok", [RESULT_NOT_OK] = "not ok", [RESULT_SKIP] = "skip",
	};
	static const char *const absent[] = { "refcount", "mapcount", "exclusive", "pinned" };
	const struct observed seen = outcome_observed(o);
	struct json_object *object = json_object_new_object();
	char text[REASON_MAX];
	struct utsname u;
	size_t i;

	reason(text, sizeof(text), &seen, o->rule);
	json_add(object, "scenario", o->scenario->name);
	json_add(object, "holder", o->variant->holder);
	json_add(object, "title", o->scenario->title);
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
	/* Of a story that was not told to its end nothing can be said. */
	json_add(object, "reason", o->log->end == STORY_TOLD ? text : NULL);
	json_add_number(object, "pid", o->pid);
	add_story(object, p, o);
	json_print(object);
}

const struct show show_json = { .scenario = scenario, .outcome = outcome };
