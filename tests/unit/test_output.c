// SPDX-License-Identifier: GPL-2.0
/* What is printed: JSON that a parser takes, tables that line up. */
#include "unit.h"

#include <stdlib.h>
#include <unistd.h>

#include "format.h"
#include "output.h"

static int reset(void **state)
{
	output.json = false;
	output.color = false;
	return 0;
}

static struct json_object *parse(const char *text)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *object;

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, text, strlen(text));
	if (json_tokener_get_error(tokener) != json_tokener_success)
		fail_msg("no JSON: %s", text);
	json_tokener_free(tokener);
	return object;
}

static void expect_text(struct json_object *object, const char *key, const char *value)
{
	struct json_object *member;

	assert_true(json_object_object_get_ex(object, key, &member));
	if (value) {
		assert_true(json_object_is_type(member, json_type_string));
		assert_string_equal(json_object_get_string(member), value);
	} else {
		assert_null(member);
	}
}

static void expect_number(struct json_object *object, const char *key, u64 value)
{
	struct json_object *member;

	assert_true(json_object_object_get_ex(object, key, &member));
	assert_true(json_object_is_type(member, json_type_int));
	assert_int_equal(json_object_get_uint64(member), value);
}

static void print_record(void *record)
{
	record_print(record, "redis-server");
}

static void json_fault(void **state)
{
	struct cowscope_record r = lost_pin();
	struct json_object *object;
	char *text;

	output.json = true;
	text = captured(print_record, &r);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	object = parse(text);
	expect_number(object, "ts", 71204518999);
	expect_text(object, "comm", "redis-server");
	expect_number(object, "pid", 812);
	expect_number(object, "cpu", 1);
	expect_text(object, "event", "cow_fault");
	expect_text(object, "addr", "0x7f2a31c00000");
	expect_text(object, "pfn", "0x1a2b3->0x40c11");
	expect_number(object, "refcount", 2);
	expect_text(object, "exclusive", NULL);
	expect_text(object, "verdict", "pin_lost");
	expect_number(object, "holder", 3);
	expect_number(object, "ns", 812);
	json_object_put(object);
	free(text);
}

struct both {
	struct json_object *object;
	const char *line;
	size_t fields;
};

/* Each key of the line is in the JSON with the same value. */
static void compare(void *ctx, const char *key, const char *value, bool number)
{
	struct both *both = ctx;
	struct json_object *member;
	char field[256];

	snprintf(field, sizeof(field), " %s=%s", key, value);
	assert_non_null(strstr(both->line, field));
	assert_true(json_object_object_get_ex(both->object, key, &member));
	assert_string_equal(member ? json_object_get_string(member) : "-", value);
	assert_int_equal(json_object_is_type(member, json_type_int), number);
	both->fields++;
}

static void json_has_the_lines_keys(void **state)
{
	char line[COWSCOPE_LINE_MAX];
	struct cowscope_record r;
	struct json_object *object;
	struct both both;
	unsigned int type;

	for (type = 1; type < COWSCOPE_EVENTS; type++) {
		r = lost_pin();
		r.type = type;
		if (type == COWSCOPE_EVENT_MARK)
			snprintf(r.text, sizeof(r.text), "some text");
		cowscope_format(line, sizeof(line), &r, "a");
		object = record_json(&r, "a");
		both.object = parse(json_object_to_json_string(object));
		both.line = line;
		both.fields = 0;
		cowscope_fields(&r, compare, &both);
		assert_int_equal(json_object_object_length(both.object), both.fields + 5);
		json_object_put(both.object);
		json_object_put(object);
	}
}

/* What is written by hand is what the library makes of the same record. */
static void expect_json_line(const struct cowscope_record *r, const char *comm)
{
	struct json_object *object = record_json(r, comm);
	char line[RECORD_JSON_MAX];
	size_t n = record_json_line(line, sizeof(line), r, comm);

	assert_string_equal(line, json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
							JSON_C_TO_STRING_NOSLASHESCAPE));
	assert_int_equal(n, strlen(line));
	assert_true(n < sizeof(line) - 1);
	json_object_put(object);
}

static void json_lines(void **state)
{
	static const char *const comms[] = {
		NULL, "", "-", "a/b", "\"\\\b\f\n\r\t\x01\x1f\x7f", "K\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80",
		"\xff\xc3", "\xc3(", "\xe2\x82", "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01",
	};
	static const u8 fill[] = { 0, 0xff, 0x22, 0x5c, 0x7f, 0x80 };
	struct cowscope_record r;
	unsigned int type;
	size_t i, k;

	for (type = 0; type <= COWSCOPE_EVENTS; type++) {
		r = lost_pin();
		r.type = type;
		for (i = 0; i < ARRAY_SIZE(comms); i++)
			expect_json_line(&r, comms[i]);
		for (k = 0; k < ARRAY_SIZE(fill); k++) {
			memset(&r, fill[k], sizeof(r));
			r.type = type;
			expect_json_line(&r, comms[ARRAY_SIZE(comms) - 1]);
		}
	}
}

