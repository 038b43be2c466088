// SPDX-License-Identifier: GPL-2.0
/* JSON, one object a line. */
#include "output.h"

#include "format.h"
#include "text.h"

/* Stands for a byte that is not UTF-8: U+FFFD. */
#define REPLACEMENT	"\xef\xbf\xbd"

/* Length of the UTF-8 sequence that begins here, 0 if none does. */
static size_t utf8(const unsigned char *p, size_t left)
{
	/* The second byte's range keeps out overlong forms and surrogates. */
	static const struct {
		unsigned char first, last, low, high;
		size_t length;
	} forms[] = {
		{ 0x00, 0x7f, 0x80, 0xbf, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		if (*p < forms[i].first || *p > forms[i].last)
			continue;
		if (forms[i].length > left)
			return 0;
		for (k = 1; k < forms[i].length; k++)
			if (p[k] < (k == 1 ? forms[i].low : 0x80) ||
			    p[k] > (k == 1 ? forms[i].high : 0xbf))
				return 0;
		return forms[i].length;
	}
	return 0;
}

struct json_object *json_text(const char *text, size_t length)
{
	char *clean = malloc(3 * length + 1);
	struct json_object *string;
	size_t i = 0, n = 0;

	if (!clean)
		return NULL;
	while (i < length) {
		size_t sequence = utf8((const unsigned char *)text + i, length - i);

		if (sequence) {
			memcpy(clean + n, text + i, sequence);
			n += sequence;
			i += sequence;
		} else {
			memcpy(clean + n, REPLACEMENT, strlen(REPLACEMENT));
			n += strlen(REPLACEMENT);
			i++;
		}
	}
	string = json_object_new_string_len(clean, n);
	free(clean);
	return string;
}

void json_add(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, text ? json_text(text, strlen(text)) : NULL);
}

void json_add_number(struct json_object *object, const char *key, u64 number)
{
	json_object_object_add(object, key, json_object_new_uint64(number));
}

void json_add_count(struct json_object *object, const char *key, s32 count)
{
	json_object_object_add(object, key, count == COWSCOPE_COUNT_NA ? NULL :
			       json_object_new_int(count));
}

void json_add_word(struct json_object *object, const char *key, const char *word)
{
	json_add(object, key, strcmp(word, "-") ? word : NULL);
}

void json_add_hex(struct json_object *object, const char *key, u64 number)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)number);
	json_add(object, key, text);
}

void json_print(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
						    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

/* All of a record: what a line has in its head, then its fields; NULL is null. */
static void each_member(const struct cowscope_record *r, const char *comm, cowscope_emit emit,
			void *ctx)
{
	char number[TEXT_NUMBER];

	emit(ctx, "ts", text_decimal(number, r->ts, 1), true);
	emit(ctx, "comm", comm, false);
	emit(ctx, "pid", text_decimal(number, r->pid, 1), true);
	emit(ctx, "cpu", text_decimal(number, r->cpu, 1), true);
	emit(ctx, "event", cowscope_event_name(r->type), false);
	cowscope_fields(r, emit, ctx);
}

/* "-" in a line is null here, but a name and a mark's text are what they are. */
static bool is_null(const char *key, const char *value)
{
	return !value || (!strcmp(value, "-") && strcmp(key, "text") && strcmp(key, "comm"));
}

static void add_member(void *ctx, const char *key, const char *value, bool number)
{
	if (!number)
		json_add(ctx, key, is_null(key, value) ? NULL : value);
	else if (*value == '-')
		json_object_object_add(ctx, key,
				       json_object_new_int64(strtoll(value, NULL, 10)));
	else
		json_add_number(ctx, key, strtoull(value, NULL, 10));
}

struct json_object *record_json(const struct cowscope_record *r, const char *comm)
{
	struct json_object *object = json_object_new_object();

	each_member(r, comm, add_member, object);
	return object;
}

/* Puts what stands for itself in a JSON string; returns what follows. */
static const char *put_plain(struct text *t, const char *string)
{
	char *at = t->at;

	while ((unsigned char)*string >= ' ' && (unsigned char)*string < 0x80 &&
	       *string != '"' && *string != '\\' && at < t->last)
		*at++ = *string++;
	t->at = at;
	return string;
}

static void put_escape(struct text *t, unsigned char c)
{
	static const char special[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
	const char *which = strchr(special, c);

	text_char(t, '\\');
	if (which) {
		text_char(t, letter[which - special]);
		return;
	}
	text_put(t, c < 0x10 ? "u000" : "u001");
	text_char(t, "0123456789abcdef"[c & 0xf]);
}

/* As json_text() and json-c do it. */
static void put_string(struct text *t, const char *string)
{
	text_char(t, '"');
	while (*(string = put_plain(t, string)) && t->at < t->last) {
		size_t n = utf8((const unsigned char *)string, strlen(string)), i;

		if (!n)
			text_put(t, REPLACEMENT);
		else if (n == 1)
			put_escape(t, *string);
		else
			for (i = 0; i < n; i++)
				text_char(t, string[i]);
		string += n ? n : 1;
	}
	text_char(t, '"');
}

static void put_member(void *ctx, const char *key, const char *value, bool number)
{
	text_put(ctx, ",\"");
	text_put(ctx, key);
	text_put(ctx, "\":");
	if (is_null(key, value))
		text_put(ctx, "null");
	else if (number)
		text_put(ctx, value);
	else
		put_string(ctx, value);
}

size_t record_json_line(char *buf, size_t size, const struct cowscope_record *r, const char *comm)
{
	struct text t = text_begin(buf, size);

	each_member(r, comm, put_member, &t);
	*buf = '{';	/* for the first comma */
	text_char(&t, '}');
	return text_end(&t, buf, size);
}

struct json_object *state_json(const struct cowscope_page *p)
{
	struct json_object *object = json_object_new_object();
	char flags[128], pte[8];

	json_add_hex(object, "addr", p->addr);
	if (!(p->pte & COWSCOPE_PTE_PRESENT)) {
		json_add(object, "pfn", NULL);
		return object;
	}
	cowscope_page_flags(flags, sizeof(flags), p->state);
	cowscope_pte_flags(pte, sizeof(pte), p->pte);
	json_add_hex(object, "pfn", COWSCOPE_PTE_PFN(p->pte));
	json_add_word(object, "pte", pte);
	json_add_word(object, "level", cowscope_level_name(COWSCOPE_STATE_LEVEL(p->state)));
	json_add_word(object, "kind", cowscope_kind_name(COWSCOPE_STATE_KIND(p->state)));
	json_add_number(object, "order", COWSCOPE_STATE_ORDER(p->state));
	json_add_count(object, "refcount", p->refcount);
	json_add_count(object, "mapcount", p->mapcount);
	json_add_count(object, "folio_mapcount", p->folio_mapcount);
	json_add_count(object, "pincount", p->pincount);
	json_add_word(object, "exclusive", cowscope_tri_name(COWSCOPE_STATE_EXCLUSIVE(p->state)));
	json_add_word(object, "pinned", cowscope_tri_name(COWSCOPE_STATE_PINNED(p->state)));
	json_add_word(object, "page_flags", flags);
	json_add_number(object, "holders", p->holders);
	json_add_count(object, "explained", p->explained);
	return object;
}
