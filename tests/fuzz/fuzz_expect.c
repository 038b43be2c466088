// SPDX-License-Identifier: GPL-2.0
/* The expectations of scenarios, held against a record of any bytes. */
#include "fuzz.h"

#include "format.h"
#include "judge.h"

/* Is it one of the words of the text? */
static bool has_word(const char *text, const char *word)
{
	size_t n;

	for (; *text; text += n) {
		text += strspn(text, " \t\n");
		n = strcspn(text, " \t\n");
		if (n && n == strlen(word) && !memcmp(text, word, n))
			return true;
	}
	return false;
}

/* What was seen, put in words, is an expectation that it meets. */
static void round_trip(const struct observed *o)
{
	const struct cowscope_record *r = o->fault;
	char text[1024];

	judge_text(text, sizeof(text), o);
	check_text(text, strlen(text));
	if (r && (!COWSCOPE_OUTCOME_DECISION(r->outcome) || !r->verdict ||
		  COWSCOPE_OUTCOME_DECISION(r->outcome) >= COWSCOPE_DECISIONS ||
		  r->verdict >= COWSCOPE_VERDICTS))
		return;
	HOLDS(!judge_syntax(text), "%s: %s", text, judge_syntax(text));
	HOLDS(judge(text, o), "%s", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const saws[] = { NULL, "A", "B", "or", "Z" };
	struct input in = { data, size };
	struct cowscope_record r;
	struct observed o = { 0 };
	char *expect;
	bool holds;

	o.saw = saws[take_below(&in, ARRAY_SIZE(saws))];
	o.fault = take_below(&in, 4) ? &r : NULL;
	take(&in, &r, sizeof(r));
	r.type = COWSCOPE_EVENT_COW_FAULT;
	take(&in, &o.events, sizeof(o.events));
	expect = strndup((const char *)in.at, in.left);

	round_trip(&o);
	holds = judge(expect, &o);
	if (!judge_syntax(expect) && holds) {
		HOLDS(has_word(expect, o.saw ? o.saw : "-"), "'%s' holds of %s", expect, o.saw);
		HOLDS(has_word(expect, judge_decision(o.fault)), "%s", expect);
	}
	free(expect);
	return 0;
}
