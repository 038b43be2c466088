// SPDX-License-Identifier: GPL-2.0
/*
 * NUMA balancing: change_prot_numa() makes entries PROT_NONE, so that the next
 * access is a fault that tells who uses the page. It passes over what it takes
 * to be pinned or shared, so the pages that are held are remembered at entry
 * and looked at again.
 */
#include <linux/mm.h>
#include "compat/mm.h"
#include "filter.h"
#include "page_state.h"
#include "probes.h"
#include "stats.h"
#include "wrprotect.h"

/* Held pages of one call that are remembered; those beyond count as unwalked. */
#define KEPT	64

struct numa_call {
	struct vm_area_struct *vma;
	struct page_state_memo memo;
	unsigned int lock;
	unsigned int kept;
	unsigned long addr[KEPT];
	u64 before[KEPT];
};

static void look_before(void *ctx, unsigned long addr, pte_t pte, unsigned int level,
			unsigned long pages)
{
	struct numa_call *call = ctx;
	struct cowscope_counts c;

	if (!pte_write(pte) || pte_protnone(pte) ||
	    !wrprotect_held(&c, &call->memo, call->vma, addr, pte, level))
		return;
	if (call->kept == KEPT) {
		stats_add(wrprotect_unwalked, pages);
		return;
	}
	call->addr[call->kept] = addr;
	call->before[call->kept++] = page_state_pack(pte) |
				     (level == COWSCOPE_LEVEL_PTE ? 0 : COWSCOPE_PTE_HUGE);
}

static int numa_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct vm_area_struct *vma = (void *)regs_get_kernel_argument(regs, 0);
	unsigned long start = regs_get_kernel_argument(regs, 1);
	unsigned long end = regs_get_kernel_argument(regs, 2);
	struct numa_call *call = (void *)ri->data;
	unsigned long stop;

	stats_inc(probe[PROBE_NUMA].entered);
	if (!filter_pass(vma->vm_mm)) {
		stats_inc(probe[PROBE_NUMA].filtered);
		return 1;
	}
	call->vma = vma;
	call->memo = (struct page_state_memo){};
	call->lock = compat_mmap_lock_mode(vma->vm_mm);
	call->kept = 0;
	stop = page_state_walk(vma->vm_mm, start, end, WRPROTECT_WALK_MAX, look_before, call);
	if (stop < end)
		stats_add(wrprotect_unwalked, (end - stop) >> PAGE_SHIFT);
	return 0;
}

static int numa_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct numa_call *call = (void *)ri->data;
	struct cowscope_counts c;
	unsigned int i, level;
	pte_t now;

	stats_inc(probe[PROBE_NUMA].ended);
	for (i = 0; i < call->kept; i++) {
		now = page_state_pte(call->vma->vm_mm, call->addr[i], &level);
		if (!pte_protnone(now) || pte_pfn(now) != COWSCOPE_PTE_PFN(call->before[i]))
			continue;
		if (wrprotect_look(&c, NULL, call->vma, call->addr[i], now, level))
			wrprotect_record(call->addr[i], call->before[i], &c,
					 COWSCOPE_SOURCE_NUMA, call->lock);
	}
	return 0;
}

static const char *const numa_symbols[] = { "change_prot_numa", NULL };

struct probe probe_numa = {
	.id = PROBE_NUMA,
	.name = "numa",
	.symbols = numa_symbols,
	.event = COWSCOPE_EVENT_WRPROTECT,
	.entry = numa_entry,
	.ret = numa_return,
	.data_size = sizeof(struct numa_call),
};
