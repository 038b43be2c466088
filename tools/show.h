/* SPDX-License-Identifier: GPL-2.0 */
/* The ways to print what came of scenarios: a table, KTAP, JSON. */
#ifndef COWSCOPE_SHOW_H
#define COWSCOPE_SHOW_H

#include "device.h"
#include "output.h"
#include "scenario.h"
#include "story.h"

/* What is going to be run. */
struct plan {
	struct scenario *scenario;
	size_t scenarios;
	struct device *device;		/* open for reading; a story opens its own */
	unsigned int timeout;		/* seconds that a story may take */
	bool trace;			/* tell each story with its trace */
	bool sweep;			/* of the sweep, and only what deviates */
};

/* One way to print; a member that has nothing to do is NULL. */
struct show {
	void (*begin)(const struct plan *p);
	void (*scenario)(const struct scenario *s);
	void (*outcome)(const struct plan *p, const struct outcome *o, size_t number);
	void (*scenario_end)(const struct scenario *s, size_t number, enum result result);
	void (*end)(const unsigned int count[RESULTS]);
};

extern const struct show show_table, show_ktap, show_json, show_sweep;

/**
 * outcome_name - "SCENARIO.HOLDER", or "SCENARIO" without holders
 * @s: the scenario
 * @v: with which holder
 *
 * The text is valid until the next call.
 */
const char *outcome_name(const struct scenario *s, const struct variant *v);

/**
 * show_why - print why the outcome is what it is, if there is anything to say
 * @o: the outcome
 * @prefix: begins each line
 */
void show_why(const struct outcome *o, const char *prefix);

/**
 * scenario_json - name, holders and title of a scenario as an object
 * @s: the scenario
 */
struct json_object *scenario_json(const struct scenario *s);

/**
 * retell - print a story's steps, and below each what the trace has of it
 * @o: the outcome
 * @d: the device, for names
 * @prefix: begins each line
 */
void retell(const struct outcome *o, const struct device *d, const char *prefix);

#endif
