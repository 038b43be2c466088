// SPDX-License-Identifier: GPL-2.0
/* The report. */
#include "unit.h"

#include <stdlib.h>

#include "format.h"
#include "output.h"
#include "rules.h"
#include "summary.h"

static struct summary summary;
static struct names names;
static struct summary_about about;

static int reset(void **state)
{
	memset(&summary, 0, sizeof(summary));
	names_free(&names);
	about = (struct summary_about){ .release = "5.10.0", .rule = COWSCOPE_RULE_PAGE_COUNT };
	output.json = false;
	output.color = false;
	return 0;
}

static void print(void *unused)
{
	summary_print(&summary, &names, &about);
}

static void add(unsigned int decision, unsigned int verdict, unsigned int times)
{
	struct cowscope_record r = lost_pin();

	r.outcome = COWSCOPE_OUTCOME(decision, decision);
	r.verdict = verdict;
	if (decision == COWSCOPE_REUSE)
		r.rules = COWSCOPE_REUSE | COWSCOPE_REUSE << 2;
	if (verdict != COWSCOPE_VERDICT_PIN_LOST)
		r.holder = 0;
	while (times--) {
		summary_add(&summary, &r);
		r.ts += 1000000;
	}
}

static void nothing(void **state)
{
	char *text = captured(print, NULL);

	assert_string_equal(text,
			    "event  level  decision  verdict  count\n"
			    "\n"
			    "Pages that lost a holder, for certain or perhaps: 0\n"
			    "\n"
			    "0 records in 0.000000 s, kernel 5.10.0, rule page_count; lost 0, missed 0\n");
	free(text);
}

static void everything(void **state)
{
	struct cowscope_task task = { .pid = 812, .comm = "redis-server" };
	struct cowscope_record r = {
		.ts = 71204518999, .type = COWSCOPE_EVENT_FORK, .seen = 100, .changed = 3,
		.pinned = 1,
	};
	char *text;

	names_put(&names, &task);
	add(COWSCOPE_COPY, COWSCOPE_VERDICT_PIN_LOST, 1);
	add(COWSCOPE_COPY, COWSCOPE_VERDICT_MAYBE_LOST, 1);
	add(COWSCOPE_REUSE, COWSCOPE_VERDICT_FINE, 12345);
	summary_add(&summary, &r);
	r.type = COWSCOPE_EVENT_CLEAR_REFS;
	r.pinned = 4;
	r.held = 5;
	r.wrongly_left = 6;
	r.wrongly_cleared = 7;
	summary_add(&summary, &r);
	summary_add(&summary, &r);
	r.type = COWSCOPE_EVENT_PAGEMAP_SCAN;
	summary_add(&summary, &r);
	about.lost = 17;
	about.missed = 4;

	text = captured(print, NULL);
	assert_string_equal(text,
			    "event         level  decision  verdict     count\n"
			    "cow_fault     pte    copy      pin_lost        1\n"
			    "cow_fault     pte    copy      maybe_lost      1\n"
			    "cow_fault     pte    reuse     fine        12345\n"
			    "fork          -      -         -               1\n"
			    "clear_refs    -      -         -               2\n"
			    "pagemap_scan  -      -         -               1\n"
			    "\n"
			    "What each rule makes of these faults (*: in force):\n"
			    "rule          faults  copies  superfluous  pin_lost  maybe_lost  needed  unknown  reuses  leak  undecided\n"
			    "mapcount       12347       0            0         0           0       0        0   12347     0          0\n"
			    "page_count *   12347       2            0         1           1       0        0   12345     0          0\n"
			    "exclusive     no PageAnonExclusive before 5.19\n"
			    "\n"
			    "Pages that lost a holder, for certain or perhaps: 2\n"
			    "pid  comm                    addr  pfn               verdict     holder\n"
			    "812  redis-server  0x7f2a31c00000  0x1a2b3->0x40c11  pin_lost    id 3\n"
			    "812  redis-server  0x7f2a31c00000  0x1a2b3->0x40c11  maybe_lost  1 unexplained\n"
			    "\n"
			    "fork: 1 time, pages 100, copied 3, splits 1\n"
			    "clear_refs: 2 times, pages 200, wrprotected 6, skipped_pinned 8, held 10, wrongly_left 12, wrongly_cleared 14\n"
			    "pagemap_scan: 1 time, pages 100, wrprotected 3, pinned 4, held 5\n"
			    "predicted otherwise than decided: 0 of 12347\n"
			    "12351 records in 12.344000 s, kernel 5.10.0, rule page_count; lost 17, missed 4\n");
	free(text);
}

static struct json_object *line(char **text)
{
	struct json_object *object;

