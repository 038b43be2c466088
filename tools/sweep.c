// SPDX-License-Identifier: GPL-2.0
/* What the sweep's cases are to show, predicted by tools/model.c. */
#include "sweep.h"

#include <lauxlib.h>

#include "judge.h"
#include "model.h"
#include "story.h"

#define STEPS	32
#define EXPECT	512

/* The findings of doc/findings.md, each with the case that shows it. */
static const struct {
	const char *name;
	const char *shown_by;
} findings[MODEL_DEPARTURES] = {
	[MODEL_HUGETLB_BY_MAPCOUNT] = {
		"hugetlb-by-mapcount", "hugetlb.fork_exit.get_ro.before",
	},
	[MODEL_PMD_BY_MAPCOUNT] = { "pmd-by-mapcount", "pmd.fork_exit.get_ro.before" },
	[MODEL_FORK_SHARES_HUGETLB] = {
		"fork-shares-pinned-hugetlb", "hugetlb.fork.pin_ro.before",
	},
	[MODEL_CLEAR_REFS_PINNED_PMD] = {
		"clear-refs-pinned-pmd", "pmd.clear_refs.pin_ro.before",
	},
	[MODEL_LONGTERM_NOT_UNSHARED] = {
		"longterm-not-unshared", "zero.none.pin_ro_longterm.before",
	},
};

static char error_text[256];

static const char *error(const char *format, const char *what, const char *which)
{
	snprintf(error_text, sizeof(error_text), format, what, which);
	return error_text;
}

/* What the model makes of a case; the script says which steps it is made of. */
static const char *predict(lua_State *L, const char *name, const struct model_kernel *k,
			   char *text)
{
	const char *steps[STEPS + 1] = { NULL }, *wrong;
	size_t n, i;

	lua_getglobal(L, "steps");
	lua_pushstring(L, name);
	lua_call(L, 1, 1);
	n = lua_istable(L, -1) ? lua_rawlen(L, -1) : 0;
	if (!n || n > STEPS)
		return error("sweep: no steps, or too many: %s%s", name, "");
	for (i = 0; i < n; i++) {
		lua_rawgeti(L, -1, i + 1);
		/* The script's table keeps the text alive. */
		steps[i] = lua_tostring(L, -1);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	wrong = model_predict(text, EXPECT, steps, k);
	return wrong ? error("sweep: %s: the model knows no step \"%s\"", name, wrong) : NULL;
}

/*
 * Tells the case that shows a finding: 1 if it did as @departed says, 0 if as
 * @by_rule, -1 if it did neither. Who looks the page up meanwhile holds it, too,
 * and spoils the counts: then it is told again.
 */
static int show_finding(struct scenario *s, const char *name, const char *departed,
			const char *by_rule, struct device *d, unsigned int timeout)
{
	struct variant v = { .holder = name };
	struct observed seen;
	struct outcome o;
	int tries, shown = -1;

	for (tries = 0; tries < 3 && shown < 0; tries++) {
		if (story_run(&o, s, &v, d, timeout))
			break;
		seen = outcome_observed(&o);
		if (o.result == RESULT_OK && judge(departed, &seen))
			shown = 1;
		else if (o.result == RESULT_OK && judge(by_rule, &seen))
			shown = 0;
		outcome_free(&o);
	}
	return shown;
}

/* Does this kernel depart from its rule in that way? */
static const char *try_finding(struct scenario *s, enum model_departure departure,
			       struct device *d, unsigned int timeout, struct model_kernel *k)
{
	const char *name = findings[departure].shown_by, *wrong;
	struct model_kernel departed = *k;
	char by_rule[EXPECT], text[EXPECT];

	departed.departures |= 1U << departure;
	wrong = predict(s->lua, name, k, by_rule);
	if (!wrong)
		wrong = predict(s->lua, name, &departed, text);
	if (wrong || !strcmp(text, by_rule))
		return wrong;
	/* What cannot be told here is skipped, or deviates, in the sweep itself. */
	if (show_finding(s, name, text, by_rule, d, timeout) > 0)
		*k = departed;
	return NULL;
}

/* A text that lives as long as the scenario. */
static const char *keep(lua_State *L, const char *text)
{
	const char *kept = lua_pushstring(L, text);

	luaL_ref(L, LUA_REGISTRYINDEX);
	return kept;
}

/* The findings without any of which a case would be predicted otherwise. */
static const char *name_findings(struct scenario *s, const char *name, const char *expect,
				 const struct model_kernel *k, char *names)
{
	unsigned int i;
	size_t n = 0;

	names[0] = '\0';
	for (i = 0; i < MODEL_DEPARTURES; i++) {
		struct model_kernel without = *k;
		char text[EXPECT];
		const char *wrong;

		without.departures &= ~(1U << i);
		if (without.departures == k->departures)
			continue;
		wrong = predict(s->lua, name, &without, text);
		if (wrong)
			return wrong;
		if (strcmp(text, expect) && n < EXPECT)
			n += snprintf(names + n, EXPECT - n, "%s%s", n ? " and " : "",
				      findings[i].name);
	}
	return NULL;
}

static const char *predict_variant(struct scenario *s, struct variant *v,
				   const struct model_kernel *k)
{
	struct model_kernel faithful = { .rule = k->rule, .large = k->large };
	char text[EXPECT], by_rule[EXPECT], names[EXPECT];
	const char *wrong;

	wrong = predict(s->lua, v->holder, k, text);
	if (!wrong)
		wrong = predict(s->lua, v->holder, &faithful, by_rule);
	if (wrong)
		return wrong;
	wrong = judge_syntax(text);
	if (wrong)
		return error("sweep: %s: %s", v->holder, wrong);
	v->expect[k->rule][k->large] = keep(s->lua, text);
	if (!strcmp(text, by_rule))
		return NULL;
	wrong = name_findings(s, v->holder, text, k, names);
	if (wrong)
		return wrong;
	v->finding = keep(s->lua, names);
	v->by_rule = keep(s->lua, by_rule);
	return NULL;
}

const char *sweep_predict(struct scenario *s, struct device *d, unsigned int timeout)
{
	struct model_kernel k = { .rule = d->info.rule, .large = d->info.large_rule };
	const char *wrong = NULL;
	unsigned int i;
	size_t n;

	if (k.rule >= COWSCOPE_RULES || k.large >= COWSCOPE_LARGE_RULES)
		return "sweep: the module does not know the rule of this kernel";
	for (i = 0; i < MODEL_DEPARTURES && !wrong; i++)
		wrong = try_finding(s, i, d, timeout, &k);
	for (n = 0; n < s->variants && !wrong; n++)
		wrong = predict_variant(s, &s->variant[n], &k);
	return wrong;
}
