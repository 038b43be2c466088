// SPDX-License-Identifier: GPL-2.0
/* cowscope list: the built-in scenarios. */
#include "cowscope.h"
#include "output.h"
#include "show.h"

static void list_row(struct table *t, const struct scenario *s)
{
	char holders[256] = "";
	size_t i, n = 0;

	for (i = 0; i < s->variants && n < sizeof(holders); i++)
		n += snprintf(holders + n, sizeof(holders) - n, "%s%s", i ? " " : "",
			      s->variant[i].holder ? s->variant[i].holder : "-");
	table_cell(t, COLOR_BOLD, "%s", s->name);
	table_cell(t, COLOR_DIM, "%s", holders);
	table_cell(t, COLOR_NONE, "%s", s->title);
}

int cmd_list(int argc, char **argv)
{
	const char *const *name = scenario_builtins();
	struct table *t = NULL;
	struct scenario s;
	const char *wrong;

	if (next_option(argc, argv, "", NULL) >= 0 || optind < argc)
		usage_error("list takes no arguments");
	if (!output.json)
		t = table_new("NAME HOLDERS STORY");
	for (; *name; name++) {
		wrong = scenario_load(&s, *name);
		if (wrong)
			return fail("%s", wrong);
		if (t)
			list_row(t, &s);
		else
			json_print(scenario_json(&s));
		scenario_free(&s);
	}
	if (t)
		table_print(t);
	return finish(EXIT_SUCCESS);
}
