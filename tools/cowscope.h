/* SPDX-License-Identifier: GPL-2.0 */
/* What the subcommands of cowscope share: their table, options, exit codes. */
#ifndef COWSCOPE_TOOL_H
#define COWSCOPE_TOOL_H

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "version.h"

#define __printf(string, first)	__attribute((format(gnu_printf, string, first)))

/* Exit codes besides EXIT_SUCCESS (0) and EXIT_FAILURE (1). */
enum {
	EXIT_USAGE = 2,		/* bad arguments */
	EXIT_SKIP = 4,		/* kselftest's: nothing could be tested */
};

/**
 * struct command - one subcommand
 * @name: as the user types it
 * @run: its main(); argv[0] is the name
 * @args: what may follow the name, for the usage line
 * @does: what it does, in one line
 * @help: its options and whatever else --help should say, or NULL
 */
struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *args;
	const char *does;
	const char *help;
};

int cmd_status(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_page(int argc, char **argv);

/**
 * next_option - getopt_long() that deals with the common options itself
 * @argc: of the subcommand
 * @argv: of the subcommand
 * @shorts: the subcommand's own short options, as getopt() has them
 * @longs: its own long options, at most 8 and an end of zeros, or NULL
 *
 * --json, --color and --help are known without being in @longs. Returns an
 * option of the subcommand's own, or -1 at the end. Does not return on --help
 * or a wrong option.
 */
int next_option(int argc, char **argv, const char *shorts, const struct option *longs);

/**
 * usage_error - say what is wrong with the arguments, point to --help, exit
 * @format: as printf()'s
 */
_Noreturn void usage_error(const char *format, ...) __printf(1, 2);

#endif
