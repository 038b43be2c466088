// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include "compat/folio.h"
#include "in_force.h"

#define BY(do_wp_page) {			\
	.rule = do_wp_page,			\
	.large = COMPAT_LARGE_RULE,		\
	.pmd = COMPAT_PMD_RULE,			\
	.huge_zero = COMPAT_HUGE_ZERO,		\
}

/* One for each rule, so that to change it is to change a pointer. */
static const struct cowscope_rule_in_force kernels[] = {
	[COWSCOPE_RULE_MAPCOUNT] = BY(COWSCOPE_RULE_MAPCOUNT),
	[COWSCOPE_RULE_PAGE_COUNT] = BY(COWSCOPE_RULE_PAGE_COUNT),
	[COWSCOPE_RULE_EXCLUSIVE] = BY(COWSCOPE_RULE_EXCLUSIVE),
};

const struct cowscope_rule_in_force *in_force_now = &kernels[COMPAT_RULE];
static bool told;

bool in_force_found(void)
{
	return READ_ONCE(told);
}

int in_force_tell(u32 rule)
{
	if (rule >= ARRAY_SIZE(kernels))
		return -EINVAL;
	/* Without PageAnonExclusive nothing can go by it. */
	if (rule == COWSCOPE_RULE_EXCLUSIVE && COMPAT_RULE != COWSCOPE_RULE_EXCLUSIVE)
		return -EINVAL;
	WRITE_ONCE(in_force_now, &kernels[rule]);
	WRITE_ONCE(told, true);
	return 0;
}
