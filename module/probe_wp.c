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
#include "rivals.h"

struct wp_call {
	struct fault f;
	struct rival rival;
	pmd_t *pmd;
	bool unshare;
	bool contested;		/* the return code does not tell who copied */
	bool writable;		/* the VMA allows writing */
};

static int wp_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct vm_fault *vmf = (void *)regs_get_kernel_argument(regs, 0);
	struct vm_area_struct *vma = vmf->vma;
	struct wp_call *call = (void *)ri->data;
	pte_t pte;

	if (!fault_begin(&call->f, PROBE_COW_FAULT, vma, vmf->address))
		return 1;
	pte = READ_ONCE(*vmf->pte);
	call->pmd = vmf->pmd;
	call->unshare = vmf->flags & FAULT_FLAG_UNSHARE;
	call->writable = vma->vm_flags & VM_WRITE;
	fault_look(&call->f, vma, pte, COWSCOPE_LEVEL_PTE);

	/*
	 * handle_userfault() sleeps as long as user space likes, and a return
	 * that is waited for takes up one of maxactive: decided here and now.
	 */
	if (!call->unshare && vma->vm_flags & VM_UFFD_WP && compat_pte_uffd_wp(pte) &&
	    !compat_uffd_wp_async(vma)) {
		call->f.predicted = COWSCOPE_UFFD;
		fault_end(&call->f, PROBE_COW_FAULT, COWSCOPE_UFFD, 0, false, 0);
		return 1;
	}

	call->f.predicted = cowscope_predict(&call->f.c, &page_state_rule);
	call->contested = call->unshare || !COMPAT_VM_FAULT_WRITE;
	if (call->contested)
		rivals_join(&call->rival, call->f.mm, call->f.addr,
			    COWSCOPE_PTE_PFN(call->f.before));
	return 0;
}

static u64 read_after(const struct wp_call *call)
{
	pmd_t pmd = READ_ONCE(*call->pmd);

	if (pmd_none(pmd) || !pmd_present(pmd) || pmd_leaf(pmd) || pmd_bad(pmd))
		return COWSCOPE_PTE_READ;
	return page_state_pack(READ_ONCE(*pte_offset_kernel(&pmd, call->f.addr)));
}

static enum cowscope_decision decide_moved(const struct wp_call *call, vm_fault_t ret,
					   bool beaten)
{
	if (beaten || (!call->contested && !(ret & COMPAT_VM_FAULT_WRITE)))
		return COWSCOPE_RACED;
	return call->unshare ? COWSCOPE_UNSHARE : COWSCOPE_COPY;
}

static enum cowscope_decision decide_same(const struct wp_call *call, u64 after,
					  vm_fault_t ret)
{
	if (call->unshare)
		return COWSCOPE_UNSHARE;
	/* After page_mkwrite() or pfn_mkwrite() no kernel says so. */
	if (COMPAT_VM_FAULT_WRITE && !(call->f.c.state & COWSCOPE_STATE_SHARED_VMA))
		return ret & COMPAT_VM_FAULT_WRITE ? COWSCOPE_REUSE : COWSCOPE_RACED;
	/* With FOLL_FORCE the PTE is dirty, but not writable unless the VMA is. */
	if (after & COWSCOPE_PTE_DIRTY && (after & COWSCOPE_PTE_WRITE || !call->writable))
		return COWSCOPE_REUSE;
	return COWSCOPE_RACED;
}

static int wp_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	vm_fault_t ret = (__force vm_fault_t)regs_return_value(regs);
	struct wp_call *call = (void *)ri->data;
	enum cowscope_decision decision;
	bool moved = false, beaten;
	u64 after = 0;

	if (!(ret & (VM_FAULT_COMPLETED | VM_FAULT_RETRY | VM_FAULT_ERROR | VM_FAULT_NOPAGE))) {
		after = read_after(call);
		moved = after & COWSCOPE_PTE_PRESENT &&
			COWSCOPE_PTE_PFN(after) != COWSCOPE_PTE_PFN(call->f.before);
	}
	beaten = call->contested && rivals_leave(&call->rival, moved);

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
	} else if (!(after & COWSCOPE_PTE_PRESENT)) {
		decision = COWSCOPE_RACED;
	} else if (moved) {
		decision = decide_moved(call, ret, beaten);
	} else {
		decision = decide_same(call, after, ret);
	}

	fault_end(&call->f, PROBE_COW_FAULT, decision, after,
		  moved && decision != COWSCOPE_RACED, ret);
	return 0;
}

static const char *const wp_symbols[] = { "do_wp_page", NULL };

struct probe probe_cow_fault = {
	.id = PROBE_COW_FAULT,
	.name = "cow_fault",
	.symbols = wp_symbols,
	.event = COWSCOPE_EVENT_COW_FAULT,
	.core = true,
	.entry = wp_entry,
	.ret = wp_return,
	.data_size = sizeof(struct wp_call),
};
