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

/* Does this kernel depart from its rule in that way? */
static const char *try_finding(struct scenario *s, enum model_departure departure,
			       struct device *d, unsigned int timeout, struct model_kernel *k)
{
	struct variant v = { .holder = findings[departure].shown_by };
	struct model_kernel departed = *k;
	char by_rule[EXPECT], text[EXPECT];
	struct observed seen;
	const char *wrong;
	struct outcome o;

	departed.departures |= 1U << departure;
	wrong = predict(s->lua, v.holder, k, by_rule);
	if (!wrong)
		wrong = predict(s->lua, v.holder, &departed, text);
	if (wrong || !strcmp(text, by_rule))
		return wrong;
	if (story_run(&o, s, &v, d, timeout))
		return error("%s.%s cannot be begun", s->name, v.holder);
	seen = outcome_observed(&o);
	if (o.log->end == STORY_TOLD && judge(text, &seen) && !judge(by_rule, &seen))
		*k = departed;
	outcome_free(&o);
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
