/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long something takes, for less than two readings of a clock: by the TSC,
 * where the kernel has found that it runs evenly and alike on all CPUs.
 */
#ifndef COWSCOPE_STOPWATCH_H
#define COWSCOPE_STOPWATCH_H

#include <linux/jump_label.h>
#include <linux/ktime.h>
#include <linux/timex.h>

DECLARE_STATIC_KEY_FALSE(stopwatch_tsc);
extern u32 stopwatch_mult;	/* ns per cycle, in units of 2^-STOPWATCH_SHIFT */

#define STOPWATCH_SHIFT	20

/* Before the first one is started. Sleeps. */
void stopwatch_init(void);

/* Any context. */
static __always_inline u64 stopwatch_start(void)
{
	if (static_branch_likely(&stopwatch_tsc))
		return get_cycles();
	return ktime_get_mono_fast_ns();
}

/* So much that it overflows below, or less than nothing: clocks that differ a little. */
u32 stopwatch_far(s64 cycles);

/**
 * stopwatch_stop - how long has it been?
 * @started: what stopwatch_start() returned, on any CPU
 * @now: ktime_get_mono_fast_ns(), which the caller has read for other ends
 *
 * Returns ns, at most 2^32 - 1. Any context.
 */
static __always_inline u32 stopwatch_stop(u64 started, u64 now)
{
	if (static_branch_likely(&stopwatch_tsc)) {
		u64 cycles = get_cycles() - started;

		if (unlikely(cycles >> 31))
			return stopwatch_far(cycles);
		return cycles * stopwatch_mult >> STOPWATCH_SHIFT;
	}
	return min_t(u64, now - started, U32_MAX);
}

#endif
