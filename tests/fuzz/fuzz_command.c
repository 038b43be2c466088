// SPDX-License-Identifier: GPL-2.0
/*
 * Whole command lines, one argument a line, where the module is not loaded: what is
 * wrong with the arguments is said before that is noticed. Not `status`, which makes
 * an experiment, nor `run`, which would open any file; `list` reads nothing.
 */
#include "fuzz.h"

#include "cowscope.h"
#include "output.h"
#include "recording.h"

#define ARGUMENTS	8

/* A recording with one record for @FILE. */
static const char *recording(void)
{
	struct {
		struct cowscope_file_header header;
		struct cowscope_record record;
	} file = {
		.header = { .magic = COWSCOPE_FILE_MAGIC, .header_size = sizeof(file.header),
			    .record_size = sizeof(file.record), .records = 1 },
		.record = { .type = COWSCOPE_EVENT_COW_FAULT, .addr = 0x7f0000000000 },
	};

	return file_of(&file, sizeof(file));
}

static bool is_subcommand(const char *argument)
{
	static const char *const names[] = { "trace", "report", "record", "stat", "page", "list",
					     "help" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(argument, names[i]))
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[ARGUMENTS][1024];
	struct input in = { data, size };
	char *argv[ARGUMENTS + 2] = { "cowscope" };
	const char *file = recording();
	const struct printed *p;
	int argc = 1;

	while (in.left && argc <= ARGUMENTS) {
		argv[argc] = text[argc - 1];
		take_string(&in, argv[argc], sizeof(text[0]));
		if (!strcmp(argv[argc], "@FILE"))
			strcpy(argv[argc], file);
		argc++;
	}
	/* An option of all subcommands may come first. */
	if (argc < 2 || !(is_subcommand(argv[1]) || (argc > 2 && *argv[1] == '-' &&
						      is_subcommand(argv[2]))))
		return -1;
	output.json = false;
	output.color = false;
	p = printed(cowscope_main, argc, argv);
	HOLDS(p->status >= 0 && (p->status <= 2 || p->status == 4), "%d", p->status);
	check_text(p->err, p->err_size);
	if (output.json && p->status != EXIT_SUCCESS) {
		HOLDS(!p->err_size, "%s", p->err);
		HOLDS(check_json(p->out, NULL, NULL));
	} else {
		HOLDS(p->status != EXIT_USAGE || p->err_size);
	}
	return 0;
}
