// SPDX-License-Identifier: GPL-2.0
/* Finding scenarios, running their files, reading what they declare. */
#include "scenario.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdarg.h>
#include <stdlib.h>

#include "cowscope.h"
#include "format.h"
#include "judge.h"
#include "prim.h"
#include "text.h"

static const struct {
	const char *name;
	const char *text;
} files[] = {
#include "scenario_files.h"
};

static char error_text[512];

static __printf(1, 2) const char *error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error_text, sizeof(error_text), format, args);
	va_end(args);
	return error_text;
}

const char *const *scenario_builtins(void)
{
	static const char *names[ARRAY_SIZE(files) + 1];
	size_t i, n = 0;

	for (i = 0; i < ARRAY_SIZE(files); i++)
		if (strcmp(files[i].name, SCENARIO_SWEEP))
			names[n++] = files[i].name;
	return names;
}

/* How many letters to change, add or drop to make b of a. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[32], i, j, corner, above;
	unsigned int length = strlen(b);

	if (length >= ARRAY_SIZE(row))
		return ~0U;
	for (j = 0; j <= length; j++)
		row[j] = j;
	for (i = 1; a[i - 1]; i++) {
		corner = row[0];
		row[0] = i;
		for (j = 1; j <= length; j++) {
			above = row[j];
			row[j] = corner + (a[i - 1] != b[j - 1]);
			if (row[j] > above + 1)
				row[j] = above + 1;
			if (row[j] > row[j - 1] + 1)
				row[j] = row[j - 1] + 1;
			corner = above;
		}
	}
	return row[length];
}

static const char *unknown(const char *name)
{
	char near[256] = "";
	size_t i, n = 0;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		if (distance(name, files[i].name) > 3 && !strstr(files[i].name, name) &&
		    !strstr(name, files[i].name))
			continue;
		if (n < sizeof(near))
			n += snprintf(near + n, sizeof(near) - n, "%s%s",
				      n ? ", " : "; did you mean ", files[i].name);
	}
	return error("no scenario %s%s%s", name, near,
		     *near ? "?" : "; 'cowscope list' shows all, a file needs a '/' or \".lua\"");
}

/* Reads a whole file; NULL with errno set if it cannot. */
static char *slurp(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (!f)
		return NULL;
	if (getdelim(&text, &size, '\0', f) < 0 && !feof(f)) {
		free(text);
		text = NULL;
	} else if (!text) {
		text = strdup("");
	}
	fclose(f);
	return text;
}

static const char *find(struct scenario *s, const char *what)
{
	const char *base = strrchr(what, '/');
	size_t i, length = strlen(what);

	if (base || (length > 4 && !strcmp(what + length - 4, ".lua"))) {
		base = base ? base + 1 : what;
		s->file = strdup(what);
		s->name = strndup(base, strcspn(base, "."));
		s->text = slurp(what);
		return s->text ? NULL : error("%s: %s", what, strerror(errno));
	}

	for (i = 0; i < ARRAY_SIZE(files); i++)
		if (!strcmp(files[i].name, what))
			break;
	if (i == ARRAY_SIZE(files))
		return unknown(what);
	s->is_sweep = !strcmp(what, SCENARIO_SWEEP);
	s->name = strdup(what);
	s->text = strdup(files[i].text);
	return asprintf(&s->file, "%s.lua", what) < 0 ? error("out of memory") : NULL;
}

/* Puts a field of the table on top of the stack there; no metamethod has a say. */
static int get_field(lua_State *L, const char *key)
{
	lua_pushstring(L, key);
	return lua_rawget(L, -2);
}

/* Has the table on top of the stack one of these names for a key? */
static bool is_by(lua_State *L, const char *(*name)(unsigned int value), unsigned int values)
{
	bool found = false;

	while (!found && values--) {
		found = get_field(L, name(values)) != LUA_TNIL;
		lua_pop(L, 1);
	}
	return found;
}

/* Takes what the table on top of the stack has for a key in its place. */
static void descend(lua_State *L, const char *key)
{
	get_field(L, key);
	lua_remove(L, -2);
}

/*
 * What `expect` says for one rule, one of large folios and one holder: a text for
 * all, or tables in that order, of which any may be left out. The declaration is
 * on top of the stack.
 */
static const char *expectation(lua_State *L, unsigned int rule, unsigned int large,
			       const char *holder)
{
	const char *text;

	get_field(L, "expect");
	if (lua_istable(L, -1) && is_by(L, cowscope_rule_name, COWSCOPE_RULES))
		descend(L, cowscope_rule_name(rule));
	if (lua_istable(L, -1) && is_by(L, cowscope_large_rule_name, COWSCOPE_LARGE_RULES))
		descend(L, cowscope_large_rule_name(large));
	if (lua_istable(L, -1) && holder)
		descend(L, holder);
	/* The table keeps the text alive as long as the interpreter lives. */
	text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
	lua_pop(L, 1);
	return text;
}

