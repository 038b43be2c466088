// SPDX-License-Identifier: GPL-2.0
/* Why a write fault was decided as it was, in a sentence or two. */
#include "reason.h"

#include <stdarg.h>

#include "cowscope.h"
#include "format.h"

struct text {
	char *buf;
	size_t size, length;
};

static __printf(2, 3) void append(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->buf + t->length, t->size - t->length, format, args);
	va_end(args);
	if (n > 0)
		t->length += n;
	if (t->length > t->size - 1)
		t->length = t->size - 1;
}

/* A page to reuse, as each rule has it. */
static const char *const reusable[COWSCOPE_RULES] = {
	[COWSCOPE_RULE_MAPCOUNT] = "that nobody else maps",
	[COWSCOPE_RULE_PAGE_COUNT] = "to which nobody else holds a reference",
	[COWSCOPE_RULE_EXCLUSIVE] = "that is exclusive, or to which nobody else holds a reference",
};

static const char *const meaning[COWSCOPE_VERDICTS] = {
	[COWSCOPE_VERDICT_LEAK] =
		"another process holds a reference and will read what is written",
	[COWSCOPE_VERDICT_PIN_LOST] =
		"whoever took a reference or pin through the writer's mapping keeps the old page",
	[COWSCOPE_VERDICT_MAYBE_LOST] =
		"nothing explains one or more references; if a FOLL_GET holder has them, it keeps the old page",
	[COWSCOPE_VERDICT_NEEDED] =
		"another process maps or holds the page, or it is KSM's, a file's or the zero page",
	[COWSCOPE_VERDICT_SUPERFLUOUS] =
		"nobody else maps the page, and all its references are explained",
	[COWSCOPE_VERDICT_FINE] = "nobody was harmed",
	[COWSCOPE_VERDICT_UNKNOWN] = "not enough was read to say what that meant",
};

/* At other levels than PTEs the kernels have not always gone by their rule. */
static unsigned int rule_at(unsigned int level, unsigned int in_force)
{
	if (level == COWSCOPE_LEVEL_HUGETLB ||
	    (level == COWSCOPE_LEVEL_PMD && in_force == COWSCOPE_RULE_PAGE_COUNT))
		return COWSCOPE_RULE_MAPCOUNT;
	return in_force;
}

static void say_count(struct text *t, const char *name, s32 count)
{
	if (count == COWSCOPE_COUNT_NA)
		append(t, "%s=-", name);
	else
		append(t, "%s=%d", name, count);
}

/* What a rule looks at. */
static void say_counts(struct text *t, const struct cowscope_record *r, unsigned int rule)
{
	const u32 aside = COWSCOPE_STATE_LRU | COWSCOPE_STATE_SWAPCACHE | COWSCOPE_STATE_LOCKED;
	unsigned int exclusive = COWSCOPE_STATE_EXCLUSIVE(r->state);
	char flags[128];

	if (rule == COWSCOPE_RULE_MAPCOUNT) {
		say_count(t, "mapcount", r->mapcount);
	} else {
		if (rule == COWSCOPE_RULE_EXCLUSIVE)
			append(t, "exclusive=%s%s", cowscope_tri_name(exclusive),
			       exclusive == COWSCOPE_YES ? "" : " ");
		if (rule != COWSCOPE_RULE_EXCLUSIVE || exclusive != COWSCOPE_YES)
			say_count(t, "refcount", r->refcount);
	}
	if (COWSCOPE_STATE_ORDER(r->state))
		append(t, " order=%u", COWSCOPE_STATE_ORDER(r->state));
	if ((r->state & aside) != COWSCOPE_STATE_LRU) {
		cowscope_page_flags(flags, sizeof(flags), r->state);
		append(t, " page_flags=%s", flags);
	}
}

/* What the rules that are not in force make of the same page. */
static void say_others(struct text *t, const struct cowscope_record *r, unsigned int rule)
{
	const char *before = " Of this page ";
	unsigned int other, would;

	for (other = 0; other < COWSCOPE_RULES; other++) {
		would = COWSCOPE_RULES_WOULD(r->rules, other);
		if (other == rule || !would)
			continue;
		append(t, "%s%s says %s (", before, cowscope_rule_name(other),
		       cowscope_decision_name(would));
		say_counts(t, r, other);
		append(t, ")");
		before = ", ";
	}
	if (*before == ',')
		append(t, ".");
}

static void say_decision(struct text *t, const struct cowscope_record *r, unsigned int rule)
{
	unsigned int decision = COWSCOPE_OUTCOME_DECISION(r->outcome);
	unsigned int kind = COWSCOPE_STATE_KIND(r->state);

	if (decision == COWSCOPE_UFFD) {
		append(t, "The fault was left to userfaultfd; no rule was asked.");
	} else if (decision != COWSCOPE_COPY && decision != COWSCOPE_REUSE &&
		   decision != COWSCOPE_SPLIT && decision != COWSCOPE_UNSHARE) {
		append(t, "This fault came to no decision: %s.", cowscope_decision_name(decision));
	} else if (r->state & COWSCOPE_STATE_SHARED_VMA) {
		append(t, "The mapping is shared: a write goes to the page itself.");
	} else if (r->state & COWSCOPE_STATE_SWAPIN) {
		append(t, "do_swap_page() decided while it read the page in: %s.",
		       cowscope_decision_name(decision));
	} else if (kind != COWSCOPE_KIND_ANON &&
		   (kind != COWSCOPE_KIND_HUGETLB || r->state & COWSCOPE_STATE_MAPPING)) {
		append(t, "Under every rule a private write to a page of kind %s makes a copy.",
		       cowscope_kind_name(kind));
	} else if (rule < COWSCOPE_RULES) {
		append(t, "%s reuses a page %s; ", cowscope_rule_name(rule), reusable[rule]);
		say_counts(t, r, rule);
		append(t, ": %s.", cowscope_decision_name(decision));
		say_others(t, r, rule);
	}
}

void reason(char *buf, size_t size, const struct observed *o, unsigned int in_force)
{
	struct text t = { .buf = buf, .size = size };
	const struct cowscope_record *r = o->fault;

	*buf = '\0';
	if (r)
		say_decision(&t, r, rule_at(COWSCOPE_STATE_LEVEL(r->state), in_force));
	else
		append(&t, "The last write did not fault, so no rule was asked.");
	if (r && r->verdict < COWSCOPE_VERDICTS && meaning[r->verdict])
		append(&t, " %s: %s.", cowscope_verdict_name(r->verdict), meaning[r->verdict]);
	if (o->events & 1U << COWSCOPE_EVENT_EARLY_COPY)
		append(&t, " early_copy: fork copied a page for the child at once, as it looks pinned.");
}
