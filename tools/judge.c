// SPDX-License-Identifier: GPL-2.0
/* Expectations: reading them, and holding them against what was seen. */
#include "judge.h"

#include "format.h"

#define WORD_MAX 64

/* The next word of a text, or false at its end. */
static bool next_word(const char **text, char *word)
{
	size_t length;

	*text += strspn(*text, " \t\n");
	length = strcspn(*text, " \t\n");
	if (!length)
		return false;
	snprintf(word, WORD_MAX, "%.*s", (int)length, *text);
	*text += length;
	return true;
}

/* The value that a name stands for, or 0: nothing that is named here is 0. */
static unsigned int find(const char *(*name)(unsigned int value), unsigned int values,
			 const char *word)
{
	while (--values)
		if (!strcmp(name(values), word))
			break;
	return values;
}

static unsigned int find_decision(const char *word)
{
	return find(cowscope_decision_name, COWSCOPE_DECISIONS, word);
}

static unsigned int find_verdict(const char *word)
{
	return find(cowscope_verdict_name, COWSCOPE_VERDICTS, word);
}

static unsigned int find_event(const char *word)
{
	return find(cowscope_event_name, COWSCOPE_EVENTS, word);
}

const char *judge_decision(const struct cowscope_record *fault)
{
	if (!fault)
		return "none";
	return cowscope_decision_name(COWSCOPE_OUTCOME_DECISION(fault->outcome));
}

const char *judge_verdict(const struct cowscope_record *fault)
{
	return fault ? cowscope_verdict_name(fault->verdict) : "-";
}

static const char *wrong(const char *what, const char *word)
{
	static char text[2 * WORD_MAX];

	snprintf(text, sizeof(text), what, word);
	return text;
}

const char *judge_syntax(const char *expect)
{
	char word[WORD_MAX];
	int n = 0;

	while (next_word(&expect, word)) {
		n++;
		if (n == 1)
			continue;
		if (n == 2) {
			if (strcmp(word, "none") && !find_decision(word))
				return wrong("\"%s\" is no decision: none, copy, reuse, ...", word);
		} else if (!strcmp(word, "or")) {
			n = 0;
		} else if (n == 3 && find_verdict(word)) {
			continue;
		} else if (!strchr(word, '=') && !find_event(word)) {
			return wrong("\"%s\" is no verdict, no KEY=VALUE and no event", word);
		}
	}
	return n < 2 ? "what the holder saw and a decision are needed, as in \"B reuse\"" : NULL;
}

/* Looks for one KEY=VALUE among the fields of a record. */
struct wanted {
	const char *key;
	const char *value;
	bool found;
};

static void compare(void *ctx, const char *key, const char *value, bool number)
{
	struct wanted *w = ctx;

	if (!strcmp(key, w->key) && !strcmp(value, w->value))
		w->found = true;
}

static bool has_field(const struct cowscope_record *fault, char *word)
{
	struct wanted w = { .key = word };

	w.value = strchr(word, '=') + 1;
	word[w.value - word - 1] = '\0';
	if (fault)
		cowscope_fields(fault, compare, &w);
	return w.found;
}

/* Holds one alternative against what was seen; @expect is after it then. */
static bool alternative(const char **expect, const struct observed *o, bool *more)
{
	const u32 early = 1U << COWSCOPE_EVENT_EARLY_COPY;
	char word[WORD_MAX];
	bool holds = true;
	u32 events = 0;
	int n = 0;

	/* As the first word "or" is what the holder saw. */
	while ((*more = next_word(expect, word)) && (!n || strcmp(word, "or"))) {
		if (++n == 1)
			holds = !strcmp(word, o->saw ? o->saw : "-");
		else if (n == 2)
			holds &= !strcmp(word, judge_decision(o->fault));
		else if (strchr(word, '='))
			holds &= has_field(o->fault, word);
		else if (n == 3 && find_verdict(word))
			holds &= !strcmp(word, judge_verdict(o->fault));
		else
			events |= 1U << find_event(word);
	}
	return holds && !(events & ~o->events) && (events & early) == (o->events & early);
}

bool judge(const char *expect, const struct observed *o)
{
	bool more;

	do {
		if (alternative(&expect, o, &more))
			return true;
	} while (more);
	return false;
}

static void add_field(void *ctx, const char *key, const char *value, bool number)
{
	static const char *const told[] = { "refcount", "mapcount", "exclusive" };
	char *buf = ctx;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(told); i++)
		if (!strcmp(key, told[i]))
			sprintf(buf + strlen(buf), " %s=%s", key, value);
}

void judge_text(char *buf, size_t size, const struct observed *o)
{
	char fields[3 * WORD_MAX] = "";

	if (o->fault)
		cowscope_fields(o->fault, add_field, fields);
	snprintf(buf, size, "%s %s%s%s%s%s", o->saw ? o->saw : "-", judge_decision(o->fault),
		 o->fault ? " " : "", o->fault ? judge_verdict(o->fault) : "", fields,
		 o->events & 1U << COWSCOPE_EVENT_EARLY_COPY ? " early_copy" : "");
}