/* One holder's expectations; the declaration is on top of the stack. */
static const char *read_variant(struct scenario *s, struct variant *v, const char *holder)
{
	unsigned int rule, large;
	const char *text, *wrong;

	v->holder = holder;
	for (rule = 0; rule < COWSCOPE_RULES; rule++) {
		for (large = 0; large < COWSCOPE_LARGE_RULES; large++) {
			text = expectation(s->lua, rule, large, holder);
			wrong = text ? judge_syntax(text) : NULL;
			if (wrong)
				return error("%s: expect \"%s\": %s", s->file, text, wrong);
			v->expect[rule][large] = text;
		}
	}
	return NULL;
}

/* A misspelt key would silently expect nothing. */
static const char *check_keys(struct scenario *s)
{
	static const char *const known[] = { "title", "holders", "expect" };
	lua_State *L = s->lua;
	size_t i;

	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";

		for (i = 0; i < ARRAY_SIZE(known) && strcmp(key, known[i]); i++)
			;
		if (i == ARRAY_SIZE(known))
			return error("%s: scenario{} has no field \"%s\": title, holders, expect",
				     s->file, key);
	}
	return NULL;
}

/* The text on top of the stack, NULL if there is none or more than one line of it. */
static const char *one_line(lua_State *L)
{
	const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL, *p;

	for (p = text; p && *p; p++)
		if (text_control(p, 2))
			return NULL;
	return text;
}

/* Reads the declaration on top of the stack. */
static const char *read_declaration(struct scenario *s)
{
	const char *wrong = check_keys(s);
	lua_State *L = s->lua;
	size_t i;

	if (wrong)
		return wrong;
	get_field(L, "title");
	s->title = one_line(L);
	lua_pop(L, 1);
	if (!s->title)
		return error("%s: scenario{} needs a title, one line", s->file);

	get_field(L, "holders");
	s->variants = lua_istable(L, -1) ? lua_rawlen(L, -1) : 0;
	s->variant = calloc(s->variants ? s->variants : 1, sizeof(*s->variant));
	if (!s->variant)
		return error("out of memory");
	for (i = 0; i < s->variants; i++) {
		lua_rawgeti(L, -1, i + 1);
		s->variant[i].holder = one_line(L);
		lua_pop(L, 1);
		if (!s->variant[i].holder)
			return error("%s: holders[%zu] is no name", s->file, i + 1);
	}
	lua_pop(L, 1);
	if (!s->variants)
		s->variants = 1;

	for (i = 0; i < s->variants && !wrong; i++)
		wrong = read_variant(s, &s->variant[i], s->variant[i].holder);
	return wrong;
}

static const char *run_file(struct scenario *s)
{
	lua_State *L = s->lua;
	char chunk[256];
	const char *wrong;

	snprintf(chunk, sizeof(chunk), "@%s", s->file);
	if (luaL_loadbufferx(L, s->text, strlen(s->text), chunk, "t") ||
	    lua_pcall(L, 0, 0, 0))
		return error("%s", luaL_tolstring(L, -1, NULL));
	if (lua_getfield(L, LUA_REGISTRYINDEX, PRIM_DECLARATION) != LUA_TTABLE)
		return error("%s: declares nothing; begin with scenario { title = \"...\" }",
			     s->file);
	wrong = read_declaration(s);
	if (wrong)
		return wrong;
	if (lua_getglobal(L, "story") != LUA_TFUNCTION)
		return error("%s: has no function story(holder)", s->file);
	lua_settop(L, 0);
	return NULL;
}

/* What goes to load_protected() and comes back. */
struct loading {
	struct scenario *s;
	const char *wrong;
};

static int load_protected(lua_State *L)
{
	struct loading *l = lua_touserdata(L, 1);

	prim_open(L);
	l->wrong = run_file(l->s);
	return 0;
}

/* Errors may come of anything that Lua does: no memory, a metamethod of an error. */
static const char *load(struct scenario *s)
{
	struct loading l = { .s = s };

	lua_pushcfunction(s->lua, load_protected);
	lua_pushlightuserdata(s->lua, &l);
	if (lua_pcall(s->lua, 1, 0, 0))
		return error("%s", lua_type(s->lua, -1) == LUA_TSTRING ?
			     lua_tostring(s->lua, -1) : "an error that is no text");
	return l.wrong;
}

const char *scenario_load(struct scenario *s, const char *what)
{
	const char *wrong;

	memset(s, 0, sizeof(*s));
	wrong = find(s, what);
	if (!wrong) {
		s->lua = luaL_newstate();
		wrong = s->lua ? load(s) : error("out of memory");
	}
	return wrong;
}

void scenario_free(struct scenario *s)
{
	if (s->lua)
		lua_close(s->lua);
	free(s->variant);
	free(s->name);
	free(s->file);
	free(s->text);
}

const char *scenario_line(const struct scenario *s, int line, size_t *length)
{
	const char *text = s->text;

	while (--line > 0) {
		text += strcspn(text, "\n");
		if (!*text)
			break;
		text++;
	}
	text += strspn(text, " \t");
	*length = strcspn(text, "\n");
	return text;
}
