/* SPDX-License-Identifier: GPL-2.0 */
/* Scenarios as declared by their Lua files, built in or a user's own. */
#ifndef COWSCOPE_SCENARIO_H
#define COWSCOPE_SCENARIO_H

#include <lua.h>

#include "pure.h"
#include <linux/cowscope.h>

/* One telling of a scenario: its story with one kind of holder. */
struct variant {
	const char *holder;	/* NULL if the scenario declares no holders */
	/* Under each rule, and each of large folios; see judge.h. NULL: nothing. */
	const char *expect[COWSCOPE_RULES][COWSCOPE_LARGE_RULES];
	const char *finding;	/* why it is not what the rule says, or NULL */
	const char *by_rule;	/* what the rule says then */
};

struct scenario {
	char *name;		/* the file's name without .lua */
	char *file;		/* as messages call it */
	char *text;		/* the whole file */
	const char *title;
	struct variant *variant;
	size_t variants;
	bool is_sweep;		/* to be predicted by sweep_predict() */
	lua_State *lua;		/* has run the file: story() is defined */
};

/* The name of the sweep, which is built in, too. */
#define SCENARIO_SWEEP "sweep"

/**
 * scenario_builtins - the names of the built-in scenarios, in telling order
 *
 * But for the sweep. Ends with NULL.
 */
const char *const *scenario_builtins(void);

/**
 * scenario_load - find a scenario, run its file, check what it declares
 * @s: filled in
 * @what: name of a built-in scenario, or a file: has a '/' or ends in ".lua"
 *
 * Returns NULL, or what is wrong; the text is valid until the next call.
 */
const char *scenario_load(struct scenario *s, const char *what);

/**
 * scenario_free - undo scenario_load()
 * @s: the scenario
 */
void scenario_free(struct scenario *s);

/**
 * scenario_line - one line of the scenario's file, without blanks around it
 * @s: the scenario
 * @line: counted from 1
 * @length: of the text returned
 */
const char *scenario_line(const struct scenario *s, int line, size_t *length);

#endif
