// SPDX-License-Identifier: GPL-2.0
/*
 * NUMA balancing: change_prot_numa() makes entries PROT_NONE, so that the next
 * access is a fault that tells who uses the page. It passes over what it takes
 * to be pinned or shared, and over what is PROT_NONE already. So where held pages
 * are is remembered at entry, and what became of these is looked at afterwards.
 */
#include <linux/mm.h>
#include "compat/mm.h"
#include "filter.h"
#include "page_state.h"
#include "probes.h"
#include "stats.h"
#include "wrprotect.h"

/*
 * Runs of held pages that one call remembers; mostly one is one buffer. Pages of
 * more runs than that count as unwalked.
 */
#define RUNS	32

struct numa_call {
	struct vm_area_struct *vma;
	struct page_state_memo memo;
	unsigned int lock;
	unsigned int runs;
	struct {
		unsigned long start, end;
	} run[RUNS];
};

static void look_before(void *ctx, const struct page_state_run *run)
{
	struct numa_call *call = ctx;
	struct cowscope_counts c;

	if (!pte_write(run->pte) || pte_protnone(run->pte) ||
	    !wrprotect_held(&c, &call->memo, call->vma, run))
		return;
	if (!call->runs || call->run[call->runs - 1].end != run->addr) {
		if (call->runs == RUNS) {
			stats_add(wrprotect_unwalked, run->pages);
			return;
		}
		call->run[call->runs++].start = run->addr;
	}
	call->run[call->runs - 1].end = run->addr + run->pages * PAGE_SIZE;
}

/* All but the protection is as it was. */
static void look_after(void *ctx, const struct page_state_run *run)
{
	struct numa_call *call = ctx;
	struct cowscope_counts c;

	if (!pte_protnone(run->pte) ||
	    !wrprotect_look(&c, &call->memo, call->vma, run))
		return;
	wrprotect_record(run->addr, (page_state_pack(run->pte) & ~COWSCOPE_PTE_PROTNONE) |
			 COWSCOPE_PTE_WRITE |
			 (run->level == COWSCOPE_LEVEL_PTE ? 0 : COWSCOPE_PTE_HUGE),
			 &c, COWSCOPE_SOURCE_NUMA, call->lock);
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
	call->runs = 0;
	stop = page_state_walk(vma->vm_mm, start, end, WRPROTECT_WALK_MAX, look_before, call);
	if (stop < end)
		stats_add(wrprotect_unwalked, (end - stop) >> PAGE_SHIFT);
	return 0;
}

static int numa_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct numa_call *call = (void *)ri->data;
	unsigned int i;

	stats_inc(probe[PROBE_NUMA].ended);
	call->memo = (struct page_state_memo){};
	for (i = 0; i < call->runs; i++)
		page_state_walk(call->vma->vm_mm, call->run[i].start, call->run[i].end,
				ULONG_MAX, look_after, call);
	return 0;
}

static const char *const numa_symbols[] = { "change_prot_numa", NULL };

struct probe probe_numa = {
	.id = PROBE_NUMA,
	.name = "numa",
	.sees = "pages made PROT_NONE for NUMA hinting faults",
	.symbols = numa_symbols,
	.event = COWSCOPE_EVENT_WRPROTECT,
	.entry = numa_entry,
	.ret = numa_return,
	.data_size = sizeof(struct numa_call),
};
