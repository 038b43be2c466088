/* SPDX-License-Identifier: GPL-2.0 */
/* A write fault, from the look at entry to the record, whatever decided it. */
#ifndef COWSCOPE_FAULT_H
#define COWSCOPE_FAULT_H

#include <linux/mm.h>
#include "compat/mm.h"
#include "filter.h"
#include "holders.h"
#include "page_state.h"
#include "probes.h"
#include "rivals.h"
#include "rules.h"
#include "stats.h"
#include "stopwatch.h"

struct fault {
	u64 began;		/* stopwatch_start() */
	unsigned long addr;	/* first one that the entry maps */
	unsigned long pfn;	/* of the first page, as the entry has it */
	pte_t pte;		/* only if plain */
	struct page_words words;	/* likewise */
	bool plain;		/* what follows is not yet filled, but rival as needed */
	bool by_rule;		/* the rule in force predicts, from the look */
	bool changed;		/* the entry is no longer what the fault is about */
	bool unshare;
	bool shared;		/* the VMA is */
	bool writable;		/* the VMA allows writing */
	bool coded;		/* the return code tells whether it did anything */
	struct rival rival;	/* if not coded */
	struct mm_struct *mm;
	u64 before;		/* COWSCOPE_PTE_* */
	u32 pages;		/* that the entry maps */
	u8 predicted;		/* unless by_rule */
	u8 own_refs;		/* held by the fault itself, left out of c.refcount */
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
	f->began = stopwatch_start();
	f->before = 0;
	f->addr = addr & ~(size - 1);
	f->mm = vma->vm_mm;
	f->pages = size >> PAGE_SHIFT;
	f->predicted = COWSCOPE_DECISION_NONE;
	f->own_refs = 0;
	f->by_rule = false;
	f->changed = false;
	f->plain = false;
	f->unshare = flags & FAULT_FLAG_UNSHARE;
	f->shared = vma->vm_flags & VM_SHARED;
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
static __always_inline void fault_join(struct fault *f, struct vm_area_struct *vma, pte_t pte,
				       bool coded)
{
	/* After page_mkwrite() or pfn_mkwrite() no kernel says so; who loses a race there
	 * returns VM_FAULT_NOPAGE.
	 */
	f->coded = coded && COMPAT_VM_FAULT_WRITE && !f->unshare && !f->shared;
	if (!f->coded && !f->shared)
		rivals_join(&f->rival, f->mm, f->addr, pte_pfn(pte));
}

/* The decision is to be predicted from the look, which is already there. */
static inline void fault_predict(struct fault *f)
{
	f->by_rule = true;
}

/**
 * fault_start_plain - all of the above in short, for the most common of faults
 * @f: filled, as far as is needed to fill the rest later
 * @vma: the VMA
 * @addr: any address in the page
 * @pte: the entry, which is locked
 * @flags: FAULT_FLAG_*
 *
 * That is a write on the process's own behalf to a small anonymous page in a private VMA
 * that allows writing, if nobody holds the page. Returns false if this is another one,
 * for fault_start() and so on.
 */
static __always_inline bool fault_start_plain(struct fault *f, struct vm_area_struct *vma,
					      unsigned long addr, pte_t pte, unsigned int flags)
{
	const unsigned long vm_flags = VM_SHARED | VM_WRITE | VM_UFFD_WP;
	struct mm_struct *mm = vma->vm_mm;
	pteval_t at = native_pte_val(pte) & PTE_PFN_MASK;

	f->addr = addr & PAGE_MASK;
	f->pte = pte;
	f->pfn = at >> PAGE_SHIFT;
	if ((vma->vm_flags & vm_flags) != VM_WRITE || flags & FAULT_FLAG_UNSHARE ||
	    mm != current->mm || !page_state_plain(pte))
		return false;
	if (!holders_none(at >> PAGE_SHIFT) ||
	    !page_words_read(&f->words, at >> PAGE_SHIFT, native_pte_val(pte) ^ at, mm))
		return false;
	stats_inc(probe[PROBE_COW_FAULT].entered);
	f->began = stopwatch_start();
	f->plain = true;
	if (!COMPAT_VM_FAULT_WRITE)
		rivals_join(&f->rival, mm, addr & PAGE_MASK, at >> PAGE_SHIFT);
	return true;
}

/* What the entry shows now. */
struct fault_entry {
	bool present;
	bool moved;		/* it maps another page */
	bool made_writable;	/* and dirty, or dirty alone if the VMA does not allow writing */
};

/* Did this fault do what the entry shows? */
static __always_inline bool fault_did_it(struct fault *f, struct fault_entry now, vm_fault_t ret)
{
	if (f->coded)
		return ret & COMPAT_VM_FAULT_WRITE;
	/* A page of a shared mapping is never copied. */
	if (now.moved ? f->shared : !now.made_writable)
		return false;
	return !rivals_leave(&f->rival, true);
}

/**
 * fault_decide - what was decided, going by the entry
 * @f: joined and looked at
 * @now: the entry
 * @ret: what the probed function returned, of no error
 * @copied: set: the entry maps another page and this fault did it
 */
static __always_inline enum cowscope_decision fault_decide(struct fault *f,
							   struct fault_entry now,
							   vm_fault_t ret, bool *copied)
{
	*copied = false;
	if (f->changed || !now.present)
		return COWSCOPE_RACED;
	if (f->unshare && !now.moved)
		return COWSCOPE_UNSHARE;
	if (!fault_did_it(f, now, ret))
		return COWSCOPE_RACED;
	*copied = now.moved;
	if (f->unshare)
		return COWSCOPE_UNSHARE;
	return now.moved ? COWSCOPE_COPY : COWSCOPE_REUSE;
}

/* ... of a packed one. */
static inline struct fault_entry fault_entry(const struct fault *f, u64 after)
{
	return (struct fault_entry){
		.present = after & COWSCOPE_PTE_PRESENT,
		.moved = COWSCOPE_PTE_PFN(after) != COWSCOPE_PTE_PFN(f->before),
		.made_writable = after & COWSCOPE_PTE_DIRTY &&
				 (after & COWSCOPE_PTE_WRITE || !f->writable),
	};
}

/* ... of a PTE of which f->pfn is that before. */
static __always_inline struct fault_entry fault_entry_pte(const struct fault *f, pte_t after)
{
	return (struct fault_entry){
		.present = pte_present(after),
		.moved = pte_pfn(after) != f->pfn,
		/* With FOLL_FORCE it is dirty, but not writable unless the VMA is. */
		.made_writable = pte_dirty(after) && (pte_write(after) || !f->writable),
	};
}

/**
 * fault_end - count and record what was decided
 * @f: looked at
 * @probe: as given to fault_start()
 * @decision: what the kernel did
 * @after: the entry now, or 0
 * @copied: @after maps another page
 * @ret: what the probed function returned
 */
void fault_end(struct fault *f, enum probe_id probe, enum cowscope_decision decision,
	       u64 after, bool copied, vm_fault_t ret);

/**
 * fault_decided - fault_decide() and fault_end() of PROBE_COW_FAULT
 * @f: plain or not
 * @after: the entry now
 * @ret: what the probed function returned, of no error
 *
 * Returns 0, as the handler that ends with it does.
 */
int fault_decided(struct fault *f, pte_t after, vm_fault_t ret);

int precedent_init(void);
void precedent_exit(void);

#endif
