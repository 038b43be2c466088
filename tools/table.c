// SPDX-License-Identifier: GPL-2.0
/* Tables whose columns get as wide as they need. */
#include "output.h"

#include <stdarg.h>

#include "text.h"

#define COLUMNS_MAX	24

struct cell {
	char *text;
	enum color paint;
	bool whole;		/* a line of its own */
};

struct table {
	size_t columns;
	bool right[COLUMNS_MAX];
	size_t width[COLUMNS_MAX];
	struct cell *cell;
	size_t cells;
	size_t room;
	size_t column;		/* of the next cell */
};

/* Columns on a screen, more or less: characters of UTF-8. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static void add(struct table *t, enum color paint, bool whole, const char *format, va_list args)
{
	char *text;

	if (t->cells == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		t->cell = realloc(t->cell, t->room * sizeof(*t->cell));
	}
	if (!t->cell || vasprintf(&text, format, args) < 0) {
		perror("cowscope");
		exit(EXIT_FAILURE);
	}
	text_make_safe(text);
	t->cell[t->cells++] = (struct cell){ text, paint, whole };
	if (whole)
		return;
	if (width(text) > t->width[t->column])
		t->width[t->column] = width(text);
	t->column = (t->column + 1) % t->columns;
}

void table_cell(struct table *t, enum color paint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(t, paint, false, format, args);
	va_end(args);
}

void table_line(struct table *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(t, COLOR_NONE, true, format, args);
	va_end(args);
}

struct table *table_new(const char *header)
{
	struct table *t = calloc(1, sizeof(*t));
	const char *p;

	if (!t) {
		perror("cowscope");
		exit(EXIT_FAILURE);
	}
	for (p = header; *p && t->columns < COLUMNS_MAX; p += strcspn(p, " "), p += *p == ' ')
		t->right[t->columns++] = *p == '>';
	for (p = header; *p; p += strcspn(p, " "), p += *p == ' ') {
		p += *p == '>';
		table_cell(t, COLOR_BOLD, "%.*s", (int)strcspn(p, " "), p);
	}
	return t;
}

static void print_cell(const struct table *t, size_t column, const struct cell *c)
{
	bool last = column + 1 == t->columns;
	int pad = t->width[column] - width(c->text);

	printf("%s%*s%s%s%s%*s%s", column ? "  " : "", t->right[column] ? pad : 0, "",
	       color_on(c->paint), c->text, color_off(c->paint),
	       t->right[column] || last ? 0 : pad, "", last ? "\n" : "");
}

void table_print(struct table *t)
{
	size_t i, column = 0;

	for (i = 0; i < t->cells; i++) {
		struct cell *c = &t->cell[i];

		if (c->whole) {
			puts(c->text);
		} else {
			print_cell(t, column, c);
			column = (column + 1) % t->columns;
		}
		free(c->text);
	}
	free(t->cell);
	free(t);
}
