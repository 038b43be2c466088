// SPDX-License-Identifier: GPL-2.0
/*
 * The short way of a write fault on a small page: most are like one before them. What
 * such a fault means is worked out once, by fault.c; as long as all that it hangs on is
 * the same, later ones are counted and recorded as that one was.
 */
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include "in_force.h"
#include "judged.h"

static bool verify;
module_param(verify, bool, 0444);
MODULE_PARM_DESC(verify, "for tests: work out each fault by itself, too, and count in precedent.wrong where that differs from the one before that it is taken to be like (default N)");
static DEFINE_STATIC_KEY_FALSE(verifying);

/* A plain fault of this CPU, and all that its decision and meaning hang on. */
struct precedent {
	struct page_words words;
	pteval_t differ;		/* between entry before and after; see differ() */
	const struct cowscope_rule_in_force *k;		/* NULL: nothing is here */
	u64 before, after;		/* packed, without pfn */
	struct judged j;		/* of j.end.ret, too */
} __aligned(128);			/* a power of two */

#define PRECEDENTS	16
#define MOVED		PAGE_SIZE	/* of .differ: the lowest bit of the pfn */

static struct precedent __percpu *precedents;

int precedent_init(void)
{
	if (verify)
		static_branch_enable(&verifying);
	precedents = __alloc_percpu(PRECEDENTS * sizeof(*precedents),
				    __alignof__(*precedents));
	return precedents ? 0 : -ENOMEM;
}

void precedent_exit(void)
{
	free_percpu(precedents);
}

/* The one that there may be, or the place for it. */
static __always_inline struct precedent *place(const struct page_words *w)
{
	unsigned long hash = w->counts + (w->counts >> 31) + (w->flags >> _PAGE_BIT_ACCESSED);

	/* All in one place, so that each that can be mistaken for another will be. */
	if (static_branch_unlikely(&verifying))
		hash = 0;
	return this_cpu_ptr(precedents) + hash % PRECEDENTS;
}

/* What differs in the entry, but for where it went. */
static __always_inline pteval_t differ(const struct fault *f, pte_t after)
{
	pteval_t differ = native_pte_val(f->pte) ^ native_pte_val(after);

	return unlikely(differ & PTE_PFN_MASK) ? (differ & PTE_FLAGS_MASK) | MOVED : differ;
}

/* Is it what differ() said? Where the page stays that needs one comparison. */
static __always_inline bool same_change(const struct precedent *p, const struct fault *f,
					pte_t after)
{
	return likely(p->differ == (native_pte_val(f->pte) ^ native_pte_val(after))) ||
	       (p->differ & MOVED && p->differ == differ(f, after));
}

static __always_inline bool applies(const struct precedent *p, const struct fault *f,
				    pte_t after, vm_fault_t ret)
{
	return p->words.counts == f->words.counts && p->words.flags == f->words.flags &&
	       same_change(p, f, after) && p->k == in_force() &&
	       p->j.end.ret == (u16)(__force unsigned int)ret;
}

/* Without a precedent that applies: a plain one is the next. */
static noinline int decided_anew(struct fault *f, pte_t after, vm_fault_t ret)
{
	const struct cowscope_rule_in_force *k = in_force();
	bool plain = f->plain && page_state_plain(after) && holders_none(f->pfn), copied;
	u64 packed = page_state_pack(after);
	enum cowscope_decision decision;
	struct judged j;

	if (f->plain)
		fault_settle(f);
	decision = fault_decide(f, fault_entry_pte(f, after), ret, &copied);
	rivals_leave(&f->rival, false);
	fault_judge(&j, f, k, decision, packed, copied, ret);
	fault_tell(f, &j, PROBE_COW_FAULT, packed);
	if (plain && j.lasts && (decision == COWSCOPE_COPY || decision == COWSCOPE_REUSE)) {
		struct precedent *p = place(&f->words);

		p->words = f->words;
		p->differ = differ(f, after);
		p->before = f->before & ~COWSCOPE_PTE_PFN(~0ull);
		p->after = packed & ~COWSCOPE_PTE_PFN(~0ull);
		p->k = k;
		p->j = j;
	}
	return 0;
}

static noinline int record_again(const struct fault *f, const struct precedent *p, pte_t after)
{
	u64 now = ktime_get_mono_fast_ns();
	bool moved = p->differ & MOVED;

	judged_record(&p->j, now, f->began, f->addr, p->before | f->pfn,
		      p->after | (unlikely(moved) ? page_state_plain_pfn(after) : f->pfn));
	return 0;
}

static noinline int record_if_wanted(const struct fault *f, const struct precedent *p,
				     pte_t after)
{
	return judged_wanted(&p->j, f->addr, PAGE_SIZE) ? record_again(f, p, after) : 0;
}

/* None of the calls returns here, so that nobody pays for a stack frame. */
static __always_inline int tell(const struct precedent *p, const struct fault *f, pte_t after)
{
	judged_count(&p->j, PROBE_COW_FAULT);
	if (!judged_maybe_wanted(&p->j))
		return 0;
	return filter_active() ? record_if_wanted(f, p, after) : record_again(f, p, after);
}

/* What would it be without a precedent? That counts if it differs, nothing else. */
static noinline int tell_verified(const struct precedent *p, const struct fault *plain,
				  pte_t after, vm_fault_t ret)
{
	struct fault f = *plain;
	enum cowscope_decision decision;
	struct judged j = {};
	bool copied, same;
	u64 packed;

	fault_settle(&f);
	f.rival.open = false;
	packed = page_state_pack(after);
	decision = fault_decide(&f, fault_entry_pte(&f, after), ret, &copied);
	fault_judge(&j, &f, in_force(), decision, packed, copied, ret);
	same = !memcmp(&j.counters, &p->j.counters, sizeof(j.counters)) &&
	       !memcmp(&j.page, &p->j.page, sizeof(j.page)) &&
	       !memcmp(&j.end, &p->j.end, sizeof(j.end)) && j.verdict == p->j.verdict &&
	       f.before == (p->before | f.pfn) &&
	       packed == (p->after | COWSCOPE_PTE_PFN(pte_pfn(after)));
	if (same)
		stats_inc(precedent_right);
	else
		stats_inc(precedent_wrong);
	return tell(p, plain, after);
}

static noinline int decided_by_another(struct fault *f, pte_t after, vm_fault_t ret)
{
	fault_end(f, PROBE_COW_FAULT, COWSCOPE_RACED, page_state_pack(after), false, ret);
	return 0;
}

int fault_decided(struct fault *f, pte_t after, vm_fault_t ret)
{
	const struct precedent *p = place(&f->words);

	if (unlikely(!f->plain || !applies(p, f, after, ret) || !holders_none(f->pfn)))
		return decided_anew(f, after, ret);
	/* What it shows this fault would have done, but somebody else has. */
	if (!COMPAT_VM_FAULT_WRITE && unlikely(rivals_leave(&f->rival, true)))
		return decided_by_another(f, after, ret);
	if (static_branch_unlikely(&verifying))
		return tell_verified(p, f, after, ret);
	return tell(p, f, after);
}
