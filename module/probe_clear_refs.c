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
#include "op.h"
#include "page_state.h"
#include "probes.h"
#include "stats.h"
#include "wrprotect.h"

#define CLEAR_REFS_SOFT_DIRTY	4

struct clear_refs_call {
	struct op *op;
};

/* PTE bits before, compressed to a byte each. */
#define BEFORE_WRITE	1
#define BEFORE_DIRTY	2
#define BEFORE_SOFT	4
#define BEFORE_YOUNG	8
#define BEFORE_UFFD	16

struct range_call {
	struct op *op;
	struct vm_area_struct *vma;
	unsigned long addr, end;
	struct page_state_memo memo;
	u8 before[PTRS_PER_PTE];
};

/* The number that is being written, 0 if it cannot be read without a fault. */
static u8 number_written(const char __user *buf, size_t count)
{
	char text[8] = "";
	u8 number = 0;

	count = min(count, sizeof(text) - 1);
	pagefault_disable();
	if (!access_ok(buf, count) || __copy_from_user_inatomic(text, buf, count))
		text[0] = 0;
	pagefault_enable();
	if (kstrtou8(strim(text), 10, &number))
		return 0;
	return number;
}

static int clear_refs_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	const char __user *buf = (void __user *)regs_get_kernel_argument(regs, 1);
	size_t count = regs_get_kernel_argument(regs, 2);
	struct clear_refs_call *call = (void *)ri->data;

	stats_inc(probe[PROBE_CLEAR_REFS].entered);
	call->op = op_begin(COWSCOPE_EVENT_CLEAR_REFS);
	if (!call->op) {
		stats_inc(probe[PROBE_CLEAR_REFS].skipped);
		stats_inc(probe[PROBE_CLEAR_REFS].ended);
		return 1;
	}
	call->op->arg = number_written(buf, count);
	/* Whose memory it is turns up with the first range. */
	call->op->pass = filter_pass(NULL);
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
	op_end(call->op, ret < 0 ? ret : 0);
	return 0;
}

static u8 before_bits(pte_t pte)
{
	return (pte_write(pte) ? BEFORE_WRITE : 0) |
	       (pte_dirty(pte) ? BEFORE_DIRTY : 0) |
	       (pte_soft_dirty(pte) ? BEFORE_SOFT : 0) |
	       (pte_young(pte) ? BEFORE_YOUNG : 0) |
	       (compat_pte_uffd_wp(pte) ? BEFORE_UFFD : 0);
}

/* A PTE as it was, from its bits before and what it maps now. */
static u64 pack_before(u8 bits, pte_t now)
{
	return COWSCOPE_PTE_READ | COWSCOPE_PTE_PRESENT | pte_pfn(now) |
	       (bits & BEFORE_WRITE ? COWSCOPE_PTE_WRITE : 0) |
	       (bits & BEFORE_DIRTY ? COWSCOPE_PTE_DIRTY : 0) |
	       (bits & BEFORE_SOFT ? COWSCOPE_PTE_SOFT_DIRTY : 0) |
	       (bits & BEFORE_YOUNG ? COWSCOPE_PTE_YOUNG : 0) |
	       (bits & BEFORE_UFFD ? COWSCOPE_PTE_UFFD_WP : 0);
}

static unsigned int slot(const struct range_call *call, unsigned long addr)
{
	return (addr - call->addr) >> PAGE_SHIFT & (PTRS_PER_PTE - 1);
}

static void look_before(void *ctx, unsigned long addr, pte_t pte, unsigned int level,
			unsigned long pages)
{
	struct range_call *call = ctx;

	call->before[slot(call, addr)] = before_bits(pte);
	call->op->seen += pages;
}

static void look_after(void *ctx, unsigned long addr, pte_t pte, unsigned int level,
		       unsigned long pages)
{
	struct range_call *call = ctx;
	u8 before = call->before[slot(call, addr)];
	struct op *op = call->op;
	struct cowscope_counts c;
	bool held;

	if (!(before & BEFORE_WRITE))
		return;
	held = wrprotect_look(&c, &call->memo, call->vma, addr, pte, level);
	if (held)
		op->held += pages;
	if (pte_write(pte)) {
		op->pinned += pages;
		return;
	}
	op->changed += pages;
	if (held)
		wrprotect_record(addr, pack_before(before, pte) |
				 (level == COWSCOPE_LEVEL_PTE ? 0 : COWSCOPE_PTE_HUGE),
				 &c, COWSCOPE_SOURCE_CLEAR_REFS, op->lock);
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
		op->start = regs_get_kernel_argument(regs, 1);
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
	call->vma = walk->vma;
	call->addr = regs_get_kernel_argument(regs, 1);
	call->end = regs_get_kernel_argument(regs, 2);
	call->memo = (struct page_state_memo){};
	memset(call->before, 0, sizeof(call->before));
	page_state_walk(walk->mm, call->addr, call->end, ULONG_MAX, look_before, call);
	return 0;
}

static int range_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct range_call *call = (void *)ri->data;

	stats_inc(probe[PROBE_CLEAR_REFS_RANGE].ended);
	/* The others do not write-protect. */
	if (call->op->arg == CLEAR_REFS_SOFT_DIRTY || !call->op->arg)
		page_state_walk(call->vma->vm_mm, call->addr, call->end, ULONG_MAX,
				look_after, call);
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
