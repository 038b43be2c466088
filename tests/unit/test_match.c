// SPDX-License-Identifier: GPL-2.0
/* What a filter lets pass, and which filters are none. */
#include "unit.h"

#include "match.h"

#define PAGE	4096

static struct cowscope_filter filter;
static struct cowscope_match match;
static const char x[16] = "x", redis[16] = "redis", redis_server[16] = "redis-server";

static int reset(void **state)
{
	memset(&filter, 0, sizeof(filter));
	memset(&match, 0, sizeof(match));
	return 0;
}

static bool ready(void)
{
	return cowscope_match_init(&match, &filter);
}

static bool comm(const char *name)
{
	/* 5.10 leaves the rest of a longer name behind. */
	char buf[17] = "0123456789abcde";

	strcpy(buf, name);
	return cowscope_match_comm(&match, buf);
}

static bool touches(unsigned int type, u64 start, u64 end)
{
	struct cowscope_record r = { .type = type };

	switch (type) {
	case COWSCOPE_EVENT_FORK_RANGE:
	case COWSCOPE_EVENT_UFFD_WP:
	case COWSCOPE_EVENT_PAGEMAP_SCAN:
	case COWSCOPE_EVENT_MIRROR:
		r.start = start;
		r.end = end;
		break;
	case COWSCOPE_EVENT_PIN:
	case COWSCOPE_EVENT_UNPIN:
		r.addr = start;
		r.pages = (end - start) / PAGE;
		break;
	default:
		r.addr = start;
	}
	return cowscope_match_record(&match, &r, x);
}

static void everything(void **state)
{
	unsigned int type, verdict;

	assert_true(ready());
	for (type = 1; type < COWSCOPE_EVENTS; type++)
		for (verdict = 0; verdict < COWSCOPE_VERDICTS; verdict++) {
			struct cowscope_record r = { .type = type, .verdict = verdict };

			assert_true(cowscope_match_record(&match, &r, x));
			r.addr = ~0ull & -PAGE;
			assert_true(cowscope_match_record(&match, &r, redis_server));
		}
	assert_true(cowscope_match_fault(&match, 0, PAGE, x));
	assert_true(cowscope_match_fault(&match, ~0ull - 1, PAGE, redis));
}

static void refuses(void **state)
{
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		reset(NULL);
		filter.events = 1u << bit;
		assert_int_equal(ready(), bit >= 1 && bit < COWSCOPE_EVENTS);
		reset(NULL);
		filter.verdicts = 1u << bit;
		assert_int_equal(ready(), bit < COWSCOPE_VERDICTS);
	}
	reset(NULL);
	filter.pad = 1;
	assert_false(ready());
	reset(NULL);
	filter.start = 1;
	assert_false(ready());
	filter.end = 1;
	assert_false(ready());
	filter.end = 2;
	assert_true(ready());
	reset(NULL);
	strcpy(filter.comm, "sh");
	assert_true(ready());
	filter.comm[3] = 'x';
	assert_false(ready());
	filter.comm[3] = 0;
	filter.comm[15] = 'x';
	assert_false(ready());
	reset(NULL);
	filter.comm[1] = 'x';
	assert_false(ready());
	memset(filter.comm, 'x', sizeof(filter.comm));
	assert_true(ready());
}

static void by_name(void **state)
{
	strcpy(filter.comm, "sh");
	assert_true(ready());
	assert_true(comm("sh"));
	assert_false(comm("s"));
	assert_false(comm("shx"));
	assert_false(comm("bash"));
	assert_false(comm(""));
	strcpy(filter.comm, "eight888");
	assert_true(ready());
	assert_true(comm("eight888"));
	assert_false(comm("eight8889"));
	assert_false(comm("eight88"));
	/* The kernel keeps 15 characters. */
	memcpy(filter.comm, "redis-server-0123", sizeof(filter.comm));
	assert_true(ready());
	assert_true(comm("redis-server-01"));
	assert_false(comm("redis-server-0"));
}

