// SPDX-License-Identifier: GPL-2.0
#include <linux/hash.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include "compat/mm.h"
#include "fault.h"
#include "filter.h"
#include "holders.h"
#include "page_state.h"
#include "record.h"
#include "ring.h"
#include "stats.h"

/*
 * Two threads of a process may fault on one page at once: one decides, the
 * other finds that done and drops what it prepared. Where the return code does
 * not tell which one this was, whoever returns first is taken to be the one
 * that did it; the counts are right either way.
 */
struct claim {
	raw_spinlock_t lock;
	unsigned long addr;
	struct mm_struct *mm;
	u64 before, after;
	u64 ts;
} ____cacheline_aligned;

#define CLAIM_BITS	8
static struct claim claims[1 << CLAIM_BITS] = {
	[0 ... (1 << CLAIM_BITS) - 1] = {
		.lock = __RAW_SPIN_LOCK_UNLOCKED(claims.lock),
	},
};

static bool claimed(const struct fault *f, u64 after)
{
	struct claim *claim = &claims[hash_long(f->addr, CLAIM_BITS)];
	bool mine = true;

	if (atomic_read(&f->mm->mm_users) == 1)
		return true;
	raw_spin_lock(&claim->lock);
	if (claim->mm == f->mm && claim->addr == f->addr &&
	    COWSCOPE_PTE_PFN(claim->before ^ f->before) == 0 &&
	    COWSCOPE_PTE_PFN(claim->after ^ after) == 0 && claim->ts >= f->began) {
		mine = false;
	} else {
		claim->mm = f->mm;
		claim->addr = f->addr;
		claim->before = f->before;
		claim->after = after;
		claim->ts = ktime_get_mono_fast_ns();
	}
	raw_spin_unlock(&claim->lock);
	return mine;
}

bool fault_begin(struct fault *f, enum probe_id probe, struct vm_area_struct *vma,
		 unsigned long addr, unsigned int flags)
{
	stats_inc(probe[probe].entered);
	if (!filter_pass(vma->vm_mm)) {
		stats_inc(probe[probe].filtered);
		return false;
	}
	f->began = ktime_get_mono_fast_ns();
	f->before = 0;
	f->addr = addr & PAGE_MASK;
	f->mm = vma->vm_mm;
	f->pages = 1;
	f->predicted = COWSCOPE_DECISION_NONE;
	f->own_refs = 0;
	f->unshare = flags & FAULT_FLAG_UNSHARE;
	f->writable = vma->vm_flags & VM_WRITE;
	return true;
}

int fault_decline(enum probe_id probe)
{
	stats_inc(probe[probe].entered);
	stats_inc(probe[probe].declined);
	return 1;
}

static u32 pages_mapped(enum cowscope_level level, u32 state)
{
	switch (level) {
	case COWSCOPE_LEVEL_PMD:
		return HPAGE_PMD_NR;
	case COWSCOPE_LEVEL_HUGETLB:
		return 1u << COWSCOPE_STATE_ORDER(state);
	default:
		return 1;
	}
}

static bool still_maps(const struct fault *f, pte_t pte, enum cowscope_level level)
{
	unsigned int found;
	pte_t now = page_state_pte(f->mm, f->addr, &found);

	return pte_val(now) == pte_val(pte) &&
	       (found == COWSCOPE_LEVEL_PTE) == (level == COWSCOPE_LEVEL_PTE);
}

void fault_look(struct fault *f, struct vm_area_struct *vma, pte_t pte,
		enum cowscope_level level, bool locked)
{
	f->before = page_state_pack(pte);
	if (level != COWSCOPE_LEVEL_PTE)
		f->before |= COWSCOPE_PTE_HUGE;
	page_state_read(&f->c, NULL, f->mm, vma->vm_flags, pte, level);
	f->pages = pages_mapped(level, f->c.state);
	f->changed = !locked && !still_maps(f, pte, level);
	if (f->changed)
		page_state_read(&f->c, NULL, f->mm, vma->vm_flags, __pte(0), level);
	if (f->mm != current->mm)
		f->c.state |= COWSCOPE_STATE_REMOTE;
	if (f->c.refcount == COWSCOPE_COUNT_NA)
		return;
	holders_look_range(&f->c, pte_pfn(pte), f->pages, f->mm, f->addr);
	stats_detect(&f->c);
}

static enum cowscope_decision decide_moved(const struct fault *f, u64 after, vm_fault_t ret,
					   bool coded)
{
	if (f->unshare)
		return COWSCOPE_UNSHARE;
	/* A page of a shared mapping is never copied. */
	if (f->c.state & COWSCOPE_STATE_SHARED_VMA)
		return COWSCOPE_RACED;
	if (COMPAT_VM_FAULT_WRITE && coded)
		return ret & COMPAT_VM_FAULT_WRITE ? COWSCOPE_COPY : COWSCOPE_RACED;
	return claimed(f, after) ? COWSCOPE_COPY : COWSCOPE_RACED;
}

