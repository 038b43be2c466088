// SPDX-License-Identifier: GPL-2.0
/* What a stream of records comes down to: tables for people, JSON for programs. */
#include "summary.h"

#include "format.h"
#include "output.h"
#include "rules.h"

/* People are shown so many lost pages; JSON has all that were kept. */
#define PAGES_SHOWN	20

static void add_op(struct summary_op *op, const struct cowscope_record *r)
{
	op->times++;
	op->pages += r->seen;
	op->changed += r->changed;
	op->pinned += r->pinned;
	op->held += r->held;
	if (r->type != COWSCOPE_EVENT_CLEAR_REFS)
		return;
	op->wrongly_left += r->wrongly_left;
	op->wrongly_cleared += r->wrongly_cleared;
}

static void add_fault(struct summary *s, const struct cowscope_record *r)
{
	unsigned int decision = COWSCOPE_OUTCOME_DECISION(r->outcome);
	unsigned int predicted = COWSCOPE_OUTCOME_PREDICTED(r->outcome);

	if ((decision == COWSCOPE_COPY || decision == COWSCOPE_REUSE) &&
	    (predicted == COWSCOPE_COPY || predicted == COWSCOPE_REUSE)) {
		s->predicted++;
		s->mispredicted += predicted != decision;
	}
	rulings_add(&s->rulings, r);
	switch (r->verdict) {
	case COWSCOPE_VERDICT_LEAK:
	case COWSCOPE_VERDICT_PIN_LOST:
	case COWSCOPE_VERDICT_MAYBE_LOST:
		if (s->pages < SUMMARY_PAGES)
			s->page[s->pages] = *r;
		s->pages++;
	}
}

static bool has_page(unsigned int type)
{
	switch (type) {
	case COWSCOPE_EVENT_COW_FAULT:
	case COWSCOPE_EVENT_EARLY_COPY:
	case COWSCOPE_EVENT_WRPROTECT:
	case COWSCOPE_EVENT_PIN:
	case COWSCOPE_EVENT_UNPIN:
		return true;
	}
	return false;
}

void summary_add(struct summary *s, const struct cowscope_record *r)
{
	unsigned int type = r->type < COWSCOPE_EVENTS ? r->type : COWSCOPE_EVENTS;
	unsigned int level = 0, decision = 0, verdict = 0;

	/* In order of time, but for a record that was written very late, or forged. */
	if (!s->records++ || r->ts < s->first)
		s->first = r->ts;
	if (r->ts > s->last)
		s->last = r->ts;

	if (has_page(type))
		level = COWSCOPE_STATE_LEVEL(r->state);
	switch (type) {
	case COWSCOPE_EVENT_COW_FAULT:
		decision = COWSCOPE_OUTCOME_DECISION(r->outcome);
		verdict = r->verdict < COWSCOPE_VERDICTS ? r->verdict : COWSCOPE_VERDICTS;
		add_fault(s, r);
		break;
	case COWSCOPE_EVENT_FORK:
		add_op(&s->fork, r);
		break;
	case COWSCOPE_EVENT_CLEAR_REFS:
		add_op(&s->clear_refs, r);
		break;
	case COWSCOPE_EVENT_UFFD_WP:
		add_op(&s->uffd_wp, r);
		break;
	case COWSCOPE_EVENT_PAGEMAP_SCAN:
		add_op(&s->pagemap_scan, r);
		break;
	}
	s->count[type][level][decision][verdict]++;
}

static void count_row(struct table *t, unsigned int event, unsigned int level,
		      unsigned int decision, unsigned int verdict, u64 count)
{
	enum color paint = verdict_color(verdict);

	if (!t) {
		struct json_object *object = json_object_new_object();
		const char *const words[] = {
			cowscope_level_name(level), cowscope_decision_name(decision),
			cowscope_verdict_name(verdict),
		};
		static const char *const keys[] = { "level", "decision", "verdict" };
		size_t i;

		json_add(object, "report", "count");
		json_add(object, "event", cowscope_event_name(event));
		for (i = 0; i < ARRAY_SIZE(keys); i++)
			json_add(object, keys[i], strcmp(words[i], "-") ? words[i] : NULL);
		json_add_number(object, "count", count);
		json_print(object);
		return;
	}
	table_cell(t, COLOR_NONE, "%s", cowscope_event_name(event));
	table_cell(t, COLOR_NONE, "%s", cowscope_level_name(level));
	table_cell(t, COLOR_NONE, "%s", cowscope_decision_name(decision));
	table_cell(t, paint, "%s", cowscope_verdict_name(verdict));
	table_cell(t, COLOR_NONE, "%llu", (unsigned long long)count);
}

