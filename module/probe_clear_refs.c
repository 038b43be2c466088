// SPDX-License-Identifier: GPL-2.0
/*
 * Writes to /proc/PID/clear_refs: clear_refs_write() as a whole, and
 * clear_refs_pte_range() for what one PMD covers. The PTEs are read before and
 * after, so what was write-protected and what was skipped is seen, not
 * guessed. The mmap_lock is held for writing, so no fault and no other system call
 * changes them meanwhile; reclaim and migration may.
 */
#include <linux/mm.h>
#include <linux/pagewalk.h>
#include <linux/uaccess.h>
#include "compat/mm.h"
#include "filter.h"
#include "holders.h"
#include "op.h"
#include "probes.h"
#include "stats.h"
#include "walk_diff.h"
#include "wrprotect.h"

#define CLEAR_REFS_SOFT_DIRTY	4

struct clear_refs_call {
	struct op *op;
};

struct range_call {
	struct op *op;
	struct walk_diff diff;
};

/*
 * The number that is being written, 0 if it cannot be read without a fault. Only
 * for when the kernel has read it, which brings the page in: up to Linux 5.13 a
 * fault in a handler counts as a call missed.
 */
static u8 number_written(const struct op *op)
{
	char text[13] = "";	/* as PROC_NUMBUF in fs/proc */
	size_t length = min(op->length, sizeof(text) - 1);
	u8 number = 0;

	pagefault_disable();
	if (!access_ok(op->text, length) ||
	    __copy_from_user_inatomic(text, op->text, length))
		text[0] = 0;
	pagefault_enable();
	if (kstrtou8(strim(text), 10, &number))
		return 0;
	return number;
}

static int clear_refs_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct clear_refs_call *call = (void *)ri->data;
	struct op *op = op_begin(COWSCOPE_EVENT_CLEAR_REFS);

	stats_inc(probe[PROBE_CLEAR_REFS].entered);
	if (!op) {
		stats_inc(probe[PROBE_CLEAR_REFS].skipped);
		stats_inc(probe[PROBE_CLEAR_REFS].ended);
		return 1;
	}
	op->text = (const char __user *)regs_get_kernel_argument(regs, 1);
	op->length = regs_get_kernel_argument(regs, 2);
	/* Whose memory it is turns up with the first range. */
	op->pass = filter_pass(NULL);
	call->op = op;
	return 0;
}

static int clear_refs_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct clear_refs_call *call = (void *)ri->data;
	long ret = regs_return_value(regs);

	if (!call->op->pass) {
		stats_inc(probe[PROBE_CLEAR_REFS].filtered);
		op_abandon(call->op);
		return 0;
	}
	stats_inc(probe[PROBE_CLEAR_REFS].ended);
	if (!call->op->end)
		call->op->arg = number_written(call->op);
	op_end(call->op, ret < 0 ? ret : 0);
	return 0;
}

/* It looks pinned, but can nobody have pinned this very page? */
static bool surely_unpinned(const struct cowscope_counts *c)
{
	switch (cowscope_detect(c)) {
	case COWSCOPE_FALSE_POSITIVE:
	case COWSCOPE_FALSE_POSITIVE_FOLIO:
		return true;
	default:
		return false;
	}
}

/*
 * How many of an entry's pages are pinned: those that cowscope has pinned, and
 * one for each pin of others. Which page of a large folio others have pinned
 * cannot be known; an entry that maps a part of it is given the doubt.
 */
static unsigned long pinned_pages(const struct cowscope_counts *c, unsigned long pfn,
				  unsigned long pages)
{
	unsigned long others = 0;

	if (COWSCOPE_STATE_PINNED(c->state) != COWSCOPE_YES)
		return 0;
	if (!COWSCOPE_STATE_ORDER(c->state)) {
		s32 explained = cowscope_explained(c);

		return c->held_pins || c->refcount - explained >= GUP_PIN_COUNTING_BIAS;
	}
	if (pages == 1)
		return !!c->held_pins;
	if (c->pincount > (s32)c->folio_pins)
		others = c->pincount - c->folio_pins;
	return min(pages, holders_pinned(pfn, pages) + others);
}

static void look_after(struct walk_diff *d, void *ctx, u64 before,
		       const struct page_state_run *now)
{
	bool soft_dirty = pte_soft_dirty(now->pte);
	bool writable = before & COWSCOPE_PTE_WRITE;
	bool cleared = before & COWSCOPE_PTE_SOFT_DIRTY && !soft_dirty;
	struct op *op = ctx;
	struct cowscope_counts c __uninitialized;
	bool held;

	if (soft_dirty || d->vma->vm_flags & VM_SOFTDIRTY)
		op->soft_dirty += now->pages;
	if (!writable && !cleared)
		return;
	held = wrprotect_look(&c, &d->memo, d->vma, now);
	if (held && cleared)
		op->wrongly_cleared += pinned_pages(&c, pte_pfn(now->pte), now->pages);
	if (!writable)
		return;
	if (held)
		op->held += now->pages;
	if (!pte_write(now->pte)) {
		op->changed += now->pages;
		if (held)
			wrprotect_record(now->addr, before, &c, COWSCOPE_SOURCE_CLEAR_REFS,
					 op->lock);
	} else if (op->arg == CLEAR_REFS_SOFT_DIRTY || !op->arg) {
		op->pinned += now->pages;
		if (held && surely_unpinned(&c))
			op->wrongly_left += now->pages;
	}
}

static int range_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct mm_walk *walk = (void *)regs_get_kernel_argument(regs, 3);
	struct range_call *call = (void *)ri->data;
	struct op *op = op_find(COWSCOPE_EVENT_CLEAR_REFS);

	stats_inc(probe[PROBE_CLEAR_REFS_RANGE].entered);
	if (!op) {
		stats_inc(probe[PROBE_CLEAR_REFS_RANGE].declined);
		return 1;
	}
	if (!op->end) {
		op->arg = number_written(op);
		op->target = filter_mm_tgid(walk->mm);
		op->lock = compat_mmap_lock_mode(walk->mm);
		op->pass = filter_pass(walk->mm);
	}
	op->end = regs_get_kernel_argument(regs, 2);
	if (!op->pass) {
		stats_inc(probe[PROBE_CLEAR_REFS_RANGE].filtered);
		return 1;
	}

	call->op = op;
	op->seen += walk_diff_begin(&call->diff, walk->vma, regs_get_kernel_argument(regs, 1),
				    op->end);
	return 0;
}

static int range_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct range_call *call = (void *)ri->data;

	stats_inc(probe[PROBE_CLEAR_REFS_RANGE].ended);
	walk_diff_end(&call->diff, look_after, call->op);
	return 0;
}

static const char *const clear_refs_symbols[] = { "clear_refs_write", NULL };
static const char *const range_symbols[] = { "clear_refs_pte_range", NULL };

struct probe probe_clear_refs = {
	.id = PROBE_CLEAR_REFS,
	.name = "clear_refs",
	.sees = "writes to /proc/PID/clear_refs",
	.symbols = clear_refs_symbols,
	.event = COWSCOPE_EVENT_CLEAR_REFS,
	.entry = clear_refs_entry,
	.ret = clear_refs_return,
	.data_size = sizeof(struct clear_refs_call),
};

struct probe probe_clear_refs_range = {
	.id = PROBE_CLEAR_REFS_RANGE,
	.name = "clear_refs_range",
	.sees = "pages that clear_refs write-protects",
	.symbols = range_symbols,
	.event = COWSCOPE_EVENT_CLEAR_REFS,
	.entry = range_entry,
	.ret = range_return,
	.data_size = sizeof(struct range_call),
};
