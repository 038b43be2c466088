/* SPDX-License-Identifier: GPL-2.0 */
/* A write fault, from the look at entry to the record, whatever decided it. */
#ifndef COWSCOPE_FAULT_H
#define COWSCOPE_FAULT_H

#include <linux/mm.h>
#include "filter.h"
#include "probes.h"
#include "rules.h"
#include "stats.h"

struct fault {
	u64 began;		/* CLOCK_MONOTONIC, ns */
	u64 before;		/* COWSCOPE_PTE_* */
	unsigned long addr;
	struct mm_struct *mm;
	u8 predicted;
	struct cowscope_counts c;
};

/**
 * fault_wanted - a probed function was entered that decides a write fault
 * @probe: the probe point
 * @vma: the VMA
 * @addr: the address
 *
 * Returns false if the filter leaves it out, and counts that; a call that is
 * wanted may still be missed. In a probe handler.
 */
static inline bool fault_wanted(enum probe_id probe, struct vm_area_struct *vma,
				unsigned long addr)
{
	if (filter_pass_fault(vma->vm_mm, addr))
		return true;
	stats_inc(probe[probe].entered);
	stats_inc(probe[probe].filtered);
	return false;
}

/**
 * fault_start - begin to follow a fault that is wanted
 * @f: filled but for the page
 * @probe: the probe point, which counts it
 * @vma: the VMA
 * @addr: the address
 */
void fault_start(struct fault *f, enum probe_id probe, struct vm_area_struct *vma,
		 unsigned long addr);

/* Both, where no handler asks first. Returns false if the return is not wanted. */
static inline bool fault_begin(struct fault *f, enum probe_id probe, struct vm_area_struct *vma,
			       unsigned long addr)
{
	if (!fault_wanted(probe, vma, addr))
		return false;
	fault_start(f, probe, vma, addr);
	return true;
}

/**
 * fault_look - read the page that an entry maps, with cowscope's holders of it
 * @f: begun
 * @vma: the VMA
 * @pte: the entry, stable as its lock is held
 * @level: of the entry
 */
void fault_look(struct fault *f, struct vm_area_struct *vma, pte_t pte,
		enum cowscope_level level);

/**
 * fault_end - count and record what was decided
 * @f: looked at
 * @probe: as given to fault_wanted()
 * @decision: what the kernel did
 * @after: the entry now, or 0
 * @copied: @after maps another page
 * @ret: what the probed function returned
 */
void fault_end(struct fault *f, enum probe_id probe, enum cowscope_decision decision,
	       u64 after, bool copied, vm_fault_t ret);

#endif