	object = json_tokener_parse(strsep(text, "\n"));
	assert_non_null(object);
	return object;
}

static const char *get(struct json_object *object, const char *key)
{
	struct json_object *member;

	assert_true(json_object_object_get_ex(object, key, &member));
	return member ? json_object_get_string(member) : "null";
}

/* Each rule in words of its own: what was decided, or what else would have been. */
static void rules_side_by_side(void **state)
{
	struct cowscope_record r = lost_pin();
	const u64 (*count)[COWSCOPE_VERDICTS] = summary.rulings.count;
	struct json_object *object;
	char *text, *p;

	/* Reused; the first rule would have copied, the second cannot be said. */
	r.outcome = COWSCOPE_OUTCOME(COWSCOPE_REUSE, COWSCOPE_REUSE);
	r.verdict = COWSCOPE_VERDICT_FINE;
	r.rules = COWSCOPE_COPY | COWSCOPE_REUSE << 4;
	r.state = KIND(ANON) | LEVEL(PTE) | OTHERWISE(PIN_LOST);
	summary_add(&summary, &r);
	/* A leak that copying would have kept. */
	r.verdict = COWSCOPE_VERDICT_LEAK;
	r.rules = COWSCOPE_REUSE | COWSCOPE_COPY << 2 | COWSCOPE_REUSE << 4;
	r.state = KIND(ANON) | LEVEL(PTE) | OTHERWISE(NEEDED);
	summary_add(&summary, &r);
	/* None of the rules' business. */
	r.state |= COWSCOPE_STATE_SHARED_VMA;
	summary_add(&summary, &r);
	r.state &= ~COWSCOPE_STATE_SHARED_VMA;
	r.outcome = COWSCOPE_OUTCOME(COWSCOPE_RACED, COWSCOPE_REUSE);
	summary_add(&summary, &r);
	r.outcome = COWSCOPE_OUTCOME(COWSCOPE_UNSHARE, COWSCOPE_COPY);
	summary_add(&summary, &r);

	assert_int_equal(count[COWSCOPE_RULE_MAPCOUNT][COWSCOPE_VERDICT_PIN_LOST], 1);
	assert_int_equal(count[COWSCOPE_RULE_MAPCOUNT][COWSCOPE_VERDICT_LEAK], 1);
	assert_int_equal(count[COWSCOPE_RULE_PAGE_COUNT][COWSCOPE_VERDICT_NONE], 1);
	assert_int_equal(count[COWSCOPE_RULE_PAGE_COUNT][COWSCOPE_VERDICT_NEEDED], 1);
	assert_int_equal(count[COWSCOPE_RULE_EXCLUSIVE][COWSCOPE_VERDICT_FINE], 1);
	assert_int_equal(count[COWSCOPE_RULE_EXCLUSIVE][COWSCOPE_VERDICT_LEAK], 1);

	output.json = true;
	about.rule = COWSCOPE_RULE_EXCLUSIVE;
	text = captured(print, NULL);
	p = strstr(text, "{\"report\":\"rule\"");
	assert_non_null(p);
	object = line(&p);
	assert_string_equal(get(object, "rule"), "mapcount");
	assert_string_equal(get(object, "in_force"), "false");
	assert_string_equal(get(object, "faults"), "2");
	assert_string_equal(get(object, "copies"), "1");
	assert_string_equal(get(object, "pin_lost"), "1");
	assert_string_equal(get(object, "leak"), "1");
	json_object_put(object);
	object = line(&p);
	assert_string_equal(get(object, "undecided"), "1");
	assert_string_equal(get(object, "needed"), "1");
	json_object_put(object);
	object = line(&p);
	assert_string_equal(get(object, "rule"), "exclusive");
	assert_string_equal(get(object, "in_force"), "true");
	assert_string_equal(get(object, "reuses"), "2");
	assert_string_equal(get(object, "reason"), "null");
	json_object_put(object);
	free(text);
}

static void mispredicted(void **state)
{
	struct cowscope_record r = lost_pin();

	summary_add(&summary, &r);
	r.outcome = COWSCOPE_OUTCOME(COWSCOPE_REUSE, COWSCOPE_COPY);
	summary_add(&summary, &r);
	r.outcome = COWSCOPE_OUTCOME(COWSCOPE_REUSE, COWSCOPE_EITHER);
	summary_add(&summary, &r);
	r.outcome = COWSCOPE_OUTCOME(COWSCOPE_RACED, COWSCOPE_COPY);
	summary_add(&summary, &r);
	assert_int_equal(summary.predicted, 2);
	assert_int_equal(summary.mispredicted, 1);
}

