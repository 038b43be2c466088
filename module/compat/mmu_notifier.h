/* SPDX-License-Identifier: GPL-2.0 */
/* Why an mmu notifier is called. */
#ifndef COWSCOPE_COMPAT_MMU_NOTIFIER_H
#define COWSCOPE_COMPAT_MMU_NOTIFIER_H

#include <linux/mmu_notifier.h>
#include <linux/version.h>
#include <linux/cowscope.h>

#ifdef CONFIG_MMU_NOTIFIER
static inline unsigned int compat_invalidation(const struct mmu_notifier_range *range)
{
	switch (range->event) {
	case MMU_NOTIFY_UNMAP:
		return COWSCOPE_INVALIDATION_UNMAP;
	case MMU_NOTIFY_CLEAR:
		return COWSCOPE_INVALIDATION_CLEAR;
	case MMU_NOTIFY_PROTECTION_VMA:
		return COWSCOPE_INVALIDATION_PROTECTION_VMA;
	case MMU_NOTIFY_PROTECTION_PAGE:
		return COWSCOPE_INVALIDATION_PROTECTION_PAGE;
	case MMU_NOTIFY_SOFT_DIRTY:
		return COWSCOPE_INVALIDATION_SOFT_DIRTY;
	case MMU_NOTIFY_RELEASE:
		return COWSCOPE_INVALIDATION_RELEASE;
	case MMU_NOTIFY_MIGRATE:
		return COWSCOPE_INVALIDATION_MIGRATE;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 14, 0)
	/* b756a3b5e7ea ("mm: device exclusive memory access"), 5.14 */
	case MMU_NOTIFY_EXCLUSIVE:
		return COWSCOPE_INVALIDATION_EXCLUSIVE;
#endif
	default:
		return COWSCOPE_INVALIDATION_NONE;
	}
}
#endif

#endif
