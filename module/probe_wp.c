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
	pmdval_t table;		/* that pmd points to, with ... */
	pte_t *pte;
};

/* Of the return code: nothing was decided, or it does not show in the entry. */
#define WP_UNDECIDED	(VM_FAULT_COMPLETED | VM_FAULT_RETRY | VM_FAULT_ERROR | VM_FAULT_NOPAGE)

/* Apart, so that a call that passes at once needs no stack frame. */
static noinline int first_asking(struct kprobe *kp, struct pt_regs *regs)
{
	struct vm_fault *vmf = (void *)regs_get_kernel_argument(regs, 0);

	if (fault_filtered(PROBE_COW_FAULT, vmf->vma, vmf->address, PAGE_SIZE))
		return 0;
	return probe_enter(kp, regs);
}

static int wp_first(struct kprobe *kp, struct pt_regs *regs)
{
	return filter_pass_all_faults() ? probe_enter(kp, regs) : first_asking(kp, regs);
}

/* Apart, so that most faults pay for no stack frame. */
static noinline int entry_not_plain(struct wp_call *call, struct vm_fault *vmf, pte_t pte)
{
	struct vm_area_struct *vma = vmf->vma;

	fault_start(&call->f, PROBE_COW_FAULT, vma, vmf->address, PAGE_SIZE, vmf->flags);
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

static int wp_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct vm_fault *vmf = (void *)regs_get_kernel_argument(regs, 0);
	struct wp_call *call = (void *)ri->data;
	pte_t *ptep = vmf->pte, pte = READ_ONCE(*ptep);
	pmd_t *pmdp = vmf->pmd;

	call->pmd = pmdp;
	call->table = native_pmd_val(READ_ONCE(*pmdp));
	call->pte = ptep;
	if (likely(fault_start_plain(&call->f, vmf->vma, vmf->address, pte, vmf->flags)))
		return 0;
	return entry_not_plain(call, vmf, pte);
}

static pte_t read_after(const struct wp_call *call)
{
	pmd_t pmd = READ_ONCE(*call->pmd);

	if (likely(native_pmd_val(pmd) == call->table))
		return READ_ONCE(*call->pte);
	/* None, absent and huge ones are bad tables as well. */
	if (pmd_bad(pmd))
		return __pte(0);
	return READ_ONCE(*pte_offset_kernel(&pmd, call->f.addr));
}

static enum cowscope_decision undecided(vm_fault_t ret)
{
	/* With any of the first two no lock is held: VMA and page table may be gone. */
	if (ret & VM_FAULT_COMPLETED || (ret & VM_FAULT_RETRY && ret & COMPAT_VM_FAULT_WRITE)) {
		/* wp_page_shared() made it writable, then waited for the writeback. */
		return COWSCOPE_REUSE;
	}
	if (ret & VM_FAULT_RETRY)
		return COWSCOPE_RETRY;
	if (ret & VM_FAULT_ERROR)
		return COWSCOPE_FAILED;
	/* page_mkwrite(): the page went, or another fault was first. */
	return COWSCOPE_RACED;
}

static int wp_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	vm_fault_t ret = (__force vm_fault_t)regs_return_value(regs);
	struct wp_call *call = (void *)ri->data;

	if (likely(!(ret & WP_UNDECIDED)))
		return fault_decided(&call->f, read_after(call), ret);
	fault_end(&call->f, PROBE_COW_FAULT, undecided(ret), 0, false, ret);
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