static void print_counts(const struct summary *s)
{
	struct table *t = output.json ? NULL : table_new("event level decision verdict >count");
	unsigned int e, l, d, v;

	for (e = 0; e <= COWSCOPE_EVENTS; e++)
		for (l = 0; l < ARRAY_SIZE(s->count[0]); l++)
			for (d = 0; d < ARRAY_SIZE(s->count[0][0]); d++)
				for (v = 0; v <= COWSCOPE_VERDICTS; v++)
					if (s->count[e][l][d][v])
						count_row(t, e, l, d, v, s->count[e][l][d][v]);
	if (t)
		table_print(t);
}

/* References that nothing known explains; COWSCOPE_COUNT_NA if that is not known. */
static s64 unexplained(const struct cowscope_record *r)
{
	struct cowscope_counts c = {
		.state = r->state,
		.refcount = r->refcount,
		.mapcount = r->mapcount,
		/* A record has the mappings of one page; of a small folio that is all. */
		.folio_mapcount = COWSCOPE_STATE_ORDER(r->state) ? COWSCOPE_COUNT_NA : r->mapcount,
		.pincount = COWSCOPE_COUNT_NA,
	};
	s32 explained = cowscope_explained(&c);

	if (explained == COWSCOPE_COUNT_NA || r->refcount == COWSCOPE_COUNT_NA)
		return COWSCOPE_COUNT_NA;
	return r->refcount > explained ? (s64)r->refcount - explained : 0;
}

static void page_json(const struct cowscope_record *r, const char *comm)
{
	struct json_object *object = record_json(r, comm);
	s64 more = unexplained(r);

	json_add(object, "report", "lost_page");
	json_object_object_add(object, "unexplained", more == COWSCOPE_COUNT_NA ? NULL :
			       json_object_new_int64(more));
	json_print(object);
}

static void page_row(struct table *t, const struct cowscope_record *r, const char *comm)
{
	unsigned long long before = COWSCOPE_PTE_PFN(r->before);
	unsigned long long after = COWSCOPE_PTE_PFN(r->after);
	s64 more = unexplained(r);

	table_cell(t, COLOR_NONE, "%u", r->pid);
	table_cell(t, COLOR_NONE, "%s", comm ? comm : "<...>");
	table_cell(t, COLOR_NONE, "0x%llx", (unsigned long long)r->addr);
	if (before == after)
		table_cell(t, COLOR_NONE, "0x%llx", before);
	else
		table_cell(t, COLOR_NONE, "0x%llx->0x%llx", before, after);
	table_cell(t, verdict_color(r->verdict), "%s", cowscope_verdict_name(r->verdict));
	if (r->holder)
		table_cell(t, COLOR_NONE, "id %u", r->holder);
	else if (COWSCOPE_STATE_PINNED(r->state) == COWSCOPE_YES)
		table_cell(t, COLOR_NONE, "pinned");
	else if (more > 0)
		table_cell(t, COLOR_NONE, "%lld unexplained", (long long)more);
	else
		table_cell(t, COLOR_NONE, "-");
}

static void print_pages(const struct summary *s, const struct names *names)
{
	u64 kept = s->pages < SUMMARY_PAGES ? s->pages : SUMMARY_PAGES;
	u64 shown = output.json || kept < PAGES_SHOWN ? kept : PAGES_SHOWN;
	struct table *t = NULL;
	u64 i;

	if (!output.json) {
		printf("\nPages that lost a holder, for certain or perhaps: %llu\n",
		       (unsigned long long)s->pages);
		if (s->pages)
			t = table_new(">pid comm >addr pfn verdict holder");
	}
	for (i = 0; i < shown; i++) {
		const struct cowscope_record *r = &s->page[i];
		const char *comm = names_comm(names, r->pid);

		if (t)
			page_row(t, r, comm);
		else
			page_json(r, comm);
	}
	if (t)
		table_print(t);
	if (!output.json && shown < s->pages)
		printf("... and %llu more\n", (unsigned long long)(s->pages - shown));
}

