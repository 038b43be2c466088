// SPDX-License-Identifier: GPL-2.0
/* Several rings, names, families and counters, on a device made of memory. */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>

#include "device.h"
#include "memory_device.h"

static int setup(void **state)
{
	memset(&map, 0, sizeof(map));
	return 0;
}

static struct cowscope_record *put(unsigned int cpu, u64 ts, u32 pid)
{
	u64 n = map.cpu[cpu].ring.head++;
	struct cowscope_record *r = &map.cpu[cpu].record[n & (SIZE - 1)];

	*r = (struct cowscope_record){
		.ts = ts, .pid = pid, .cpu = cpu, .type = COWSCOPE_EVENT_COW_FAULT,
	};
	return r;
}

static void expect(struct reader *r, u64 ts)
{
	struct cowscope_record record;

	assert_true(reader_next(r, &record));
	assert_int_equal(record.ts, ts);
}

static void expect_end(struct reader *r)
{
	struct cowscope_record record;

	assert_false(reader_next(r, &record));
}

static void merged(void **state)
{
	struct reader r;
	u64 ts;

	for (ts = 1; ts <= 15; ts++)
		put(ts * 7 % 5 % CPUS, ts, 1);
	assert_int_equal(reader_open(&r, &device, READER_OLDEST), 0);
	expect_end(&r);		/* before the first batch */
	reader_batch(&r, READER_ALL);
	for (ts = 1; ts <= 15; ts++)
		expect(&r, ts);
	expect_end(&r);
	assert_int_equal(reader_lost(&r), 0);
	reader_close(&r);
}

/* A batch ends where it was begun, also if more is written meanwhile. */
static void batches(void **state)
{
	struct reader r;

	put(0, 10, 1);
	put(1, 20, 1);
	assert_int_equal(reader_open(&r, &device, READER_OLDEST), 0);
	reader_batch(&r, READER_ALL);
	expect(&r, 10);
	put(0, 15, 1);
	expect(&r, 20);
	expect_end(&r);
	reader_batch(&r, READER_ALL);
	expect(&r, 15);
	expect_end(&r);
	reader_close(&r);
}

/* What is written late, but within the horizon, still comes in order. */
static void horizon(void **state)
{
	struct reader r;

	put(0, 10, 1);
	put(0, 30, 1);
	assert_int_equal(reader_open(&r, &device, READER_OLDEST), 0);
	reader_batch(&r, 25);
	expect(&r, 10);
	expect_end(&r);
	expect_end(&r);
	put(1, 29, 1);
	reader_batch(&r, 40);
	expect(&r, 29);
	expect(&r, 30);
	expect_end(&r);
	reader_close(&r);
}

static void seeks(void **state)
{
	struct reader r;
	u64 ts;

	for (ts = 1; ts <= 20; ts++)
		put(0, ts, 1);
	assert_int_equal(reader_open(&r, &device, READER_NOW), 0);
	reader_batch(&r, READER_ALL);
	expect_end(&r);
	put(2, 21, 1);
	reader_batch(&r, READER_ALL);
	expect(&r, 21);

	/* What was overwritten before is not lost: nobody was there to read it. */
	reader_seek(&r, READER_OLDEST);
	reader_batch(&r, READER_ALL);
	for (ts = 20 - (SIZE - 1) + 1; ts <= 21; ts++)
		expect(&r, ts);
	expect_end(&r);
	assert_int_equal(reader_lost(&r), 0);
	reader_close(&r);
}

/* A record that was looked at but not taken before a seek must not come back. */
static void seek_forgets(void **state)
{
	struct reader r;

	put(0, 30, 1);
	assert_int_equal(reader_open(&r, &device, READER_OLDEST), 0);
	reader_batch(&r, 10);
	expect_end(&r);
	reader_seek(&r, READER_NOW);
	reader_batch(&r, READER_ALL);
	expect_end(&r);
	reader_close(&r);
}

static void losses(void **state)
{
	struct reader r;
	u64 ts;

	put(0, 1, 1);
	put(1, 2, 1);
	assert_int_equal(reader_open(&r, &device, READER_OLDEST), 0);
	for (ts = 3; ts < 3 + 20; ts++)
		put(0, ts, 1);
	reader_batch(&r, READER_ALL);
	expect(&r, 2);
	for (ts = 23 - (SIZE - 1); ts < 23; ts++)
		expect(&r, ts);
	expect_end(&r);
	assert_int_equal(reader_lost(&r), 21 - (SIZE - 1));
	reader_close(&r);
}

/* What waits to be merged is out of its ring, up to four times what that holds. */
static void waits_outside(void **state)
{
	struct reader r;
	u64 ts;

	assert_int_equal(reader_open(&r, &device, READER_NOW), 0);
	put(0, 1, 1);
	for (ts = 2; ts < 2 + 3 * SIZE; ts++) {
		put(0, ts, 1);
		if (ts % 4 == 0)
			reader_batch(&r, 1);
	}
	expect(&r, 1);
	expect_end(&r);
	reader_batch(&r, READER_ALL);
	for (ts = 2; ts < 2 + 3 * SIZE; ts++)
		expect(&r, ts);
	expect_end(&r);
	assert_int_equal(reader_lost(&r), 0);

	/* More than that stays where it is; what is left of it comes when there is room. */
	for (ts = 1; ts <= 6 * SIZE; ts++) {
		put(0, ts, 1);
		reader_batch(&r, 0);
	}
	assert_int_equal(reader_lost(&r), 0);
	reader_batch(&r, READER_ALL);
	for (ts = 1; ts <= 4 * SIZE; ts++)
		expect(&r, ts);
	for (ts = 5 * SIZE + 2; ts <= 6 * SIZE; ts++)
		expect(&r, ts);
	expect_end(&r);
	assert_int_equal(reader_lost(&r), SIZE + 1);
	reader_close(&r);
}

