// SPDX-License-Identifier: GPL-2.0
#include <linux/ktime.h>
#include <linux/sched.h>
#include "compat/mm.h"
#include "fault.h"
#include "holders.h"
#include "page_state.h"
#include "record.h"
#include "ring.h"

/*
 * What faults meant that came lately on this CPU, by all that it hangs on: most
 * are like one before them, and to look that up is cheaper than to think again.
 */
struct memo {
	struct cowscope_counts c;
	u8 decision;
	bool copied;
	bool filled;
	struct cowscope_meaning m;
};

#define MEMOS	8

static DEFINE_PER_CPU(struct memo [MEMOS], memos);

static __always_inline bool same(const struct cowscope_counts *a, const struct cowscope_counts *b)
{
	const u64 *x = (const u64 *)a, *y = (const u64 *)b;
	unsigned int i;
	u64 differ = 0;

	BUILD_BUG_ON(sizeof(*a) % sizeof(u64));
#pragma GCC unroll 8
	for (i = 0; i < sizeof(*a) / sizeof(u64); i++)
		differ |= x[i] ^ y[i];
	return !differ;
}

static const struct cowscope_meaning *meaning(const struct cowscope_counts *c,
					      enum cowscope_decision decision, bool copied)
{
	struct memo *memo = &(*this_cpu_ptr(&memos))[(c->refcount + 2 * c->mapcount + decision) %
						     MEMOS];

	if (likely(memo->filled && memo->decision == decision && memo->copied == copied &&
		   same(&memo->c, c)))
		return &memo->m;
	cowscope_mean(&memo->m, c, &page_state_rule, decision, copied);
	memo->c = *c;
	memo->decision = decision;
	memo->copied = copied;
	memo->filled = true;
	return &memo->m;
}

int fault_decline(enum probe_id probe)
{
	stats_inc(probe[probe].entered);
	stats_inc(probe[probe].declined);
	return 1;
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
	f->changed = !locked && !still_maps(f, pte, level);
	if (f->changed)
		page_state_read(&f->c, NULL, f->mm, vma->vm_flags, __pte(0), level);
	if (f->mm != current->mm)
		f->c.state |= COWSCOPE_STATE_REMOTE;
	if (f->c.refcount == COWSCOPE_COUNT_NA)
		return;
	holders_look_range(&f->c, pte_pfn(pte), f->pages, f->mm, f->addr);
}

void fault_join(struct fault *f, struct vm_area_struct *vma, pte_t pte, bool coded)
{
	bool shared = vma->vm_flags & VM_SHARED;

	/* After page_mkwrite() or pfn_mkwrite() no kernel says so; who loses a race there
	 * returns VM_FAULT_NOPAGE.
	 */
	f->coded = coded && COMPAT_VM_FAULT_WRITE && !f->unshare && !shared;
	if (!f->coded && !shared)
		rivals_join(&f->rival, f->mm, f->addr, pte_pfn(pte));
}

/* With FOLL_FORCE the entry is dirty, but not writable unless the VMA is. */
static bool made_writable(const struct fault *f, u64 after)
{
	return after & COWSCOPE_PTE_DIRTY && (after & COWSCOPE_PTE_WRITE || !f->writable);
}

/* Did this fault do what the entry shows? */
static bool did_it(struct fault *f, bool moved, u64 after, vm_fault_t ret)
{
	if (f->coded)
		return ret & COMPAT_VM_FAULT_WRITE;
	/* A page of a shared mapping is never copied. */
	if (moved ? f->c.state & COWSCOPE_STATE_SHARED_VMA : !made_writable(f, after))
		return false;
	return !rivals_leave(&f->rival, true);
}

enum cowscope_decision fault_decide(struct fault *f, u64 after, vm_fault_t ret, bool *copied)
{
	bool moved = COWSCOPE_PTE_PFN(after) != COWSCOPE_PTE_PFN(f->before);

	*copied = false;
	if (f->changed || !(after & COWSCOPE_PTE_PRESENT))
		return COWSCOPE_RACED;
	if (f->unshare && !moved)
		return COWSCOPE_UNSHARE;
	if (!did_it(f, moved, after, ret))
		return COWSCOPE_RACED;
	*copied = moved;
	if (f->unshare)
		return COWSCOPE_UNSHARE;
	return moved ? COWSCOPE_COPY : COWSCOPE_REUSE;
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
	const struct cowscope_meaning *m;
	enum cowscope_decision predicted;
	struct cowscope_record *r;

	rivals_leave(&f->rival, false);
	/* A split of the huge zero page leaves small ones: its holders lose it then. */
	if (copied || (decision == COWSCOPE_SPLIT &&
		       COWSCOPE_STATE_KIND(f->c.state) == COWSCOPE_KIND_ZERO)) {
		/*
		 * Whoever holds it by now has lost it: also a pin that came after
		 * entry, and not one that was returned meanwhile.
		 */
		f->c.held_own = holders_lost(f->mm, f->addr, f->before, after, f->c.state,
					     f->pages);
	}
	m = meaning(&f->c, decision, copied);
	predicted = f->by_rule ? m->predicted : f->predicted;
	if (unlikely(contradicts(decision, predicted)) && page_changed(f, decision, copied))
		predicted = COWSCOPE_RACED;

	stats_fault(&f->c, decision, predicted, m);
	stats_inc(probe[probe].ended);
	r = ring_begin(COWSCOPE_EVENT_COW_FAULT);
	if (!r)
		return;
	record_page(r, f->addr, f->before, &f->c);
	r->state |= m->otherwise << COWSCOPE_STATE_OTHERWISE_SHIFT;
	r->after = after;
	r->duration = min_t(u64, r->ts - f->began, U32_MAX);
	r->ret = (__force unsigned int)ret;
	r->outcome = COWSCOPE_OUTCOME(decision, predicted);
	r->verdict = m->verdict;
	r->rules = m->rules;
	ring_commit(r);
}
