// SPDX-License-Identifier: GPL-2.0
/* cowscope: the table of subcommands and what is common to their options. */
#include "filter.h"
#include "output.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

static const struct command commands[] = {
	{ "status", cmd_status, "", "is the module loaded, what does it see, did it miss anything",
	  NULL },
	{ "list", cmd_list, "", "the scenarios", NULL },
	{ "run", cmd_run, "[OPTION]... [NAME|FILE]...", "play scenarios and check what comes of them",
	  "  --ktap             print KTAP, as kernel tests do\n"
	  "  --sweep            all combinations of holder, write-protector, mapping and\n"
	  "                     order, predicted by the rule in force; prints what deviates.\n"
	  "                     NAME begins a case's name, as hugetlb.fork_exit does\n"
	  "  -t, --trace        tell each story step by step, with what was recorded\n"
	  "  --timeout=SECONDS  for each story; 60\n"
	  "NAME is a scenario of 'cowscope list', or SCENARIO.HOLDER. FILE is one of your\n"
	  "own: its name has a '/' or ends in \".lua\". Without any: all of the list.\n"
	  "Exit status: 0 all passed, 1 one failed, 4 all were skipped.\n" },
	{ "trace", cmd_trace, "[-f] [FILTER]... [FILE]", "print what was recorded, in order of time",
	  "  -f, --follow       go on with what comes, until interrupted; with a FILTER\n"
	  "                     nothing else is recorded meanwhile\n"
	  FILTER_HELP
	  "Without FILE: what the rings of the running kernel hold. FILE is made by\n"
	  "'cowscope record -o FILE'.\n" },
	{ "record", cmd_record, "[-o FILE] [FILTER]... {-p PID | -- COMMAND [ARGUMENT]...}",
	  "record one process and its descendants, then report",
	  "  -o, --output=FILE  keep the records in FILE\n"
	  "  -p, --pid=PID      a process that runs already, until it ends\n"
	  FILTER_HELP
	  "Ends when the process ends, or when interrupted. Exit status: the command's\n"
	  "(128 + signal if one killed it, 127 if it was not found, 126 if it cannot be\n"
	  "run); with -p 0.\n" },
	{ "report", cmd_report, "[FILTER]... FILE",
	  "decisions by verdict, lost pages, the rules side by side",
	  FILTER_HELP
	  "FILE is made by 'cowscope record -o FILE'.\n" },
	{ "stat", cmd_stat, "[FILTER]... [SECONDS | -p PID | -- COMMAND [ARGUMENT]...]",
	  "count what is decided, without recording it",
	  "  -p, --pid=PID      one process and its descendants, until it ends\n"
	  FILTER_WHOSE_HELP
	  "Counts all processes until interrupted, with SECONDS anew each time; or COMMAND\n"
	  "and its descendants.\n"
	  "Exit status: the command's, as of 'cowscope record'.\n" },
	{ "page", cmd_page, "PID ADDRESS [LENGTH]", "the state of pages, and what a write would do",
	  "PID is a process, ADDRESS decimal or 0x..., LENGTH in bytes or with K, M, G:\n"
	  "every page that [ADDRESS, ADDRESS + LENGTH) touches. Nothing is faulted in.\n" },
};

/* Where the command line has got to. */
static const struct command *current;
static char **arguments;

static const struct command *find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	return NULL;
}

static void overview(FILE *to)
{
	size_t i;

	fprintf(to, "usage: cowscope [--json] [--color=WHEN] SUBCOMMAND [ARGUMENT]...\n\n"
		    "Shows what copy-on-write decides, why, and who lost a page by it.\n\n");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].does);
	fprintf(to, "  %-8s %s\n\n", "help", "this, or more about one subcommand");
	fprintf(to, "'cowscope help SUBCOMMAND' says more. Exit status: 0 done, 1 failed,\n"
		    "2 wrong arguments, 4 skipped.\n");
}

static int describe(const struct command *c)
{
	printf("usage: cowscope %s%s%s\n\n%c%s.\n\n", c->name, *c->args ? " " : "", c->args,
	       toupper(*c->does), c->does + 1);
	if (c->help)
		printf("%s", c->help);
	printf("  --json             one JSON object a line, errors too\n"
	       "  --color=WHEN       auto, always or never\n");
	return finish(EXIT_SUCCESS);
}

void usage_error(const char *format, ...)
{
	char text[512];
	va_list args;

	/* The error must be JSON also if --json comes after what is wrong. */
	for (; *arguments && strcmp(*arguments, "--"); arguments++)
		output.json |= !strcmp(*arguments, "--json");

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fail("%s; see 'cowscope help%s%s'", text, current ? " " : "", current ? current->name : "");
	exit(EXIT_USAGE);
}

#define OPTIONS_MAX	8	/* long options of a subcommand's own */

enum { OPT_JSON = 0x100, OPT_COLOR, OPT_VERSION };

int next_option(int argc, char **argv, const char *shorts, const struct option *longs)
{
	static const struct option common[] = {
		{ "json", no_argument, NULL, OPT_JSON },
		{ "color", required_argument, NULL, OPT_COLOR },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ NULL, 0, NULL, 0 },
	};
	struct option all[OPTIONS_MAX + ARRAY_SIZE(common)];
	bool plus = *shorts == '+';
	char letters[32];
	size_t n = 0;
	int opt;

	for (; longs && longs->name && n < OPTIONS_MAX; longs++)
		all[n++] = *longs;
	memcpy(&all[n], common, sizeof(common));
	snprintf(letters, sizeof(letters), "%s:h%s", plus ? "+" : "", shorts + plus);
	arguments = argv;
	opterr = 0;

	for (;;) {
		opt = getopt_long(argc, argv, letters, all, NULL);
		switch (opt) {
		case OPT_JSON:
			output.json = true;
			break;
		case OPT_COLOR:
			if (!output_color(optarg))
				usage_error("--color=%s is neither auto nor always nor never",
					    optarg);
			break;
		case OPT_VERSION:
			printf("cowscope %s\n", COWSCOPE_VERSION);
			exit(finish(EXIT_SUCCESS));
		case 'h':
			if (current)
				exit(describe(current));
			overview(stdout);
			exit(finish(EXIT_SUCCESS));
		case ':':
		case '?':
			if (optopt > 0 && optopt < OPT_JSON)
				usage_error("option -%c %s", optopt,
					    opt == ':' ? "needs a value" : "is unknown");
			usage_error("option %s %s", argv[optind - 1],
				    opt == ':' ? "needs a value" : "is unknown or ambiguous");
		default:
			return opt;
		}
	}
}

static const struct command *known(const char *name)
{
	const struct command *c = find(name);

	if (!c)
		usage_error("'%s' is no subcommand", name);
	return c;
}

int main(int argc, char **argv)
{
	output_color("auto");
	next_option(argc, argv, "+", NULL);
	if (optind == argc) {
		overview(stderr);
		return EXIT_USAGE;
	}
	argc -= optind;
	argv += optind;
	arguments = argv;
	if (!strcmp(argv[0], "help")) {
		if (argc > 1)
			return describe(known(argv[1]));
		overview(stdout);
		return finish(EXIT_SUCCESS);
	}
	current = known(argv[0]);
	optind = 0;	/* begin anew, as glibc has it */
	return current->run(argc, argv);
}