static void task_names(void **state)
{
	struct cowscope_task task;

	map.task[5] = (struct cowscope_task){ .pid = 21, .tgid = 20, .comm = "0123456789abcdef" };
	assert_true(device_task(&device, 21, &task));
	assert_int_equal(task.pid, 21);
	assert_int_equal(task.tgid, 20);
	assert_string_equal(task.comm, "0123456789abcde");
	/* Another thread has the place. */
	assert_false(device_task(&device, 5, &task));
	assert_false(device_task(&device, 1, &task));
}

static void family(void **state)
{
	static const u64 expected[] = { 10, 20, 30, 40, 50, 60, 70 };
	struct family f = { 0 };
	struct records out = { 0 };
	struct cowscope_record *fork;
	struct reader r;
	size_t i;

	map.task[8] = (struct cowscope_task){ .pid = 8, .tgid = 7, .comm = "thread" };
	map.task[9] = (struct cowscope_task){ .pid = 9, .tgid = 9, .comm = "other" };

	assert_int_equal(reader_open(&r, &device, READER_NOW), 0);
	put(0, 10, 7);
	put(1, 15, 9);				/* somebody else */
	put(1, 20, 8);				/* a thread */
	put(2, 30, 100);			/* a child, before its fork has ended */
	fork = put(0, 40, 8);
	fork->type = COWSCOPE_EVENT_FORK;
	fork->target = 100;
	fork = put(1, 45, 9);			/* somebody else's child */
	fork->type = COWSCOPE_EVENT_FORK;
	fork->target = 101;
	put(2, 46, 101);
	fork = put(2, 50, 100);			/* a grandchild */
	fork->type = COWSCOPE_EVENT_FORK;
	fork->target = 102;
	put(0, 60, 102);
	fork = put(1, 70, 9);			/* somebody else does it to the child */
	fork->type = COWSCOPE_EVENT_CLEAR_REFS;
	fork->target = 100;

	assert_int_equal(family_add(&f, 7), 0);
	assert_int_equal(family_add(&f, 7), 0);
	assert_int_equal(f.count, 1);
	assert_int_equal(reader_collect(&r, &device, &f, &out), 0);
	assert_int_equal(out.count, ARRAY_SIZE(expected));
	for (i = 0; i < out.count; i++)
		assert_int_equal(out.record[i].ts, expected[i]);
	assert_int_equal(f.count, 3);

	/* The children are remembered, the records are appended. */
	put(0, 80, 102);
	assert_int_equal(reader_collect(&r, &device, &f, &out), 0);
	assert_int_equal(out.count, ARRAY_SIZE(expected) + 1);
	free(out.record);
	free(f.tgid);
	reader_close(&r);
}

static void large_family(void **state)
{
	struct family f = { 0 };
	u32 pid;

	for (pid = 1; pid < 1000; pid++)
		assert_int_equal(family_add(&f, pid), 0);
	assert_int_equal(f.count, 999);
	assert_int_equal(f.tgid[998], 999);
	free(f.tgid);
}

static void counters(void **state)
{
	static const char stats[] = "cow_fault.entered 812\ncow_fault.missed 3\nfork.missed 4\n"
				    "missed 100\nring.dropped 50\nfork.skipped 7\nlast.missed 9";

	assert_int_equal(stats_sum(stats, "cow_fault.entered"), 812);
	assert_int_equal(stats_sum(stats, "fault.entered"), 0);
	assert_int_equal(stats_sum(stats, "cow_fault"), 0);
	assert_int_equal(stats_sum(stats, ".missed"), 3 + 4 + 9);
	assert_int_equal(stats_sum("", ".missed"), 0);
	/* A line without a number is not that of the next. */
	assert_int_equal(stats_sum("a.missed\n7 3\nb.missed\40\n8\nc.missed 1", ".missed"), 1);
	assert_int_equal(stats_missed(stats), 3 + 4 + 9 + 50 + 7);
}

static void errors(void **state)
{
	/* Whatever went wrong, there is a sentence for it. */
	int err;

	for (err = 1; err < 134; err++)
		assert_true(strlen(device_error(-err)) > 10);
	assert_non_null(strstr(device_error(-EACCES), "run as root"));
	assert_non_null(strstr(device_error(-ENOENT), kernel_supported() ? "insmod" : "boot one"));
	assert_non_null(strstr(kernel_list(), "5.10 "));
}

#define TEST(name)	cmocka_unit_test_setup(name, setup)

static const struct CMUnitTest tests[] = {
	TEST(merged),
	TEST(batches),
	TEST(horizon),
	TEST(seeks),
	TEST(seek_forgets),
	TEST(losses),
	TEST(waits_outside),
	TEST(task_names),
	TEST(family),
	TEST(large_family),
	TEST(counters),
	TEST(errors),
};

GROUP(reader, tests);
