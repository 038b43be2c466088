// SPDX-License-Identifier: GPL-2.0
/*
 * UFFDIO_WRITEPROTECT: mwriteprotect_range() as a whole; and
 * change_protection(), which does its work and that of mprotect(). Neither
 * asks whether a page is pinned, so what is present and writable at entry is
 * write-protected; how many PTEs were changed is what the kernel returns.
 * NUMA balancing asks, and has a probe of its own.
 */
#include <linux/mm.h>
#include "compat/mm.h"
#include "filter.h"
#include "op.h"
#include "page_state.h"
#include "probes.h"
#include "stats.h"
#include "wrprotect.h"

struct uffd_call {
	struct op *op;
};

struct protect_call {
	struct op *op;		/* NULL for mprotect() */
	struct vm_area_struct *vma;
	enum cowscope_source source;
	unsigned int lock;
	struct page_state_memo memo;
};

static int uffd_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct mm_struct *mm = compat_mwriteprotect_mm(regs);
	struct uffd_call *call = (void *)ri->data;
	struct op *op;

	stats_inc(probe[PROBE_UFFD_WP].entered);
	if (!filter_pass(mm)) {
		stats_inc(probe[PROBE_UFFD_WP].filtered);
		return 1;
	}
	op = op_begin(COWSCOPE_EVENT_UFFD_WP);
	if (!op) {
		stats_inc(probe[PROBE_UFFD_WP].skipped);
		stats_inc(probe[PROBE_UFFD_WP].ended);
		return 1;
	}
	op->start = regs_get_kernel_argument(regs, 1);
	op->end = op->start + regs_get_kernel_argument(regs, 2);
	op->arg = regs_get_kernel_argument(regs, 3) & 1;
	op->target = filter_mm_tgid(mm);
	call->op = op;
	return 0;
}

static int uffd_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct uffd_call *call = (void *)ri->data;

	stats_inc(probe[PROBE_UFFD_WP].ended);
	op_end(call->op, regs_return_value(regs));
	return 0;
}

static void look(void *ctx, const struct page_state_run *run)
{
	struct protect_call *call = ctx;
	struct cowscope_counts c __uninitialized;
	bool held;

	if (call->op)
		call->op->seen += run->pages;
	if (!pte_write(run->pte))
		return;
	held = wrprotect_look(&c, &call->memo, call->vma, run);
	if (call->op) {
		call->op->held += held ? run->pages : 0;
		if (COWSCOPE_STATE_PINNED(c.state) == COWSCOPE_YES)
			call->op->pinned += run->pages;
	}
	if (held)
		wrprotect_record(run->addr, page_state_pack(run->pte) |
				 (run->level == COWSCOPE_LEVEL_PTE ? 0 : COWSCOPE_PTE_HUGE),
				 &c, call->source, call->lock);
}

static bool decline(struct kretprobe_instance *ri, const struct compat_change_protection *a)
{
	struct protect_call *call = (void *)ri->data;

	call->vma = a->vma;
	call->op = NULL;
	call->memo = (struct page_state_memo){};
	if (a->cp_flags & (MM_CP_UFFD_WP | MM_CP_UFFD_WP_RESOLVE)) {
		call->op = op_find(COWSCOPE_EVENT_UFFD_WP);
		call->source = COWSCOPE_SOURCE_UFFD_WP;
		return !call->op;
	}
	call->source = COWSCOPE_SOURCE_MPROTECT;
	return a->cp_flags & ~1UL || a->vma->vm_flags & VM_WRITE;
}

static int protect_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct protect_call *call = (void *)ri->data;
	struct compat_change_protection a;
	unsigned long stop;

	stats_inc(probe[PROBE_WRPROTECT].entered);
	compat_change_protection(&a, regs);
	if (decline(ri, &a)) {
		stats_inc(probe[PROBE_WRPROTECT].declined);
		return 1;
	}
	if (!filter_pass(a.vma->vm_mm)) {
		stats_inc(probe[PROBE_WRPROTECT].filtered);
		return 1;
	}
	call->lock = compat_mmap_lock_mode(a.vma->vm_mm);
	if (call->op)
		call->op->lock = call->lock;
	if (a.cp_flags & MM_CP_UFFD_WP_RESOLVE)
		return 0;

	stop = page_state_walk(a.vma->vm_mm, a.start, a.end, WRPROTECT_WALK_MAX, look, call);
	if (stop < a.end) {
		stats_add(wrprotect_unwalked, (a.end - stop) >> PAGE_SHIFT);
		if (call->op)
			call->op->flags |= COWSCOPE_OP_PARTIAL;
	}
	return 0;
}

static int protect_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct protect_call *call = (void *)ri->data;
	long changed = regs_return_value(regs);

	stats_inc(probe[PROBE_WRPROTECT].ended);
	if (call->op && changed > 0)
		call->op->changed += changed;
	return 0;
}

static const char *const uffd_symbols[] = { "mwriteprotect_range", NULL };
static const char *const protect_symbols[] = { "change_protection", NULL };

struct probe probe_uffd_wp = {
	.id = PROBE_UFFD_WP,
	.name = "uffd_wp",
	.sees = "UFFDIO_WRITEPROTECT",
	.symbols = uffd_symbols,
	.event = COWSCOPE_EVENT_UFFD_WP,
	.entry = uffd_entry,
	.ret = uffd_return,
	.data_size = sizeof(struct uffd_call),
};

struct probe probe_wrprotect = {
	.id = PROBE_WRPROTECT,
	.name = "wrprotect",
	.sees = "pages that mprotect and UFFDIO_WRITEPROTECT write-protect",
	.symbols = protect_symbols,
	.event = COWSCOPE_EVENT_WRPROTECT,
	.entry = protect_entry,
	.ret = protect_return,
	.data_size = sizeof(struct protect_call),
};
