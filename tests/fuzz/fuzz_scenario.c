// SPDX-License-Identifier: GPL-2.0
/*
 * What a scenario file declares: any Lua value wherever one is looked at. The input
 * chooses the values, so that no file of it loops or opens others.
 */
#include "fuzz.h"

#include <lua.h>

#include "judge.h"
#include "scenario.h"

struct lua {
	char text[4096];
	size_t n;
};

static void put(struct lua *l, const char *text)
{
	size_t n = strlen(text);

	if (l->n + n < sizeof(l->text)) {
		memcpy(l->text + l->n, text, n + 1);
		l->n += n;
	}
}

static void put_string(struct lua *l, struct input *in)
{
	static const char *const words[] = { "B none", "A copy pin_lost", "get_ro", "exclusive",
					     "page_count", "never", "or", "\\0", "\\n\\27[31m" };
	char bytes[16], escaped[8];
	const char *p;

	put(l, "\"");
	if (take_below(in, 4)) {
		put(l, words[take_below(in, ARRAY_SIZE(words))]);
	} else {
		take_string(in, bytes, sizeof(bytes));
		for (p = bytes; *p; p++) {
			snprintf(escaped, sizeof(escaped), "\\%03u", (unsigned char)*p);
			put(l, escaped);
		}
	}
	put(l, "\"");
}

static void put_value(struct lua *l, struct input *in, int depth)
{
	static const char *const simple[] = {
		"nil", "true", "12", "1.5", "-1", "print", "0x7fffffffffffffff", "\"x\"",
	};
	static const char *const odd[] = {
		"setmetatable({}, { __index = function() error \"index\" end })",
		"setmetatable({}, { __index = function(t, key) return \"B none\" .. (\" \"):rep(#key) end })",
		"setmetatable({}, { __tostring = function() error \"text\" end })",
		"setmetatable({}, { __len = function() return 1 << 40 end })",
		"setmetatable({ \"a\" }, { __tostring = function() return 1 end })",
		"string.rep(\"long \", 300)", "coroutine.create(print)", "#\"text\" .. \"made\"",
	};
	static const char *const keys[] = {
		"title", "holders", "expect", "mapcount", "page_count", "exclusive", "as_small",
		"never", "mappings", "get_ro", "x",
	};
	unsigned int i, n;

	switch (take_below(in, depth < 4 ? 6 : 4)) {
	case 0:
	case 1:
		put_string(l, in);
		break;
	case 2:
		put(l, simple[take_below(in, ARRAY_SIZE(simple))]);
		break;
	case 3:
		put(l, odd[take_below(in, ARRAY_SIZE(odd))]);
		break;
	default:
		put(l, "{ ");
		for (i = 0, n = take_below(in, 5); i < n; i++) {
			if (take_below(in, 2)) {
				put(l, keys[take_below(in, ARRAY_SIZE(keys))]);
				put(l, " = ");
			}
			put_value(l, in, depth + 1);
			put(l, ", ");
		}
		put(l, "}");
	}
}

/* Everything that was read is still there, and what was not is not used. */
static void check(struct scenario *s)
{
	unsigned int rule, large;
	size_t i, length;

	lua_gc(s->lua, LUA_GCCOLLECT, 0);
	check_text(s->title, strlen(s->title));
	HOLDS(!strchr(s->title, '\n'));
	HOLDS(s->variants >= 1 && s->variants < 100000);
	for (i = 0; i < s->variants; i++) {
		struct variant *v = &s->variant[i];

		HOLDS(v->holder || s->variants == 1);
		if (v->holder)
			check_text(v->holder, strlen(v->holder));
		for (rule = 0; rule < COWSCOPE_RULES; rule++)
			for (large = 0; large < COWSCOPE_LARGE_RULES; large++)
				HOLDS(!v->expect[rule][large] ||
				      !judge_syntax(v->expect[rule][large]));
	}
	scenario_line(s, 2, &length);
	HOLDS(length < sizeof(struct lua));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct lua l = { .n = 0 };
	struct scenario s;
	const char *wrong;

	switch (take_below(&in, 8)) {
	case 0:
		put(&l, "error(");
		put_value(&l, &in, 0);
		put(&l, ")\n");
		break;
	case 1:
		put(&l, "scenario(");
		put_value(&l, &in, 0);
		put(&l, ")\n");
		break;
	default:
		put(&l, "scenario { title = ");
		if (take_below(&in, 4))
			put_string(&l, &in);
		else
			put_value(&l, &in, 1);
		put(&l, ", holders = ");
		put_value(&l, &in, 1);
		put(&l, ", expect = ");
		put_value(&l, &in, 1);
		put(&l, " }\n");
	}
	put(&l, take_below(&in, 8) ? "function story() end\n" : "story = 1\n");
	wrong = scenario_load(&s, file_of(l.text, l.n));
	if (wrong)
		HOLDS(*wrong && strlen(wrong) < 512);
	else
		check(&s);
	scenario_free(&s);
	return 0;
}
