// SPDX-License-Identifier: GPL-2.0
/* cowscope run: tell stories, check what comes of them. */
#include "cowscope.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "judge.h"
#include "number.h"
#include "output.h"
#include "show.h"
#include "sweep.h"

/* A guest without KVM on a loaded machine is slow; a hang is slower. */
#define TIMEOUT_S 60

static const struct option options[] = {
	{ "ktap", no_argument, NULL, 'k' },
	{ "sweep", no_argument, NULL, 's' },
	{ "trace", no_argument, NULL, 't' },
	{ "timeout", required_argument, NULL, 'T' },
	{ 0 }
};

const char *outcome_name(const struct scenario *s, const struct variant *v)
{
	static char name[128];

	snprintf(name, sizeof(name), "%s%s%s", s->name, v->holder ? "." : "",
		 v->holder ? v->holder : "");
	return name;
}

void show_why(const struct outcome *o, const char *prefix)
{
	const char *line = o->why;

	while (*line) {
		size_t length = strcspn(line, "\n");

		printf("%s%.*s\n", prefix, (int)length, line);
		line += length + (line[length] == '\n');
	}
}

/* Keeps the variants that "NAME.HOLDER" asks for: HOLDER, or what it begins. */
static const char *pick(struct scenario *s, const char *holder)
{
	const size_t length = strlen(holder);
	static char text[256];
	size_t i, n = 0;

	for (i = 0; i < s->variants; i++) {
		const char *name = s->variant[i].holder;

		if (name && !strncmp(name, holder, length) &&
		    (!name[length] || name[length] == '.'))
			s->variant[n++] = s->variant[i];
	}
	s->variants = n;
	if (n)
		return NULL;
	snprintf(text, sizeof(text), s->is_sweep ? "the %s has no case %s" :
		 "%s has no holder %s; 'cowscope list' shows them", s->name, holder);
	return text;
}

static const char *load(struct scenario *s, const char *what)
{
	const char *dot = strchr(what, '.'), *wrong;
	char name[64];

	if (!dot || strchr(what, '/') || !strcmp(dot, ".lua") || dot - what >= (int)sizeof(name))
		return scenario_load(s, what);
	snprintf(name, sizeof(name), "%.*s", (int)(dot - what), what);
	wrong = scenario_load(s, name);
	return wrong ? wrong : pick(s, dot + 1);
}

static const char *load_sweep(struct scenario *s, const char *what)
{
	const char *wrong = scenario_load(s, SCENARIO_SWEEP);

	return wrong || !strcmp(what, SCENARIO_SWEEP) ? wrong : pick(s, what);
}

/* Loads what the arguments name, or all that is built in. */
static int make_plan(struct plan *p, const char *const *what)
{
	static const char *const all[] = { SCENARIO_SWEEP, NULL };
	size_t n = 0, i;

	if (!*what)
		what = p->sweep ? all : scenario_builtins();
	while (what[n])
		n++;
	p->scenario = calloc(n, sizeof(*p->scenario));
	if (!p->scenario)
		return fail("out of memory");
	for (i = 0; i < n; i++) {
		const char *wrong = (p->sweep ? load_sweep : load)(&p->scenario[i], what[i]);

		p->scenarios++;
		if (wrong)
			return fail("%s", wrong);
	}
	return EXIT_SUCCESS;
}

/* All of a scenario's variants; the worst result, and skipped if all were. */
static int run_scenario(const struct plan *p, const struct scenario *s, const struct show *show,
			unsigned int *count, enum result *worst)
{
	struct outcome o;
	size_t i;
	int err;

	*worst = RESULT_SKIP;
	for (i = 0; i < s->variants; i++) {
		err = story_run(&o, s, &s->variant[i], p->device, p->timeout);
		if (err)
			return fail("%s: cannot be begun: %s", outcome_name(s, &s->variant[i]),
				    strerror(-err));
		count[o.result]++;
		if (o.result == RESULT_NOT_OK || *worst == RESULT_SKIP)
			*worst = o.result;
		show->outcome(p, &o, i + 1);
		fflush(stdout);
		outcome_free(&o);
	}
	return EXIT_SUCCESS;
}

static int run_plan(const struct plan *p, const struct show *show)
{
	unsigned int count[RESULTS] = { 0 };
	const char *wrong;
	enum result result;
	size_t i;
	int status;

	for (i = 0; i < p->scenarios; i++) {
		if (!p->scenario[i].is_sweep)
			continue;
		wrong = sweep_predict(&p->scenario[i], p->device, p->timeout);
		if (wrong)
			return fail("%s", wrong);
	}
	if (show->begin)
		show->begin(p);
	for (i = 0; i < p->scenarios; i++) {
		if (show->scenario)
			show->scenario(&p->scenario[i]);
		status = run_scenario(p, &p->scenario[i], show, count, &result);
		if (status)
			return status;
		if (show->scenario_end)
			show->scenario_end(&p->scenario[i], i + 1, result);
	}
	if (show->end)
		show->end(count);
	if (count[RESULT_NOT_OK])
		return EXIT_FAILURE;
	return count[RESULT_OK] ? EXIT_SUCCESS : EXIT_SKIP;
}

/* Like record: switches recording on for as long as it takes. */
static int with_device(struct plan *p, const struct show *show)
{
	struct device d;
	int err, status;

	err = device_open(&d);
	if (err)
		return fail("%s", device_error(err));
	p->device = &d;
	status = device_switch(&d, COWSCOPE_RECORDING_ON);
	if (!status)
		status = run_plan(p, show);
	device_switch(&d, d.info.enabled);
	device_close(&d);
	p->device = NULL;
	return status;
}

int cmd_run(int argc, char **argv)
{
	const struct show *show = &show_table;
	struct plan plan = { .timeout = TIMEOUT_S };
	u64 seconds;
	size_t i;
	int opt, status;

	while ((opt = next_option(argc, argv, "t", options)) >= 0) {
		switch (opt) {
		case 'k':
			show = &show_ktap;
			break;
		case 's':
			plan.sweep = true;
			break;
		case 't':
			plan.trace = true;
			break;
		case 'T':
			if (!number_parse(optarg, false, &seconds) || !seconds || seconds > 86400)
				usage_error("--timeout=%s: not a number of seconds", optarg);
			plan.timeout = seconds;
			break;
		}
	}
	if (output.json && show == &show_ktap)
		usage_error("--json and --ktap: one of them");
	if (output.json && plan.trace)
		usage_error("--trace is for people; run it under 'cowscope record -o FILE --', then 'cowscope trace --json FILE'");
	if (output.json)
		show = &show_json;
	else if (plan.sweep && show == &show_table)
		show = &show_sweep;

	status = make_plan(&plan, (const char *const *)argv + optind);
	if (!status)
		status = with_device(&plan, show);
	for (i = 0; i < plan.scenarios; i++)
		scenario_free(&plan.scenario[i]);
	free(plan.scenario);
	return finish(status);
}
