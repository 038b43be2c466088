// SPDX-License-Identifier: GPL-2.0
/* The reading protocol of one ring, on ordinary memory. */
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cursor.h"

#define SIZE	64	/* records: one page */

static struct cowscope_ring ring;
static struct cowscope_record *records;

/* Record n, such that a mixture of two is noticed. */
static void fill(struct cowscope_record *r, u64 n)
{
	u64 *word = (u64 *)r;
	size_t i;

	for (i = 0; i < sizeof(*r) / sizeof(*word); i++)
		__atomic_store_n(&word[i], n * 8 + i, __ATOMIC_RELAXED);
}

static bool is_record(const struct cowscope_record *r, u64 n)
{
	struct cowscope_record whole;

	fill(&whole, n);
	return !memcmp(r, &whole, sizeof(whole));
}

/* As the module does: write, then publish. */
static void produce(u64 n)
{
	fill(&records[n & (SIZE - 1)], n);
	__atomic_store_n(&ring.head, n + 1, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static struct ring_cursor begin(u64 head)
{
	u64 n;

	if (!records)
		records = mmap(NULL, SIZE * sizeof(*records), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(records != MAP_FAILED);
	for (n = head < SIZE ? 0 : head - SIZE; n < head; n++)
		produce(n);
	ring.head = head;
	return (struct ring_cursor){ .ring = &ring, .record = records, .size = SIZE };
}

static void oldest(void **state)
{
	assert_int_equal(ring_oldest(0, 8), 0);
	assert_int_equal(ring_oldest(1, 8), 0);
	assert_int_equal(ring_oldest(7, 8), 0);
	/* The place of record 0 is that of record 8, which may be being written. */
	assert_int_equal(ring_oldest(8, 8), 1);
	assert_int_equal(ring_oldest(9, 8), 2);
	assert_int_equal(ring_oldest((1ULL << 40) + 7, 8), 1ULL << 40);
}

static void empty(void **state)
{
	struct ring_cursor c = begin(0);
	struct cowscope_record r;

	assert_false(ring_read(&c, 0, &r));
	assert_false(ring_read(&c, ~0ULL, &r));
	assert_int_equal(c.pos, 0);
	assert_int_equal(c.lost, 0);
}

static void in_order(void **state)
{
	struct ring_cursor c = begin(10);
	struct cowscope_record r;
	u64 n;

	for (n = 0; n < 7; n++) {
		assert_true(ring_read(&c, 7, &r));
		assert_true(is_record(&r, n));
	}
	assert_false(ring_read(&c, 7, &r));
	for (; n < 10; n++) {
		assert_true(ring_read(&c, ~0ULL, &r));
		assert_true(is_record(&r, n));
	}
	assert_false(ring_read(&c, ~0ULL, &r));
	produce(10);
	assert_true(ring_read(&c, ~0ULL, &r));
	assert_true(is_record(&r, 10));
	assert_int_equal(c.lost, 0);
}

/* What is left of a ring that went round: all but the oldest place. */
static void overwritten(void **state)
{
	u64 heads[] = { SIZE, SIZE + 1, 3 * SIZE + 5, (1ULL << 32) + 3, 1ULL << 50 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(heads); i++) {
		struct ring_cursor c = begin(heads[i]);
		struct cowscope_record r;
		u64 n = 0;

		while (ring_read(&c, ~0ULL, &r)) {
			assert_true(is_record(&r, heads[i] - SIZE + 1 + n));
			n++;
		}
		assert_int_equal(n, SIZE - 1);
		assert_int_equal(c.lost, heads[i] - SIZE + 1);
		assert_int_equal(c.pos, heads[i]);
	}
}

/* The producer overtakes the reader between two reads. */
static void overtaken(void **state)
{
	struct ring_cursor c = begin(3);
	struct cowscope_record r;
	u64 n;

	assert_true(ring_read(&c, ~0ULL, &r));
	for (n = 3; n < 2 * SIZE; n++)
		produce(n);
	assert_true(ring_read(&c, ~0ULL, &r));
	assert_true(is_record(&r, SIZE + 1));
	assert_int_equal(c.lost, SIZE);
}

/* All that a batch wanted is gone: that is lost, what is beyond is not touched. */
static void overtaken_beyond_end(void **state)
{
	struct ring_cursor c = begin(3 * SIZE);
	struct cowscope_record r;

	c.pos = 5;
	assert_false(ring_read(&c, 10, &r));
	assert_int_equal(c.lost, 2 * SIZE + 1 - 5);
	assert_true(ring_read(&c, ~0ULL, &r));
	assert_true(is_record(&r, 2 * SIZE + 1));
	assert_int_equal(c.lost, 2 * SIZE + 1 - 5);
}

static u64 torn_at, torn_until;

/* The reader touched the records: let them be overwritten, then let it go on. */
static void overwrite(int number)
{
	mprotect(records, SIZE * sizeof(*records), PROT_READ | PROT_WRITE);
	for (; torn_at < torn_until; torn_at++)
		produce(torn_at);
}

static void torn_by(u64 more)
{
	struct sigaction action = { .sa_handler = overwrite }, before;
	struct ring_cursor c = begin(SIZE);
	struct cowscope_record r;
	u64 oldest_left = more + 1;

	c.pos = 1;
	torn_at = SIZE;
	torn_until = SIZE + more;
	sigaction(SIGSEGV, &action, &before);
	mprotect(records, SIZE * sizeof(*records), PROT_NONE);
	assert_true(ring_read(&c, ~0ULL, &r));
	sigaction(SIGSEGV, &before, NULL);

	assert_true(is_record(&r, oldest_left));
	assert_int_equal(c.lost, oldest_left - 1);
	assert_int_equal(c.pos, oldest_left + 1);
}

/* Overwritten while it was being copied: thrown away, counted, the next taken. */
static void torn(void **state)
{
	torn_by(1);
	torn_by(2);
	torn_by(SIZE);
	torn_by(5 * SIZE);
}

#define MANY	3000000ULL

static void *producer(void *unused)
{
	u64 n;

	for (n = 0; n < MANY; n++)
		produce(n);
	return NULL;
}

/* Against a producer as fast as it can be: each record whole, all accounted for. */
static void raced(void **state)
{
	struct ring_cursor c = begin(0);
	struct cowscope_record r;
	pthread_t thread;
	u64 got = 0, expected;

	assert_int_equal(pthread_create(&thread, NULL, producer, NULL), 0);
	while (c.pos < MANY) {
		if (!ring_read(&c, ~0ULL, &r))
			continue;
		expected = c.pos - 1;
		if (!is_record(&r, expected))
			fail_msg("record %llu is torn", (unsigned long long)expected);
		got++;
	}
	pthread_join(thread, NULL);
	assert_int_equal(got + c.lost, MANY);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(oldest),
	cmocka_unit_test(empty),
	cmocka_unit_test(in_order),
	cmocka_unit_test(overwritten),
	cmocka_unit_test(overtaken),
	cmocka_unit_test(overtaken_beyond_end),
	cmocka_unit_test(torn),
	cmocka_unit_test(raced),
};

GROUP(ring, tests);
