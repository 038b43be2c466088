// SPDX-License-Identifier: GPL-2.0
/* One record of any bytes, the name of its thread, a filter: as text, as JSON. */
#include "fuzz.h"

#include "format.h"
#include "match.h"
#include "output.h"

/* No control character, and never cut: a larger buffer gets the same. */
static void as_line(const struct cowscope_record *r, const char *comm, size_t cut)
{
	char whole[4 * COWSCOPE_LINE_MAX], *part = malloc(cut);
	size_t length = cowscope_format(whole, sizeof(whole), r, comm), n;

	HOLDS(length < COWSCOPE_LINE_MAX, "%zu: %s", length, whole);
	HOLDS(strlen(whole) == length);
	HOLDS(!strchr(whole, '\n'));
	check_text(whole, length);

	/* The exact room, so that one byte more is seen. */
	n = cowscope_format(part, cut, r, comm);
	HOLDS(n == (cut > length ? length : cut ? cut - 1 : 0));
	HOLDS(!memcmp(part, whole, n) && (!cut || !part[n]));
	free(part);
}

static void same_number(struct json_object *object, const char *key, u64 number)
{
	struct json_object *value;

	HOLDS(json_object_object_get_ex(object, key, &value), "%s", key);
	HOLDS(json_object_get_uint64(value) == number, "%s", key);
}

static void compare(void *ctx, struct json_object *line)
{
	const struct cowscope_record *r = ctx;

	same_number(line, "ts", r->ts);
	same_number(line, "pid", r->pid);
	same_number(line, "cpu", r->cpu);
	if (r->type == COWSCOPE_EVENT_FORK)
		same_number(line, "ns", r->op_duration);
}

static void as_json(struct cowscope_record *r, const char *comm)
{
	struct json_object *object = record_json(r, comm);
	char line[4 * RECORD_JSON_MAX];
	size_t length = record_json_line(line, sizeof(line), r, comm), i;

	HOLDS(length < RECORD_JSON_MAX, "%zu: %s", length, line);
	HOLDS(strlen(line) == length);
	for (i = 0; i < length; i++)
		HOLDS((unsigned char)line[i] >= ' ', "%s", line);
	HOLDS(!strcmp(line, json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
							   JSON_C_TO_STRING_NOSLASHESCAPE)));
	json_object_put(object);
	memcpy(line + length, "\n", 2);
	HOLDS(check_json(line, compare, r) == 1);
}

/* A part that is not set lets everything pass, the others only what they say. */
static void filtered(const struct cowscope_filter *f, const struct cowscope_record *r,
		     const char *comm)
{
	struct cowscope_match m;
	char name[16] = "";

	if (!cowscope_match_init(&m, f))
		return;
	memcpy(name, comm, strnlen(comm, 15));
	if (cowscope_match_record(&m, r, name)) {
		HOLDS(!f->events || (r->type < 32 && f->events >> r->type & 1));
		HOLDS(!*f->comm || !strncmp(f->comm, name, 15));
	} else {
		/* The last address of all is in no range. */
		HOLDS(f->events || f->verdicts || f->end || *f->comm || !r->type ||
		      r->type >= COWSCOPE_EVENTS || (r->type == COWSCOPE_EVENT_COW_FAULT &&
						     r->verdict >= COWSCOPE_VERDICTS) ||
		      r->addr == ~0ULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct cowscope_record r;
	struct cowscope_filter f;
	char comm[17] = "";
	size_t cut;

	take(&in, &r, sizeof(r));
	if (take_below(&in, 8))
		r.type = 1 + r.type % (COWSCOPE_EVENTS - 1);
	cut = 4 * take_below(&in, 256);
	take(&in, comm, 15);
	take(&in, &f, sizeof(f));
	if (take_below(&in, 8)) {
		f.events &= (1u << COWSCOPE_EVENTS) - 2;
		f.verdicts &= (1u << COWSCOPE_VERDICTS) - 1;
		f.pad = 0;
	}
	as_line(&r, *comm ? comm : NULL, cut);
	as_json(&r, *comm ? comm : NULL);
	filtered(&f, &r, comm);
	return 0;
}
