/* SPDX-License-Identifier: GPL-2.0 */
/* What is printed: text for people, or one JSON object a line for programs. */
#ifndef COWSCOPE_OUTPUT_H
#define COWSCOPE_OUTPUT_H

#include "cowscope.h"
#include "pure.h"
#include <json-c/json.h>
#include <linux/cowscope.h>

/* How to print; set from the command line. */
extern struct output {
	bool json;
	bool color;		/* on standard output */
} output;

enum color { COLOR_NONE, COLOR_BAD, COLOR_WARN, COLOR_GOOD, COLOR_DIM, COLOR_BOLD };

/**
 * output_color - decide about colours
 * @when: "auto", "always" or "never"
 *
 * Returns false if @when is none of them.
 */
bool output_color(const char *when);

/**
 * color_on, color_off - the text that switches a colour on and off, or ""
 * @paint: which
 */
const char *color_on(enum color paint);
const char *color_off(enum color paint);

/**
 * verdict_color - red for harm done, yellow for maybe or waste, green for fine
 * @verdict: enum cowscope_verdict
 */
enum color verdict_color(unsigned int verdict);

/**
 * fail - report an error on standard error, or as {"error": ...}
 * @format: as printf()'s; what happened, then what to do about it
 *
 * Returns EXIT_FAILURE, to be handed on.
 */
int fail(const char *format, ...) __printf(1, 2);

/**
 * note - something worth knowing that is no error; likewise, {"note": ...}
 * @format: as printf()'s
 */
void note(const char *format, ...) __printf(1, 2);

/**
 * finish - flush standard output
 * @status: the exit status if that succeeds
 *
 * Returns @status, or EXIT_FAILURE after an error was reported: a full disk
 * must not look like success.
 */
int finish(int status);

/**
 * json_text - a JSON string; what is not UTF-8 becomes U+FFFD
 * @text: bytes
 * @length: how many
 */
struct json_object *json_text(const char *text, size_t length);

/**
 * json_add - add a string
 * @object: to this
 * @key: name
 * @text: value; NULL becomes null
 */
void json_add(struct json_object *object, const char *key, const char *text);

/**
 * json_add_number - add a number
 * @object: to this
 * @key: name
 * @number: value
 */
void json_add_number(struct json_object *object, const char *key, u64 number);

/**
 * json_add_count - add a number, null for COWSCOPE_COUNT_NA
 * @object: to this
 * @key: name
 * @count: value
 */
void json_add_count(struct json_object *object, const char *key, s32 count);

/**
 * json_add_word - add a word, null for "-"
 * @object: to this
 * @key: name
 * @word: value
 */
void json_add_word(struct json_object *object, const char *key, const char *word);

/**
 * json_add_hex - add a number as "0x..."
 * @object: to this
 * @key: name
 * @number: value
 */
void json_add_hex(struct json_object *object, const char *key, u64 number);

/**
 * json_print - print an object as one line and release it
 * @object: the object
 */
void json_print(struct json_object *object);

/**
 * record_json - a record as an object
 * @r: the record
 * @comm: name of its thread or NULL
 */
struct json_object *record_json(const struct cowscope_record *r, const char *comm);

/* Longest line that record_json_line() makes, with its terminating zero. */
#define RECORD_JSON_MAX	1280

/**
 * record_json_line - the same object as one line of text, without a newline
 * @buf: where to
 * @size: room there; RECORD_JSON_MAX always suffices
 * @r: the record
 * @comm: name of its thread or NULL
 *
 * As json_print() would write it, but ten times as fast. Returns the length.
 */
size_t record_json_line(char *buf, size_t size, const struct cowscope_record *r,
			const char *comm);

/**
 * state_json - a page's state as an object; pfn is null if it is not present
 * @p: the state
 */
struct json_object *state_json(const struct cowscope_page *p);

/**
 * record_print - print a record as a line
 * @r: the record
 * @comm: name of its thread or NULL
 */
void record_print(const struct cowscope_record *r, const char *comm);

/* A table whose columns get as wide as they need. */
struct table;

/**
 * table_new - begin a table
 * @header: names of the columns, separated by blanks; a name that begins with
 *	    '>' makes a column that is aligned to the right
 */
struct table *table_new(const char *header);

/**
 * table_cell - add a cell to the table
 * @t: the table
 * @paint: of the text
 * @format: as printf()'s
 */
void table_cell(struct table *t, enum color paint, const char *format, ...)
	__printf(3, 4);

/**
 * table_line - add a line of text that is no part of the columns
 * @t: the table, at the end of a row
 * @format: as printf()'s
 */
void table_line(struct table *t, const char *format, ...) __printf(2, 3);

/**
 * table_print - print the table and release it
 * @t: the table
 */
void table_print(struct table *t);

#endif