/* More lost pages than anybody wants to see are counted. */
static void many_pages(void **state)
{
	char *text, *p;
	size_t lines = 0;

	add(COWSCOPE_COPY, COWSCOPE_VERDICT_PIN_LOST, 5000);
	text = captured(print, NULL);
	assert_non_null(strstr(text, "perhaps: 5000\n"));
	assert_non_null(strstr(text, "... and 4980 more\n"));
	free(text);

	output.json = true;
	text = captured(print, NULL);
	for (p = text; (p = strstr(p, "\"lost_page\"")); p++)
		lines++;
	assert_int_equal(lines, SUMMARY_PAGES);
	assert_non_null(strstr(text, "\"lost_pages\":5000"));
	free(text);
}

static void as_json(void **state)
{
	struct json_object *object;
	char *text, *p;
	int i;

	add(COWSCOPE_COPY, COWSCOPE_VERDICT_MAYBE_LOST, 1);
	output.json = true;
	about.unknown_loss = true;
	text = captured(print, NULL);
	p = text;
	object = line(&p);
	assert_string_equal(get(object, "report"), "count");
	assert_string_equal(get(object, "event"), "cow_fault");
	assert_string_equal(get(object, "verdict"), "maybe_lost");
	assert_string_equal(get(object, "count"), "1");
	json_object_put(object);
	for (i = 0; i < COWSCOPE_RULES; i++) {
		object = line(&p);
		assert_string_equal(get(object, "report"), "rule");
		assert_string_equal(get(object, "rule"), cowscope_rule_name(i));
		/* The rule in force is that of 5.10. */
		if (i == COWSCOPE_RULE_EXCLUSIVE) {
			assert_string_equal(get(object, "copies"), "null");
			assert_string_equal(get(object, "reason"),
					    "no PageAnonExclusive before 5.19");
		} else {
			assert_string_equal(get(object, "faults"), "1");
		}
		json_object_put(object);
	}
	object = line(&p);
	assert_string_equal(get(object, "report"), "lost_page");
	assert_string_equal(get(object, "pfn"), "0x1a2b3->0x40c11");
	assert_string_equal(get(object, "unexplained"), "1");
	json_object_put(object);
	object = line(&p);
	assert_string_equal(get(object, "report"), "total");
	assert_string_equal(get(object, "records"), "1");
	assert_string_equal(get(object, "lost"), "null");
	json_object_put(object);
	assert_string_equal(p, "");
	free(text);
}

/* Records of a forged file: no index may run out of a table. */
static void forged(void **state)
{
	struct cowscope_record r;
	unsigned int byte;
	char *text;

	for (byte = 0; byte < 256; byte++) {
		memset(&r, byte, sizeof(r));
		summary_add(&summary, &r);
		r.type = COWSCOPE_EVENT_COW_FAULT;
		summary_add(&summary, &r);
	}
	assert_int_equal(summary.records, 512);
	text = captured(print, NULL);
	free(text);
}

/* Nor may counts run out of their type, whatever they are. */
static void forged_counts(void **state)
{
	static const s32 counts[] = { INT32_MIN + 1, -1, INT32_MAX };
	struct cowscope_record r = lost_pin();
	unsigned int i;
	char *text;

	r.holder = 0;
	for (i = 0; i < ARRAY_SIZE(counts) * ARRAY_SIZE(counts); i++) {
		r.refcount = counts[i % ARRAY_SIZE(counts)];
		r.mapcount = counts[i / ARRAY_SIZE(counts)];
		r.state = KIND(ANON) | (i % 2 ? COWSCOPE_STATE_PRIVATE : 0);
		summary_add(&summary, &r);
	}
	text = captured(print, NULL);
	assert_non_null(strstr(text, "4294967293 unexplained"));
	free(text);
	r.state = KIND(SHMEM) | ORDER(31) | COWSCOPE_STATE_SWAPCACHE | COWSCOPE_STATE_MAPPING;
	assert_int_equal(cowscope_cached(r.state), 0);
}

/* The time is from the first to the last, in whatever order they are. */
static void disordered(void **state)
{
	static const u64 times[] = { 5000000, 7000000, 2000000, 4000000 };
	struct cowscope_record r = lost_pin();
	size_t i;
	char *text;

	for (i = 0; i < ARRAY_SIZE(times); i++) {
		r.ts = times[i];
		summary_add(&summary, &r);
	}
	text = captured(print, NULL);
	assert_non_null(strstr(text, "4 records in 0.005000 s"));
	free(text);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, reset, reset)

static const struct CMUnitTest tests[] = {
	TEST(nothing),
	TEST(everything),
	TEST(rules_side_by_side),
	TEST(mispredicted),
	TEST(many_pages),
	TEST(as_json),
	TEST(forged),
	TEST(forged_counts),
	TEST(disordered),
};

GROUP(summary, tests);
