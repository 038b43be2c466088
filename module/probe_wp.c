// SPDX-License-Identifier: GPL-2.0
/*
 * do_wp_page(): a write fault, or one that shall unshare, on a present PTE
 * without the write bit.
 *
 * At entry the page-table lock is held, so PTE and page are stable. At return
 * it is not, but unless the fault is to be retried the caller still holds the
 * mmap_lock or the VMA's lock: the VMA and the PMD table stay. The PTE table
 * need not (PT_RECLAIM since 6.14, khugepaged): it is found again through the
 * PMD and read within the RCU section that a handler is.
 */
#include <linux/mm.h>
#include "compat/mm.h"
#include "fault.h"
#include "page_state.h"

struct wp_call {
	struct fault f;
	pmd_t *pmd;
};

static bool wp_first(struct pt_regs *regs)
{
	struct vm_fault *vmf = (void *)regs_get_kernel_argument(regs, 0);

	return !fault_filtered(PROBE_COW_FAULT, vmf->vma, vmf->address, PAGE_SIZE);
}

static int wp_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct vm_fault *vmf = (void *)regs_get_kernel_argument(regs, 0);
	struct vm_area_struct *vma = vmf->vma;
	struct wp_call *call = (void *)ri->data;
	pte_t pte;

	fault_start(&call->f, PROBE_COW_FAULT, vma, vmf->address, PAGE_SIZE, vmf->flags);
	pte = READ_ONCE(*vmf->pte);
	call->pmd = vmf->pmd;
	fault_look(&call->f, vma, pte, COWSCOPE_LEVEL_PTE, true);

	/*
	 * handle_userfault() sleeps as long as user space likes, and a return
	 * that is waited for takes up one of maxactive: decided here and now.
	 */
	if (!call->f.unshare && vma->vm_flags & VM_UFFD_WP && compat_pte_uffd_wp(pte) &&
	    !compat_uffd_wp_async(vma)) {
		call->f.predicted = COWSCOPE_UFFD;
		fault_end(&call->f, PROBE_COW_FAULT, COWSCOPE_UFFD, 0, false, 0);
		return 1;
	}

	fault_join(&call->f, vma, pte, true);
	fault_predict(&call->f);
	return 0;
}

static u64 read_after(const struct wp_call *call)
{
	pmd_t pmd = READ_ONCE(*call->pmd);

	/* None, absent and huge ones are bad tables as well. */
	if (pmd_bad(pmd))
		return COWSCOPE_PTE_READ;
	return page_state_pack(READ_ONCE(*pte_offset_kernel(&pmd, call->f.addr)));
}

static int wp_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	vm_fault_t ret = (__force vm_fault_t)regs_return_value(regs);
	struct wp_call *call = (void *)ri->data;
	enum cowscope_decision decision;
	bool copied = false;
	u64 after = 0;

	/* With any of the first two no lock is held: VMA and page table may be gone. */
	if (ret & VM_FAULT_COMPLETED || (ret & VM_FAULT_RETRY && ret & COMPAT_VM_FAULT_WRITE)) {
		/* wp_page_shared() made it writable, then waited for the writeback. */
		decision = COWSCOPE_REUSE;
	} else if (ret & VM_FAULT_RETRY) {
		decision = COWSCOPE_RETRY;
	} else if (ret & VM_FAULT_ERROR) {
		decision = COWSCOPE_FAILED;
	} else if (ret & VM_FAULT_NOPAGE) {
		/* page_mkwrite(): the page went, or another fault was first. */
		decision = COWSCOPE_RACED;
	} else {
		after = read_after(call);
		decision = fault_decide(&call->f, after, ret, &copied);
	}

	fault_end(&call->f, PROBE_COW_FAULT, decision, after, copied, ret);
	return 0;
}

static const char *const wp_symbols[] = { "do_wp_page", NULL };

struct probe probe_cow_fault = {
	.id = PROBE_COW_FAULT,
	.name = "cow_fault",
	.sees = "write and unshare faults on PTEs",
	.symbols = wp_symbols,
	.event = COWSCOPE_EVENT_COW_FAULT,
	.core = true,
	.hot = true,
	.first = wp_first,
	.entry = wp_entry,
	.ret = wp_return,
	.data_size = sizeof(struct wp_call),
};