static void by_address(void **state)
{
	static const unsigned int pages[] = {
		COWSCOPE_EVENT_COW_FAULT, COWSCOPE_EVENT_PIN_LOST, COWSCOPE_EVENT_EARLY_COPY,
		COWSCOPE_EVENT_WRPROTECT, COWSCOPE_EVENT_PIN, COWSCOPE_EVENT_UNPIN,
		COWSCOPE_EVENT_FORK_RANGE, COWSCOPE_EVENT_UFFD_WP, COWSCOPE_EVENT_PAGEMAP_SCAN,
		COWSCOPE_EVENT_MIRROR,
	};
	static const unsigned int others[] = {
		COWSCOPE_EVENT_FORK, COWSCOPE_EVENT_CLEAR_REFS, COWSCOPE_EVENT_MARK,
	};
	size_t i;

	/* Within a page: what touches the page is meant. */
	filter.start = 0x10010;
	filter.end = 0x12010;
	assert_true(ready());
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		unsigned int type = pages[i];

		assert_false(touches(type, 0xf000, 0x10000));
		assert_true(touches(type, 0x10000, 0x11000));
		assert_true(touches(type, 0x11000, 0x12000));
		assert_true(touches(type, 0x12000, 0x13000));
		assert_false(touches(type, 0x13000, 0x14000));
	}
	assert_true(touches(COWSCOPE_EVENT_UFFD_WP, 0, 0x100000));
	assert_true(touches(COWSCOPE_EVENT_PIN, 0xf000, 0x11000));
	assert_true(touches(COWSCOPE_EVENT_FORK_RANGE, 0x12000, 0x100000));
	assert_false(touches(COWSCOPE_EVENT_FORK_RANGE, 0x13000, 0x100000));
	for (i = 0; i < ARRAY_SIZE(others); i++)
		assert_true(touches(others[i], 0, 0));

	assert_true(cowscope_match_fault(&match, 0x10000, PAGE, x));
	assert_true(cowscope_match_fault(&match, 0x12fff, PAGE, x));
	assert_false(cowscope_match_fault(&match, 0xf000, PAGE, x));
	assert_true(cowscope_match_fault(&match, 0, 512 * PAGE, x));
	assert_false(cowscope_match_fault(&match, 512 * PAGE, 512 * PAGE, x));
	assert_false(cowscope_match_fault(&match, 0x13000, PAGE, x));

	filter.start = 0;
	filter.end = ~0ull;
	assert_true(ready());
	assert_true(cowscope_match_fault(&match, ~0ull - PAGE, PAGE, x));
}

/* A huge entry reaches further than its address, also one that was not read. */
static void by_huge_address(void **state)
{
	static const unsigned int types[] = {
		COWSCOPE_EVENT_COW_FAULT, COWSCOPE_EVENT_EARLY_COPY, COWSCOPE_EVENT_WRPROTECT,
	};
	const u32 pmd = COWSCOPE_LEVEL_PMD << COWSCOPE_STATE_LEVEL_SHIFT;
	struct cowscope_record r = { .addr = 0x200000 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		r.type = types[i];
		filter.start = 0x3ff000;
		filter.end = 0x400000;
		assert_true(ready());
		r.state = ORDER(9) | pmd;
		assert_true(cowscope_match_record(&match, &r, x));
		r.state = pmd;
		assert_true(cowscope_match_record(&match, &r, x));
		r.state = ORDER(9) | COWSCOPE_LEVEL_PTE << COWSCOPE_STATE_LEVEL_SHIFT;
		assert_false(cowscope_match_record(&match, &r, x));
		filter.start = 0x400000;
		filter.end = 0x401000;
		assert_true(ready());
		r.state = ORDER(9) | pmd;
		assert_false(cowscope_match_record(&match, &r, x));
	}
}

static void by_event_and_verdict(void **state)
{
	struct cowscope_record fault = lost_pin(), mark = { .type = COWSCOPE_EVENT_MARK };

	filter.events = 1u << COWSCOPE_EVENT_MARK;
	assert_true(ready());
	assert_true(cowscope_match_record(&match, &mark, x));
	assert_false(cowscope_match_record(&match, &fault, x));
	assert_false(cowscope_match_fault(&match, 0, PAGE, x));
	/* Who loses a page is seen by the fault. */
	filter.events = 1u << COWSCOPE_EVENT_PIN_LOST;
	assert_true(ready());
	assert_true(cowscope_match_fault(&match, 0, PAGE, x));
	assert_false(cowscope_match_record(&match, &fault, x));

	filter.events = 0;
	filter.verdicts = 1u << COWSCOPE_VERDICT_PIN_LOST | 1u << COWSCOPE_VERDICT_NONE;
	assert_true(ready());
	assert_true(cowscope_match_record(&match, &fault, x));
	assert_true(cowscope_match_record(&match, &mark, x));
	fault.verdict = COWSCOPE_VERDICT_NONE;
	assert_true(cowscope_match_record(&match, &fault, x));
	fault.verdict = COWSCOPE_VERDICT_FINE;
	assert_false(cowscope_match_record(&match, &fault, x));
	/* Of a forged file. */
	fault.verdict = 200;
	cowscope_match_record(&match, &fault, x);
}

static void by_all(void **state)
{
	struct cowscope_record r = lost_pin();

	filter.events = 1u << COWSCOPE_EVENT_COW_FAULT;
	filter.verdicts = 1u << COWSCOPE_VERDICT_PIN_LOST;
	filter.start = r.addr;
	filter.end = r.addr + 1;
	strcpy(filter.comm, "redis-server");
	assert_true(ready());
	assert_true(cowscope_match_record(&match, &r, redis_server));
	assert_false(cowscope_match_record(&match, &r, redis));
	r.verdict = COWSCOPE_VERDICT_NEEDED;
	assert_false(cowscope_match_record(&match, &r, redis_server));
}

#define TEST(name)	cmocka_unit_test_setup(name, reset)

static const struct CMUnitTest tests[] = {
	TEST(everything),
	TEST(refuses),
	TEST(by_name),
	TEST(by_address),
	TEST(by_huge_address),
	TEST(by_event_and_verdict),
	TEST(by_all),
};

GROUP(match, tests);