#define OP_COUNTS	6

/* One kind of operation in one line, with its own words for the counts. */
static void print_op(const char *event, const struct summary_op *op, const char *const *words)
{
	const u64 counts[OP_COUNTS] = {
		op->pages, op->changed, op->pinned, op->held,
		op->wrongly_left, op->wrongly_cleared
	};
	struct json_object *object;
	size_t i;

	if (!op->times)
		return;
	if (output.json) {
		object = json_object_new_object();
		json_add(object, "report", "operation");
		json_add(object, "event", event);
		json_add_number(object, "times", op->times);
		for (i = 0; i < ARRAY_SIZE(counts); i++)
			if (words[i])
				json_add_number(object, words[i], counts[i]);
		json_print(object);
		return;
	}
	printf("%s: %llu time%s", event, (unsigned long long)op->times, op->times == 1 ? "" : "s");
	for (i = 0; i < ARRAY_SIZE(counts); i++)
		if (words[i])
			printf(", %s %llu", words[i], (unsigned long long)counts[i]);
	putchar('\n');
}

static void print_total(const struct summary *s, const struct summary_about *about)
{
	double seconds = (s->last - s->first) / 1e9;
	struct json_object *object;

	if (output.json) {
		object = json_object_new_object();
		json_add(object, "report", "total");
		json_add(object, "release", about->release);
		json_add(object, "rule", cowscope_rule_name(about->rule));
		json_add_number(object, "records", s->records);
		json_add_number(object, "ns", s->last - s->first);
		json_add_number(object, "predicted", s->predicted);
		json_add_number(object, "mispredicted", s->mispredicted);
		json_add_number(object, "lost_pages", s->pages);
		json_object_object_add(object, "lost", about->unknown_loss ? NULL :
				       json_object_new_uint64(about->lost));
		json_object_object_add(object, "missed", about->unknown_loss ? NULL :
				       json_object_new_uint64(about->missed));
		json_print(object);
		return;
	}
	printf("%llu records in %.6f s, kernel %s, rule %s; ", (unsigned long long)s->records,
	       seconds, about->release, cowscope_rule_name(about->rule));
	if (about->unknown_loss)
		printf("lost and missed are not known\n");
	else
		printf("%slost %llu, missed %llu%s\n",
		       color_on(about->lost || about->missed ? COLOR_BAD : COLOR_NONE),
		       (unsigned long long)about->lost, (unsigned long long)about->missed,
		       color_off(about->lost || about->missed ? COLOR_BAD : COLOR_NONE));
}

void summary_print(const struct summary *s, const struct names *names,
		   const struct summary_about *about)
{
	static const char *const fork_words[OP_COUNTS] = { "pages", "copied", "splits" };
	static const char *const clear_refs_words[OP_COUNTS] = {
		"pages", "wrprotected", "skipped_pinned", "held", "wrongly_left",
		"wrongly_cleared"
	};
	static const char *const uffd_wp_words[OP_COUNTS] = {
		"pages", "changed", "pinned", "held"
	};
	static const char *const pagemap_scan_words[OP_COUNTS] = {
		"pages", "wrprotected", "pinned", "held"
	};

	print_counts(s);
	rulings_print(&s->rulings, about->rule);
	print_pages(s, names);
	if (!output.json)
		putchar('\n');
	print_op("fork", &s->fork, fork_words);
	print_op("clear_refs", &s->clear_refs, clear_refs_words);
	print_op("uffd_wp", &s->uffd_wp, uffd_wp_words);
	print_op("pagemap_scan", &s->pagemap_scan, pagemap_scan_words);
	if (!output.json && s->predicted)
		printf("predicted otherwise than decided: %llu of %llu\n",
		       (unsigned long long)s->mispredicted, (unsigned long long)s->predicted);
	print_total(s, about);
}
