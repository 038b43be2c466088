// SPDX-License-Identifier: GPL-2.0
/* Errors, notes, colours and records, as text or as JSON. */
#include "output.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "format.h"
#include "text.h"

struct output output;

bool output_color(const char *when)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	if (!strcmp(when, "auto"))
		output.color = isatty(STDOUT_FILENO) && !(no_color && *no_color) &&
			       !(term && !strcmp(term, "dumb"));
	else if (!strcmp(when, "always"))
		output.color = true;
	else if (!strcmp(when, "never"))
		output.color = false;
	else
		return false;
	return true;
}

const char *color_on(enum color paint)
{
	static const char *const codes[] = {
		[COLOR_NONE] = "",
		[COLOR_BAD] = "\033[31m",
		[COLOR_WARN] = "\033[33m",
		[COLOR_GOOD] = "\033[32m",
		[COLOR_DIM] = "\033[2m",
		[COLOR_BOLD] = "\033[1m",
	};

	return output.color ? codes[paint] : "";
}

const char *color_off(enum color paint)
{
	return output.color && paint != COLOR_NONE ? "\033[0m" : "";
}

enum color verdict_color(unsigned int verdict)
{
	switch (verdict) {
	case COWSCOPE_VERDICT_LEAK:
	case COWSCOPE_VERDICT_PIN_LOST:
		return COLOR_BAD;
	case COWSCOPE_VERDICT_MAYBE_LOST:
	case COWSCOPE_VERDICT_SUPERFLUOUS:
	case COWSCOPE_VERDICT_UNKNOWN:
		return COLOR_WARN;
	case COWSCOPE_VERDICT_FINE:
	case COWSCOPE_VERDICT_NEEDED:
		return COLOR_GOOD;
	}
	return COLOR_NONE;
}

static void say(const char *key, const char *format, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, args);
	fflush(stdout);
	if (output.json) {
		struct json_object *object = json_object_new_object();

		json_add(object, key, text);
		json_print(object);
		fflush(stdout);
	} else {
		text_make_safe(text);
		fprintf(stderr, "cowscope: %s\n", text);
	}
}

int fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("error", format, args);
	va_end(args);
	return EXIT_FAILURE;
}

void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("note", format, args);
	va_end(args);
}

int finish(int status)
{
	errno = 0;
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "cowscope: cannot write standard output: %s\n",
			errno ? strerror(errno) : "an earlier write failed");
		return EXIT_FAILURE;
	}
	return status;
}

/* With the word in its colour that begins behind @before bytes. */
static void print_painted(const char *line, int before, enum color paint)
{
	int word = strcspn(line + before, "\n ");

	printf("%.*s%s%.*s%s%s", before, line, color_on(paint), word, line + before,
	       color_off(paint), line + before + word);
}

void record_print(const struct cowscope_record *r, const char *comm)
{
	enum color paint = output.color && !output.json ? verdict_color(r->verdict) : COLOR_NONE;
	char line[RECORD_JSON_MAX + 2];
	const char *verdict;
	size_t n;

	if (output.json)
		n = record_json_line(line, RECORD_JSON_MAX, r, comm);
	else
		n = cowscope_format(line, COWSCOPE_LINE_MAX, r, comm);
	line[n++] = '\n';
	line[n] = '\0';
	verdict = paint != COLOR_NONE ? strstr(line, " verdict=") : NULL;
	if (verdict)
		print_painted(line, verdict + 1 - line, paint);
	else
		fwrite_unlocked(line, n, 1, stdout);
}
