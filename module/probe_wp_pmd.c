// SPDX-License-Identifier: GPL-2.0
/*
 * do_huge_pmd_wp_page(): a write fault, or one that shall unshare, on anonymous
 * memory that a PMD maps. It reuses the page, or splits the mapping so that the
 * PTE faults that follow decide; since 6.13 the huge zero page is copied.
 *
 * At entry no page-table lock is held: the PMD is the one that the caller has
 * looked at, and the page is read without relying on it. At return the caller
 * still holds the mmap_lock or the VMA's lock, so the table of PMDs is there.
 */
#include <linux/mm.h>
#include "compat/mm.h"
#include "fault.h"
#include "page_state.h"

struct pmd_call {
	struct fault f;
	pmd_t *pmd;
};

static int pmd_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct vm_fault *vmf = (void *)regs_get_kernel_argument(regs, 0);
	pte_t pmd = page_state_huge(compat_orig_pmd(vmf, regs), HPAGE_PMD_MASK);
	struct pmd_call *call = (void *)ri->data;
	struct fault *f = &call->f;

	if (!fault_begin(f, PROBE_COW_FAULT_PMD, vmf->vma, vmf->address, HPAGE_PMD_SIZE,
			 vmf->flags))
		return 1;
	call->pmd = vmf->pmd;
	fault_join(f, vmf->vma, pmd, true);
	fault_look(f, vmf->vma, pmd, COWSCOPE_LEVEL_PMD, false);
	fault_predict(f);
	return 0;
}

static u64 pmd_after(const pmd_t *pmdp)
{
	pmd_t pmd = READ_ONCE(*pmdp);

	if (!pmd_present(pmd) || !pmd_leaf(pmd))
		return COWSCOPE_PTE_READ;
	return page_state_pack(page_state_huge(pmd_val(pmd), HPAGE_PMD_MASK)) |
	       COWSCOPE_PTE_HUGE;
}

static int pmd_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	vm_fault_t ret = (__force vm_fault_t)regs_return_value(regs);
	struct pmd_call *call = (void *)ri->data;
	enum cowscope_decision decision;
	bool copied = false;
	u64 after = 0;

	/* VM_FAULT_FALLBACK counts as an error. */
	if (ret & (VM_FAULT_RETRY | VM_FAULT_COMPLETED)) {
		decision = COWSCOPE_RETRY;
	} else if (ret & VM_FAULT_FALLBACK) {
		decision = COWSCOPE_SPLIT;
	} else if (ret & VM_FAULT_ERROR) {
		decision = COWSCOPE_FAILED;
	} else {
		after = pmd_after(call->pmd);
		decision = fault_decide(&call->f, fault_entry(&call->f, after), ret,
					&copied);
	}
	fault_end(&call->f, PROBE_COW_FAULT_PMD, decision, after, copied, ret);
	return 0;
}

static const char *const pmd_symbols[] = { "do_huge_pmd_wp_page", NULL };

struct probe probe_cow_fault_pmd = {
	.id = PROBE_COW_FAULT_PMD,
	.name = "cow_fault_pmd",
	.sees = "write and unshare faults on anonymous memory that a PMD maps",
	.symbols = pmd_symbols,
	.event = COWSCOPE_EVENT_COW_FAULT,
	.entry = pmd_entry,
	.ret = pmd_return,
	.data_size = sizeof(struct pmd_call),
};
