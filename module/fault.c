// SPDX-License-Identifier: GPL-2.0
#include <linux/ktime.h>
#include <linux/sched.h>
#include "fault.h"
#include "holders.h"
#include "page_state.h"
#include "record.h"
#include "ring.h"

void fault_start(struct fault *f, enum probe_id probe, struct vm_area_struct *vma,
		 unsigned long addr)
{
	stats_inc(probe[probe].entered);
	f->began = ktime_get_mono_fast_ns();
	f->before = 0;
	f->addr = addr & PAGE_MASK;
	f->mm = vma->vm_mm;
	f->predicted = COWSCOPE_DECISION_NONE;
}

void fault_look(struct fault *f, struct vm_area_struct *vma, pte_t pte,
		enum cowscope_level level)
{
	f->before = page_state_pack(pte);
	if (level != COWSCOPE_LEVEL_PTE)
		f->before |= COWSCOPE_PTE_HUGE;
	page_state_read(&f->c, NULL, f->mm, vma->vm_flags, pte, level);
	if (f->mm != current->mm)
		f->c.state |= COWSCOPE_STATE_REMOTE;
	if (f->c.refcount == COWSCOPE_COUNT_NA)
		return;
	holders_look(&f->c, pte_pfn(pte), f->mm, f->addr);
	stats_detect(&f->c);
}

/*
 * Has the page changed since entry, beyond what the decision itself did to it?
 * Another process may unmap it at any time, and a look-up take a reference.
 */
static bool page_changed(const struct fault *f, bool copied)
{
	u32 flags = COWSCOPE_STATE_LRU | COWSCOPE_STATE_SWAPCACHE | COWSCOPE_STATE_LOCKED;
	pte_t pte = pfn_pte(COWSCOPE_PTE_PFN(f->before), PAGE_READONLY);
	struct cowscope_counts now;

	if (f->c.refcount == COWSCOPE_COUNT_NA)
		return false;
	page_state_read(&now, NULL, f->mm, 0, pte, COWSCOPE_STATE_LEVEL(f->c.state));
	return now.refcount != f->c.refcount - copied ||
	       now.mapcount != f->c.mapcount - copied ||
	       (now.state ^ f->c.state) & flags;
}

static bool contradicts(enum cowscope_decision decision, enum cowscope_decision predicted)
{
	return (decision == COWSCOPE_COPY && predicted == COWSCOPE_REUSE) ||
	       (decision == COWSCOPE_REUSE && predicted == COWSCOPE_COPY);
}

void fault_end(struct fault *f, enum probe_id probe, enum cowscope_decision decision,
	       u64 after, bool copied, vm_fault_t ret)
{
	enum cowscope_verdict verdict, otherwise;
	struct cowscope_record *r;
	u8 rules;

	if (copied) {
		unsigned int lost = holders_lost(f->mm, f->addr, f->before, after, f->c.state);

		/* A pin may have come between entry and copy: lost as well. */
		f->c.held_own = max(f->c.held_own, lost);
	}
	if (contradicts(decision, f->predicted) && page_changed(f, copied))
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
	ring_commit(r);
}
