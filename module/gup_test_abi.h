/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ioctls of the file gup_test, as programs use them: the numbers and layouts
 * of mm/gup_test.h, which the kernel does not export. Also for tests.
 *
 * A 32-bit program aligns __u64 to 4 bytes: its structs lack the padding at their
 * end, and the sizes in its ioctl numbers are smaller by that.
 */
#ifndef COWSCOPE_GUP_TEST_ABI_H
#define COWSCOPE_GUP_TEST_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define GUP_TEST_DUMPED		8
#define GUP_TEST_DUMP_PIN	(1U << 0)	/* in test_flags: DUMP takes pins */

/* In gup_flags; the numbers are those of the programs, not of each kernel. */
#define GUP_TEST_WRITE		(1U << 0)	/* FOLL_WRITE */
#define GUP_TEST_TOUCH		(1U << 1)	/* FOLL_TOUCH, which is always done */

/* Get so many bytes at addr, so many pages a call, and put them back. */
struct gup_test_run {
	__u64 get_usec;		/* [out] */
	__u64 put_usec;		/* [out] */
	__u64 addr;		/* [in] */
	__u64 size;		/* [in] bytes; [out] those that could be had */
	__u32 pages_per_call;	/* [in] */
	__u32 gup_flags;	/* [in] */
	__u32 test_flags;	/* [in] */
	__u32 dump[GUP_TEST_DUMPED];	/* [in] DUMP: which pages, from 1 on; 0: none;
					 * [out] 0 where there is no such page
					 */
};

#define GUP_TEST_PIN_WRITE	(1U << 0)
#define GUP_TEST_PIN_FAST	(1U << 1)

/* Take pins on a range for long. */
struct gup_test_pin {
	__u64 addr;
	__u64 size;		/* bytes */
	__u32 flags;		/* GUP_TEST_PIN_* */
};

#define GUP_TEST_RUN_GUP_FAST	_IOWR('g', 1, struct gup_test_run)
#define GUP_TEST_RUN_PIN_FAST	_IOWR('g', 2, struct gup_test_run)
#define GUP_TEST_RUN_PIN_LONGTERM	_IOWR('g', 3, struct gup_test_run)
#define GUP_TEST_RUN_GUP		_IOWR('g', 4, struct gup_test_run)
#define GUP_TEST_RUN_PIN		_IOWR('g', 5, struct gup_test_run)
#define GUP_TEST_RUN_DUMP		_IOWR('g', 6, struct gup_test_run)
#define GUP_TEST_START		_IOW('g', 7, struct gup_test_pin)
#define GUP_TEST_STOP		_IO('g', 8)
#define GUP_TEST_READ		_IOW('g', 9, __u64)	/* pointer: all that is pinned */

/*
 * The file gup_benchmark of 5.10: as above up to gup_flags, of which it only looks at
 * GUP_TEST_WRITE.
 */
struct gup_benchmark_run {
	__u64 get_usec;
	__u64 put_usec;
	__u64 addr;
	__u64 size;
	__u32 pages_per_call;
	__u32 gup_flags;
	__u64 room[10];
};

#define GUP_BENCHMARK_GUP_FAST		_IOWR('g', 1, struct gup_benchmark_run)
#define GUP_BENCHMARK_GUP		_IOWR('g', 2, struct gup_benchmark_run)
#define GUP_BENCHMARK_PIN_FAST		_IOWR('g', 3, struct gup_benchmark_run)
#define GUP_BENCHMARK_PIN		_IOWR('g', 4, struct gup_benchmark_run)
#define GUP_BENCHMARK_PIN_LONGTERM	_IOWR('g', 5, struct gup_benchmark_run)

#endif
