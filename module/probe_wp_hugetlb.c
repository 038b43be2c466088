// SPDX-License-Identifier: GPL-2.0
/*
 * hugetlb_wp(), hugetlb_cow() in 5.10: a write fault, or one that shall unshare,
 * on a hugetlb page without the write bit. The first write to a private page
 * comes here too: it is mapped without the write bit and decided at once.
 *
 * The page-table lock is held at entry and at return, not between the two. With
 * the pool of huge pages exhausted, a process that has reserved the page takes
 * it away from those that share it, and reuses it.
 */
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include "compat/mm.h"
#include "fault.h"
#include "page_state.h"

struct hugetlb_call {
	struct fault f;
	pte_t *pte;		/* of a mapping that stays, so does the table */
	unsigned long mask;
};

/*
 * The caller holds one reference, and one more if it has looked the page up in
 * the page cache, but none if it has just mapped it, which no argument tells.
 * They are left out as far as they are there.
 */
static void leave_out_own(struct fault *f, unsigned int most)
{
	s32 more = f->c.refcount - f->c.folio_mapcount - cowscope_cached(f->c.state);

	if (f->c.refcount == COWSCOPE_COUNT_NA)
		return;
	f->own_refs = clamp_t(s32, more, 0, most);
	f->c.refcount -= f->own_refs;
}

static int hugetlb_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct hugetlb_call *call = (void *)ri->data;
	struct compat_hugetlb_wp a;
	struct fault *f = &call->f;
	pte_t pte;

	compat_hugetlb_wp(&a, regs);
	call->pte = a.pte;
	call->mask = huge_page_mask(hstate_vma(a.vma));
	pte = page_state_huge(pte_val(READ_ONCE(*a.pte)), call->mask);
	/* Mapped a moment ago where userfaultfd protects: the next fault decides. */
	if (!(a.flags & FAULT_FLAG_UNSHARE) && compat_pte_uffd_wp(pte))
		return fault_decline(PROBE_COW_FAULT_HUGETLB);
	if (!fault_begin(f, PROBE_COW_FAULT_HUGETLB, a.vma, a.addr, -call->mask, a.flags))
		return 1;
	fault_look(f, a.vma, pte, COWSCOPE_LEVEL_HUGETLB, true);
	leave_out_own(f, 1 + (a.cached == page_state_page(pte, COWSCOPE_LEVEL_HUGETLB)));
	fault_join(f, a.vma, pte, false);
	fault_predict(f);
	return 0;
}

static int hugetlb_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	vm_fault_t ret = (__force vm_fault_t)regs_return_value(regs);
	struct hugetlb_call *call = (void *)ri->data;
	enum cowscope_decision decision;
	bool copied = false;
	u64 after = 0;

	if (ret & VM_FAULT_RETRY) {
		decision = COWSCOPE_RETRY;
	} else if (ret & VM_FAULT_ERROR) {
		decision = COWSCOPE_FAILED;
	} else {
		pte_t pte = page_state_huge(pte_val(READ_ONCE(*call->pte)), call->mask);

		after = page_state_pack(pte) | (pte_present(pte) ? COWSCOPE_PTE_HUGE : 0);
		decision = fault_decide(&call->f, fault_entry(&call->f, after), ret,
					&copied);
	}
	fault_end(&call->f, PROBE_COW_FAULT_HUGETLB, decision, after, copied, ret);
	return 0;
}

static const char *const hugetlb_symbols[] = { "hugetlb_wp", "hugetlb_cow", NULL };

struct probe probe_cow_fault_hugetlb = {
	.id = PROBE_COW_FAULT_HUGETLB,
	.name = "cow_fault_hugetlb",
	.sees = "write and unshare faults on hugetlb pages, and first writes to private ones",
	.symbols = hugetlb_symbols,
	.event = COWSCOPE_EVENT_COW_FAULT,
	.entry = hugetlb_entry,
	.ret = hugetlb_return,
	.data_size = sizeof(struct hugetlb_call),
};