static enum cowscope_decision decide_same(const struct fault *f, u64 after, vm_fault_t ret,
					  bool coded)
{
	if (f->unshare)
		return COWSCOPE_UNSHARE;
	/* After page_mkwrite() or pfn_mkwrite() no kernel says so. */
	if (COMPAT_VM_FAULT_WRITE && coded && !(f->c.state & COWSCOPE_STATE_SHARED_VMA))
		return ret & COMPAT_VM_FAULT_WRITE ? COWSCOPE_REUSE : COWSCOPE_RACED;
	/* With FOLL_FORCE the entry is dirty, but not writable unless the VMA is. */
	if (!(after & COWSCOPE_PTE_DIRTY) || (f->writable && !(after & COWSCOPE_PTE_WRITE)))
		return COWSCOPE_RACED;
	/* Below a huge entry threads do not wait for each other before they look. */
	if (COWSCOPE_STATE_LEVEL(f->c.state) == COWSCOPE_LEVEL_PMD && !claimed(f, after))
		return COWSCOPE_RACED;
	return COWSCOPE_REUSE;
}

enum cowscope_decision fault_decide(const struct fault *f, u64 after, vm_fault_t ret,
				    bool coded, bool *copied)
{
	enum cowscope_decision decision;

	if (f->changed || !(after & COWSCOPE_PTE_PRESENT))
		return COWSCOPE_RACED;
	if (COWSCOPE_PTE_PFN(after) == COWSCOPE_PTE_PFN(f->before))
		return decide_same(f, after, ret, coded);
	decision = decide_moved(f, after, ret, coded);
	*copied = decision != COWSCOPE_RACED;
	return decision;
}

/*
 * Has the page changed since entry, beyond what the decision itself did to it?
 * Another process may unmap it at any time, and a look-up take a reference.
 */
static bool page_changed(const struct fault *f, enum cowscope_decision decision, bool copied)
{
	u32 flags = COWSCOPE_STATE_LRU | COWSCOPE_STATE_SWAPCACHE | COWSCOPE_STATE_LOCKED;
	pte_t pte = pfn_pte(COWSCOPE_PTE_PFN(f->before), PAGE_READONLY);
	struct cowscope_counts now;
	s32 more = f->own_refs - copied;

	if (f->c.refcount == COWSCOPE_COUNT_NA)
		return false;
	/* One mapping becomes one a page. */
	if (decision == COWSCOPE_SPLIT)
		more += f->pages - 1;
	page_state_read(&now, NULL, f->mm, 0, pte, COWSCOPE_STATE_LEVEL(f->c.state));
	return now.refcount != f->c.refcount + more ||
	       now.mapcount != f->c.mapcount - copied ||
	       (now.state ^ f->c.state) & flags;
}

static bool decides(enum cowscope_decision decision)
{
	return decision == COWSCOPE_COPY || decision == COWSCOPE_REUSE ||
	       decision == COWSCOPE_SPLIT;
}

static bool contradicts(enum cowscope_decision decision, enum cowscope_decision predicted)
{
	return decision != predicted && decides(decision) && decides(predicted);
}

void fault_end(struct fault *f, enum probe_id probe, enum cowscope_decision decision,
	       u64 after, bool copied, vm_fault_t ret)
{
	enum cowscope_verdict verdict, otherwise;
	struct cowscope_record *r;
	u8 rules;

	/* A split of the huge zero page leaves small ones: its holders lose it then. */
	if (copied || (decision == COWSCOPE_SPLIT &&
		       COWSCOPE_STATE_KIND(f->c.state) == COWSCOPE_KIND_ZERO)) {
		unsigned int lost = holders_lost(f->mm, f->addr, f->before, after, f->c.state,
						 f->pages);

		/* A pin may have come between entry and copy: lost as well. */
		f->c.held_own = max(f->c.held_own, lost);
	}
	if (contradicts(decision, f->predicted) && page_changed(f, decision, copied))
		f->predicted = COWSCOPE_RACED;
	verdict = cowscope_judge(&f->c, decision, copied);
	otherwise = cowscope_otherwise(&f->c, decision);
	rules = cowscope_would_all(&f->c, &page_state_rule);

	stats_fault(&f->c, decision, f->predicted, verdict, otherwise, rules);
	stats_inc(probe[probe].ended);
	r = ring_begin(COWSCOPE_EVENT_COW_FAULT);
	if (!r)
		return;
	record_page(r, f->addr, f->before, &f->c);
	r->state |= otherwise << COWSCOPE_STATE_OTHERWISE_SHIFT;
	r->after = after;
	r->duration = min_t(u64, r->ts - f->began, U32_MAX);
	r->ret = (__force unsigned int)ret;
	r->outcome = COWSCOPE_OUTCOME(decision, f->predicted);
	r->verdict = verdict;
	r->rules = rules;
	stats_inc(event[COWSCOPE_EVENT_COW_FAULT]);
	ring_commit(r);
}
