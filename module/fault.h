/* SPDX-License-Identifier: GPL-2.0 */
/* A write fault, from the look at entry to the record, whatever decided it. */
#ifndef COWSCOPE_FAULT_H
#define COWSCOPE_FAULT_H

#include <linux/ktime.h>
#include <linux/mm.h>
#include "compat/mm.h"
#include "filter.h"
#include "probes.h"
#include "rivals.h"
#include "rules.h"
#include "stats.h"

struct fault {
	u64 began;		/* CLOCK_MONOTONIC, ns */
	u64 before;		/* COWSCOPE_PTE_* */
	unsigned long addr;	/* first one that the entry maps */
	struct mm_struct *mm;
	u32 pages;		/* that the entry maps */
	u8 predicted;		/* unless by_rule */
	u8 own_refs;		/* held by the fault itself, left out of c.refcount */
	bool by_rule;		/* the rule in force predicts, from the look */
	bool changed;		/* the entry is no longer what the fault is about */
	bool unshare;
	bool writable;		/* the VMA allows writing */
	bool coded;		/* the return code tells whether it did anything */
	struct rival rival;
	struct cowscope_counts c;
};

/**
 * fault_filtered - does the filter leave a fault out?
 * @probe: the probe point, which counts it if so
 * @vma: the VMA
 * @addr: any address that the entry maps
 * @size: bytes that it maps, a power of two
 *
 * In a probe handler, as all below.
 */
static inline bool fault_filtered(enum probe_id probe, struct vm_area_struct *vma,
				  unsigned long addr, unsigned long size)
{
	if (filter_pass_fault(vma->vm_mm, addr & ~(size - 1), size))
		return false;
	stats_inc(probe[probe].entered);
	stats_inc(probe[probe].filtered);
	return true;
}

/**
 * fault_start - a probed function was entered that decides a write fault
 * @f: filled but for the page
 * @probe: the probe point, which counts it
 * @vma: the VMA
 * @addr: any address that the entry maps
 * @size: bytes that it maps, a power of two
 * @flags: FAULT_FLAG_*
 */
static __always_inline void fault_start(struct fault *f, enum probe_id probe,
					struct vm_area_struct *vma, unsigned long addr,
					unsigned long size, unsigned int flags)
{
	stats_inc(probe[probe].entered);
	f->began = ktime_get_mono_fast_ns();
	f->before = 0;
	f->addr = addr & ~(size - 1);
	f->mm = vma->vm_mm;
	f->pages = size >> PAGE_SHIFT;
	f->predicted = COWSCOPE_DECISION_NONE;
	f->own_refs = 0;
	f->by_rule = false;
	f->unshare = flags & FAULT_FLAG_UNSHARE;
	f->writable = vma->vm_flags & VM_WRITE;
	f->rival.open = false;
}

/* Both. Returns false if the fault is left out; then its return is not wanted. */
static inline bool fault_begin(struct fault *f, enum probe_id probe, struct vm_area_struct *vma,
			       unsigned long addr, unsigned long size, unsigned int flags)
{
	if (fault_filtered(probe, vma, addr, size))
		return false;
	fault_start(f, probe, vma, addr, size, flags);
	return true;
}

/* A call of a probed function that is none of its business; returns 1. */
int fault_decline(enum probe_id probe);

/**
 * fault_look - read the page that an entry maps, with cowscope's holders of it
 * @f: begun; its address is that of the entry
 * @vma: the VMA
 * @pte: the entry
 * @level: of the entry
 * @locked: the entry is stable, as its lock is held; if not, it is read again
 *	after the look, and if it has changed there are no counts
 */
void fault_look(struct fault *f, struct vm_area_struct *vma, pte_t pte,
		enum cowscope_level level, bool locked);

/**
 * fault_join - the return of a fault is waited for
 * @f: begun; stays where it is until fault_end()
 * @vma: the VMA
 * @pte: the entry
 * @coded: the function says with VM_FAULT_WRITE whether it did anything, if this
 *	kernel still has that; else rivals tell (rivals.h)
 *
 * Before fault_look(), where that looks without the entry's lock: who then has
 * changed the entry before this is seen to have done so, and who changes it later
 * finds this fault among the rivals.
 */
void fault_join(struct fault *f, struct vm_area_struct *vma, pte_t pte, bool coded);

/* The decision is to be predicted from the look, which is already there. */
static inline void fault_predict(struct fault *f)
{
	f->by_rule = true;
}

/**
 * fault_decide - what was decided, going by the entry
 * @f: joined and looked at
 * @after: the entry now, packed
 * @ret: what the probed function returned, of no error
 * @copied: set: @after maps another page and this fault did it
 */
enum cowscope_decision fault_decide(struct fault *f, u64 after, vm_fault_t ret, bool *copied);

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
