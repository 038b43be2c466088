// SPDX-License-Identifier: GPL-2.0
/*
 * fork(): copy_process() as a whole, copy_page_range() for each VMA, and what
 * that copies at once or splits. An early copy is the only reason why
 * copy_page_range() adds a new anonymous page, so that call tells without a
 * walk of the tables; for a VMA no more than counters of the child are read.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/ktime.h>
#include "compat/mm.h"
#include "filter.h"
#include "holders.h"
#include "op.h"
#include "page_state.h"
#include "probes.h"
#include "record.h"
#include "ring.h"
#include "stats.h"

struct fork_call {
	struct op *op;
};

/* Where it is at: the op's start and end are those of the VMA being copied. */
struct range_call {
	u64 began;
	struct mm_struct *child;
	u32 copied, splits;	/* of the fork, before */
	struct op *op;
};

static int fork_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct kernel_clone_args *args = (void *)regs_get_kernel_argument(regs, 3);
	struct fork_call *call = (void *)ri->data;

	stats_inc(probe[PROBE_FORK].entered);
	if (args->flags & CLONE_VM || !current->mm) {
		stats_inc(probe[PROBE_FORK].declined);
		return 1;
	}
	if (!filter_pass(NULL)) {
		stats_inc(probe[PROBE_FORK].filtered);
		return 1;
	}
	call->op = op_begin(COWSCOPE_EVENT_FORK);
	if (!call->op) {
		stats_inc(probe[PROBE_FORK].skipped);
		stats_inc(probe[PROBE_FORK].ended);
		return 1;
	}
	return 0;
}

static int fork_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct task_struct *child = (void *)regs_return_value(regs);
	struct fork_call *call = (void *)ri->data;
	int error = PTR_ERR_OR_ZERO(child);

	if (!filter_pass(NULL)) {
		stats_inc(probe[PROBE_FORK].filtered);
		op_abandon(call->op);
		return 0;
	}
	/* Not woken up yet, so it is there. */
	if (!error)
		call->op->target = child->pid;
	stats_inc(probe[PROBE_FORK].ended);
	op_end(call->op, error);
	return 0;
}

/* The current task's, unless a filter was set since it began. */
static struct op *forking(void)
{
	return filter_pass(NULL) ? op_find(COWSCOPE_EVENT_FORK) : NULL;
}

static int range_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct vm_area_struct *dst = (void *)regs_get_kernel_argument(regs, 0);
	struct vm_area_struct *src = (void *)regs_get_kernel_argument(regs, 1);
	struct range_call *call = (void *)ri->data;

	stats_inc(probe[PROBE_FORK_RANGE].entered);
	call->op = forking();
	if (!call->op) {
		stats_inc(probe[PROBE_FORK_RANGE].filtered);
		return 1;
	}
	call->began = ktime_get_mono_fast_ns();
	call->child = dst->vm_mm;
	call->op->start = src->vm_start;
	call->op->end = src->vm_end;
	call->copied = call->op->changed;
	call->splits = call->op->pinned;
	return 0;
}

/* The child's first VMA found it empty, so what it has now is the sum of all. */
static int range_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct range_call *call = (void *)ri->data;
	struct op *op = call->op;
	u32 pages = compat_mm_pages(call->child);
	struct cowscope_record *r;

	stats_inc(probe[PROBE_FORK_RANGE].ended);
	r = ring_begin(COWSCOPE_EVENT_FORK_RANGE);
	if (r) {
		r->start = op->start;
		r->end = op->end;
		r->op_duration = r->ts - call->began;
		r->seen = pages - op->seen;
		r->changed = op->changed - call->copied;
		r->pinned = op->pinned - call->splits;
		r->error = (int)regs_return_value(regs);
		ring_commit(r);
	}
	op->seen = pages;
	op->held++;
	op->start = 0;
	op->end = 0;
	return 0;
}

