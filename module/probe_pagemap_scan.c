// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctl PAGEMAP_SCAN with PM_SCAN_WP_MATCHING: do_pagemap_scan() as a whole,
 * pagemap_scan_pmd_entry() for what one PMD covers and
 * pagemap_scan_hugetlb_entry() for one huge page. Which pages it write-protects
 * hangs on what it was asked for, so they are read before and after.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagewalk.h>
#include <linux/uaccess.h>
#include "compat/mm.h"
#include "filter.h"
#include "op.h"
#include "probes.h"
#include "stats.h"
#include "walk_diff.h"
#include "wrprotect.h"

struct scan_call {
	struct op *op;
};

struct range_call {
	struct op *op;
	struct walk_diff diff;
};

static int scan_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct mm_struct *mm = (void *)regs_get_kernel_argument(regs, 0);
	const void __user *from = (void __user *)regs_get_kernel_argument(regs, 1);
	struct scan_call *call = (void *)ri->data;
	struct pm_scan_arg arg = { .flags = PM_SCAN_WP_MATCHING };

	stats_inc(probe[PROBE_PAGEMAP_SCAN].entered);
	pagefault_disable();
	/* Where that takes a fault it is not known whether it shall write-protect. */
	if (!access_ok(from, sizeof(arg)) || __copy_from_user_inatomic(&arg, from, sizeof(arg)))
		arg = (struct pm_scan_arg){ .flags = PM_SCAN_WP_MATCHING };
	pagefault_enable();
	if (!(arg.flags & PM_SCAN_WP_MATCHING)) {
		stats_inc(probe[PROBE_PAGEMAP_SCAN].declined);
		return 1;
	}
	if (!filter_pass(mm)) {
		stats_inc(probe[PROBE_PAGEMAP_SCAN].filtered);
		return 1;
	}
	call->op = op_begin(COWSCOPE_EVENT_PAGEMAP_SCAN);
	if (!call->op) {
		stats_inc(probe[PROBE_PAGEMAP_SCAN].skipped);
		stats_inc(probe[PROBE_PAGEMAP_SCAN].ended);
		return 1;
	}
	call->op->start = arg.start;
	call->op->end = arg.end;
	call->op->target = filter_mm_tgid(mm);
	return 0;
}

static int scan_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct scan_call *call = (void *)ri->data;
	long ret = regs_return_value(regs);

	stats_inc(probe[PROBE_PAGEMAP_SCAN].ended);
	op_end(call->op, ret < 0 ? ret : 0);
	return 0;
}

static int range_entry(struct kretprobe_instance *ri, enum probe_id probe,
		       struct mm_walk *walk, unsigned long start, unsigned long end)
{
	struct range_call *call = (void *)ri->data;

	stats_inc(probe[probe].entered);
	call->op = op_find(COWSCOPE_EVENT_PAGEMAP_SCAN);
	if (!call->op) {
		stats_inc(probe[probe].declined);
		return 1;
	}
	call->op->lock = compat_mmap_lock_mode(walk->mm);
	call->op->seen += walk_diff_begin(&call->diff, walk->vma, start, end);
	return 0;
}

static void look_after(struct walk_diff *d, void *ctx, u64 before,
		       const struct page_state_run *now)
{
	struct op *op = ctx;
	struct cowscope_counts c __uninitialized;

	if (!(before & COWSCOPE_PTE_WRITE) || pte_write(now->pte))
		return;
	op->changed += now->pages;
	if (!wrprotect_look(&c, &d->memo, d->vma, now))
		return;
	op->held += now->pages;
	if (COWSCOPE_STATE_PINNED(c.state) == COWSCOPE_YES)
		op->pinned += now->pages;
	wrprotect_record(now->addr, before, &c, COWSCOPE_SOURCE_PAGEMAP_SCAN, op->lock);
}

static int range_return(struct kretprobe_instance *ri, enum probe_id probe)
{
	struct range_call *call = (void *)ri->data;

	stats_inc(probe[probe].ended);
	walk_diff_end(&call->diff, look_after, call->op);
	return 0;
}

static int pmd_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return range_entry(ri, PROBE_PAGEMAP_SCAN_RANGE,
			   (void *)regs_get_kernel_argument(regs, 3),
			   regs_get_kernel_argument(regs, 1), regs_get_kernel_argument(regs, 2));
}

static int pmd_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return range_return(ri, PROBE_PAGEMAP_SCAN_RANGE);
}

static int hugetlb_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return range_entry(ri, PROBE_PAGEMAP_SCAN_HUGETLB,
			   (void *)regs_get_kernel_argument(regs, 4),
			   regs_get_kernel_argument(regs, 2), regs_get_kernel_argument(regs, 3));
}

static int hugetlb_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return range_return(ri, PROBE_PAGEMAP_SCAN_HUGETLB);
}

static const char *const scan_symbols[] = { "do_pagemap_scan", NULL };
static const char *const pmd_symbols[] = { "pagemap_scan_pmd_entry", NULL };
static const char *const hugetlb_symbols[] = { "pagemap_scan_hugetlb_entry", NULL };

struct probe probe_pagemap_scan = {
	.id = PROBE_PAGEMAP_SCAN,
	.name = "pagemap_scan",
	.sees = "PAGEMAP_SCAN that write-protects",
	.symbols = scan_symbols,
	.event = COWSCOPE_EVENT_PAGEMAP_SCAN,
	.entry = scan_entry,
	.ret = scan_return,
	.data_size = sizeof(struct scan_call),
};

struct probe probe_pagemap_scan_range = {
	.id = PROBE_PAGEMAP_SCAN_RANGE,
	.name = "pagemap_scan_range",
	.sees = "pages that PAGEMAP_SCAN write-protects",
	.symbols = pmd_symbols,
	.event = COWSCOPE_EVENT_PAGEMAP_SCAN,
	.entry = pmd_entry,
	.ret = pmd_return,
	.data_size = sizeof(struct range_call),
};

struct probe probe_pagemap_scan_hugetlb = {
	.id = PROBE_PAGEMAP_SCAN_HUGETLB,
	.name = "pagemap_scan_hugetlb",
	.sees = "hugetlb pages that PAGEMAP_SCAN write-protects",
	.symbols = hugetlb_symbols,
	.event = COWSCOPE_EVENT_PAGEMAP_SCAN,
	.entry = hugetlb_entry,
	.ret = hugetlb_return,
	.data_size = sizeof(struct range_call),
};
