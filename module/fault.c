// SPDX-License-Identifier: GPL-2.0
#include <linux/percpu.h>
#include <linux/sched.h>
#include "compat/mm.h"
#include "fault.h"
#include "in_force.h"
#include "judged.h"

/*
 * What faults meant that came lately on this CPU, by all that it hangs on: most
 * are like one before them, and to look that up is cheaper than to think again.
 */
struct memo {
	struct cowscope_counts c;
	const struct cowscope_rule_in_force *k;		/* NULL: nothing is here */
	u8 decision;
	bool copied;
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
					      const struct cowscope_rule_in_force *k,
					      enum cowscope_decision decision, bool copied)
{
	struct memo *memo = &(*this_cpu_ptr(&memos))[(c->refcount + 2 * c->mapcount + decision) %
						     MEMOS];

	if (likely(memo->k == k && memo->decision == decision && memo->copied == copied &&
		   same(&memo->c, c)))
		return &memo->m;
	cowscope_mean(&memo->m, c, k, decision, copied);
	memo->c = *c;
	memo->decision = decision;
	memo->copied = copied;
	memo->k = k;
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
	f->pfn = pte_pfn(pte);
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
	holders_look_range(&f->c, f->pfn, f->pages, f->mm, f->addr);
}

void fault_settle(struct fault *f)
{
	f->plain = false;
	f->by_rule = true;
	f->changed = false;
	f->unshare = false;
	f->shared = false;
	f->writable = true;
	f->coded = COMPAT_VM_FAULT_WRITE;
	if (f->coded)
		f->rival.open = false;
	f->mm = current->mm;
	f->before = page_state_pack(f->pte);
	f->pages = 1;
	f->own_refs = 0;
	page_state_words(&f->c, &f->words);
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
	/* Freed by now, perhaps, and its memory unplugged: a fault may sleep for long. */
	if (!pfn_valid(pte_pfn(pte)))
		return true;
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

/* As long as nobody has told the rule in force, it may be any that decides so. */
static bool by_some_rule(u8 rules, enum cowscope_decision decision)
{
	unsigned int rule;

	for (rule = 0; rule < COWSCOPE_RULES; rule++)
		if (COWSCOPE_RULES_WOULD(rules, rule) == decision)
			return true;
	return false;
}

void fault_judge(struct judged *j, struct fault *f, const struct cowscope_rule_in_force *k,
		 enum cowscope_decision decision, u64 after, bool copied, vm_fault_t ret)
{
	const struct cowscope_meaning *m;
	enum cowscope_decision predicted;

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
	m = meaning(&f->c, k, decision, copied);
	predicted = f->by_rule ? m->predicted : f->predicted;
	j->lasts = !f->c.held_own;
	if (unlikely(contradicts(decision, predicted))) {
		j->lasts = false;
		if (page_changed(f, decision, copied))
			predicted = COWSCOPE_RACED;
		else if (!in_force_found() && by_some_rule(m->rules, decision))
			predicted = COWSCOPE_EITHER;
	}
	stats_of_fault(&j->counters, &f->c, decision, predicted, m);
	j->page = (struct judged_page){
		.refcount = f->c.refcount,
		.mapcount = f->c.mapcount,
		.state = f->c.state | m->otherwise << COWSCOPE_STATE_OTHERWISE_SHIFT,
		.holder = f->c.holder,
	};
	j->end = (struct judged_end){
		.ret = (__force unsigned int)ret,
		.outcome = COWSCOPE_OUTCOME(decision, predicted),
		.rules = m->rules,
	};
	j->verdict = m->verdict;
}

void fault_tell(const struct fault *f, const struct judged *j, enum probe_id probe, u64 after)
{
	judged_count(j, probe);
	if (judged_wanted(j, f->addr, (unsigned long)f->pages << PAGE_SHIFT))
		judged_record(j, ktime_get_mono_fast_ns(), f->began, f->addr, f->before, after);
}

void fault_end(struct fault *f, enum probe_id probe, enum cowscope_decision decision,
	       u64 after, bool copied, vm_fault_t ret)
{
	struct judged j;

	if (f->plain)
		fault_settle(f);
	rivals_leave(&f->rival, false);
	fault_judge(&j, f, in_force(), decision, after, copied, ret);
	fault_tell(f, &j, probe, after);
}