/* Apart, as nearly all calls are told apart without it. Returns 0. */
static noinline int early_copy(enum probe_id probe, struct pt_regs *regs)
{
	struct page *copy = (void *)regs_get_kernel_argument(regs, 0);
	struct vm_area_struct *dst = (void *)regs_get_kernel_argument(regs, 1);
	unsigned long addr = regs_get_kernel_argument(regs, 2) & PAGE_MASK;
	struct mm_struct *mm = current->mm;
	struct op *op = forking();
	struct cowscope_record *r;
	struct cowscope_counts c;
	unsigned int level;
	pte_t pte;

	if (!op) {
		stats_inc(probe[probe].declined);
		return 0;
	}

	stats_inc(probe[probe].ended);
	op->changed += 1ul << compound_order(compound_head(copy));
	pte = page_state_pte(mm, addr, &level);
	page_state_read(&c, NULL, mm, dst->vm_flags, pte, level);
	if (c.refcount != COWSCOPE_COUNT_NA) {
		holders_look(&c, pte_pfn(pte), mm, addr);
		stats_detect(&c);
	}
	r = ring_begin(COWSCOPE_EVENT_EARLY_COPY);
	if (!r)
		return 0;
	record_page(r, addr, page_state_pack(pte) |
		    (level == COWSCOPE_LEVEL_PTE ? 0 : COWSCOPE_PTE_HUGE), &c);
	r->after = COWSCOPE_PTE_READ | COWSCOPE_PTE_PRESENT | page_to_pfn(copy);
	ring_commit(r);
	return 0;
}

static __always_inline int new_page(enum probe_id probe, struct pt_regs *regs)
{
	struct vm_area_struct *vma = (void *)regs_get_kernel_argument(regs, 1);
	struct mm_struct *mm = current->mm;

	stats_inc(probe[probe].entered);
	/* A task that forks adds new pages to no other mm than its child's. */
	if (unlikely(mm && vma->vm_mm != mm))
		return early_copy(probe, regs);
	stats_inc(probe[probe].declined);
	return 0;
}

static int early_copy_first(struct kprobe *kp, struct pt_regs *regs)
{
	return new_page(PROBE_EARLY_COPY, regs);
}

static int early_copy_hugetlb_first(struct kprobe *kp, struct pt_regs *regs)
{
	return new_page(PROBE_EARLY_COPY_HUGETLB, regs);
}

/* A THP that is pinned is copied in parts, so its mapping is split first. */
static int split_first(struct kprobe *kp, struct pt_regs *regs)
{
	struct vm_area_struct *vma = (void *)regs_get_kernel_argument(regs, 0);
	unsigned long addr = regs_get_kernel_argument(regs, 2);
	struct op *op;

	stats_inc(probe[PROBE_FORK_SPLIT].entered);
	op = vma->vm_mm == current->mm ? forking() : NULL;
	/* copy_process() also writes to the parent's memory. */
	if (!op || addr < op->start || addr >= op->end) {
		stats_inc(probe[PROBE_FORK_SPLIT].declined);
		return 0;
	}
	stats_inc(probe[PROBE_FORK_SPLIT].ended);
	op->pinned++;
	return 0;
}

static const char *const fork_symbols[] = { "copy_process", NULL };
static const char *const range_symbols[] = { "copy_page_range", NULL };
static const char *const early_copy_symbols[] = {
	"folio_add_new_anon_rmap", "page_add_new_anon_rmap", NULL
};
static const char *const early_copy_hugetlb_symbols[] = {
	"hugetlb_add_new_anon_rmap", "hugepage_add_new_anon_rmap", NULL
};
static const char *const split_symbols[] = { "__split_huge_pmd", NULL };

struct probe probe_fork = {
	.id = PROBE_FORK,
	.name = "fork",
	.sees = "forks",
	.symbols = fork_symbols,
	.event = COWSCOPE_EVENT_FORK,
	.entry = fork_entry,
	.ret = fork_return,
	.data_size = sizeof(struct fork_call),
};

struct probe probe_fork_range = {
	.id = PROBE_FORK_RANGE,
	.name = "fork_range",
	.sees = "the VMAs that a fork copies",
	.symbols = range_symbols,
	.event = COWSCOPE_EVENT_FORK_RANGE,
	.entry = range_entry,
	.ret = range_return,
	.data_size = sizeof(struct range_call),
};

struct probe probe_early_copy = {
	.id = PROBE_EARLY_COPY,
	.name = "early_copy",
	.sees = "pages that a fork copies at once, as they are pinned",
	.symbols = early_copy_symbols,
	.event = COWSCOPE_EVENT_EARLY_COPY,
	.hot = true,
	.first = early_copy_first,
};

struct probe probe_early_copy_hugetlb = {
	.id = PROBE_EARLY_COPY_HUGETLB,
	.name = "early_copy_hugetlb",
	.sees = "hugetlb pages that a fork copies at once",
	.symbols = early_copy_hugetlb_symbols,
	.event = COWSCOPE_EVENT_EARLY_COPY,
	.first = early_copy_hugetlb_first,
};

struct probe probe_fork_split = {
	.id = PROBE_FORK_SPLIT,
	.name = "fork_split",
	.sees = "huge mappings that a fork splits, as they are pinned",
	.symbols = split_symbols,
	.event = COWSCOPE_EVENT_FORK,
	.first = split_first,
};
