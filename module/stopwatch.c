// SPDX-License-Identifier: GPL-2.0
#include <linux/math64.h>
#include <asm/tsc.h>
#include "stopwatch.h"

/* A slower TSC than this could take up all of 2^32 ns below 2^31 cycles. */
#define LEAST_KHZ	500000

DEFINE_STATIC_KEY_FALSE(stopwatch_tsc);
u32 stopwatch_mult __read_mostly;

void stopwatch_init(void)
{
	if (tsc_khz < LEAST_KHZ || check_tsc_unstable())
		return;
	stopwatch_mult = div_u64((u64)NSEC_PER_MSEC << STOPWATCH_SHIFT, tsc_khz);
	static_branch_enable(&stopwatch_tsc);
}

u32 stopwatch_far(s64 cycles)
{
	if (cycles < 0)
		return 0;
	return min_t(u64, mul_u64_u32_shr(cycles, stopwatch_mult, STOPWATCH_SHIFT), U32_MAX);
}