/* Cut off at every length, nothing is written beyond. */
static void json_no_overflow(void **state)
{
	struct cowscope_record r = { .type = COWSCOPE_EVENT_MARK };
	char whole[RECORD_JSON_MAX];
	size_t size, n;

	memset(r.text, 0xff, sizeof(r.text));
	n = record_json_line(whole, sizeof(whole), &r, "K\xc3\xbc\xff\"\x01");
	for (size = 1; size <= n + 1; size++) {
		char *buf = malloc(size);

		assert_non_null(buf);
		assert_int_equal(record_json_line(buf, size, &r, "K\xc3\xbc\xff\"\x01"), size - 1);
		assert_int_equal(buf[size - 1], '\0');
		assert_memory_equal(buf, whole, size - 1);
		free(buf);
	}
}

static void json_mark(void **state)
{
	struct cowscope_record r = { .type = COWSCOPE_EVENT_MARK, .text = "-" };
	struct json_object *object = record_json(&r, NULL);

	/* A text of "-" is that text, not nothing, and so is a name. */
	expect_text(object, "text", "-");
	expect_text(object, "comm", NULL);
	json_object_put(object);
	object = record_json(&r, "-");
	expect_text(object, "comm", "-");
	json_object_put(object);
}

static void utf8(void **state)
{
	static const struct {
		const char *bytes, *text;
	} cases[] = {
		{ "plain \"quoted\" \\ /\n", "plain \"quoted\" \\ /\n" },
		{ "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\x84", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\x84" },
		{ "\xff", "\xef\xbf\xbd" },
		{ "a\xc3", "a\xef\xbf\xbd" },			/* cut off */
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },	/* overlong */
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },	/* surrogate */
		{ "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\x80z", "\xef\xbf\xbdz" },
		{ "", "" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct json_object *object = json_object_new_object();
		struct json_object *back;

		json_add(object, "text", cases[i].bytes);
		back = parse(json_object_to_json_string(object));
		expect_text(back, "text", cases[i].text);
		json_object_put(back);
		json_object_put(object);
	}
}

static void print_both(void *unused)
{
	assert_int_equal(fail("cannot read '%s': %d", "x\ny", 7), EXIT_FAILURE);
	note("worth knowing");
}

static void json_errors(void **state)
{
	char *text, *second;
	struct json_object *object;

	output.json = true;
	text = captured(print_both, NULL);
	second = strchr(text, '\n') + 1;
	second[-1] = '\0';
	object = parse(text);
	expect_text(object, "error", "cannot read 'x\ny': 7");
	json_object_put(object);
	object = parse(second);
	expect_text(object, "note", "worth knowing");
	json_object_put(object);
	free(text);
}

/* On standard error, where the name of a file may be anything. */
static void fail_with_controls(void *unused)
{
	int err = dup(STDERR_FILENO);

	dup2(STDOUT_FILENO, STDERR_FILENO);
	fail("cannot read %s", "\033]0;x\a\302\233y\nz");
	dup2(err, STDERR_FILENO);
	close(err);
}

static void errors_without_controls(void **state)
{
	char *text = captured(fail_with_controls, NULL);

	assert_string_equal(text, "cowscope: cannot read ?]0;x??y?z\n");
	free(text);
}

static void print_table(void *unused)
{
	struct table *t = table_new(">number name >last");

	table_cell(t, COLOR_NONE, "%d", 7);
	table_cell(t, COLOR_BAD, "%s", "K\xc3\xbche");
	table_cell(t, COLOR_NONE, "x");
	table_line(t, "  a line");
	table_cell(t, COLOR_NONE, "1234567");
	table_cell(t, COLOR_NONE, "evil\033[2J\n");
	table_cell(t, COLOR_NONE, "y");
	table_print(t);
}

static void tables(void **state)
{
	char *text = captured(print_table, NULL);

	assert_string_equal(text,
			    " number  name       last\n"
			    "      7  K\xc3\xbche          x\n"
			    "  a line\n"
			    "1234567  evil?[2J?     y\n");
	free(text);
}

static void colors(void **state)
{
	struct cowscope_record r = lost_pin();
	char *text;

	text = captured(print_record, &r);
	assert_null(strchr(text, '\033'));
	free(text);

	assert_true(output_color("always"));
	text = captured(print_record, &r);
	assert_non_null(strstr(text, " \033[31mverdict=pin_lost\033[0m otherwise=fine holder=3"));
	free(text);
	text = captured(print_table, NULL);
	assert_non_null(strstr(text, "\033[31mK\xc3\xbche\033[0m"));
	free(text);

	assert_true(output_color("never"));
	assert_false(output.color);
	assert_true(output_color("always"));
	/* Standard output of this test may be a terminal, a variable decides. */
	setenv("NO_COLOR", "1", 1);
	assert_true(output_color("auto"));
	assert_false(output.color);
	unsetenv("NO_COLOR");
	assert_false(output_color("sometimes"));
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, reset, reset)

static const struct CMUnitTest tests[] = {
	TEST(json_fault),
	TEST(json_has_the_lines_keys),
	TEST(json_lines),
	TEST(json_no_overflow),
	TEST(json_mark),
	TEST(utf8),
	TEST(json_errors),
	TEST(errors_without_controls),
	TEST(tables),
	TEST(colors),
};

GROUP(output, tests);
