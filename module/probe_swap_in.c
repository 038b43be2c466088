// SPDX-License-Identifier: GPL-2.0
/*
 * do_swap_page(): a write to a page that is swapped out maps it writable at once
 * if it is known to be nobody else's: the swap entry says so, or nobody else
 * refers to page and entry. What it maps without the write bit goes on into
 * do_wp_page(), and is recorded there.
 *
 * struct vm_fault is on the stack of the caller. Its orig_pte is the swap entry
 * until the page is mapped, then the PTE as it was set: dirty if, and only if,
 * it was made so for this write, on each kernel.
 */
#include <linux/mm.h>
#include "compat/mm.h"
#include "fault.h"
#include "page_state.h"
#include "stats.h"

struct swap_call {
	struct fault f;
	struct vm_fault *vmf;
};

static int swap_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct vm_fault *vmf = (void *)regs_get_kernel_argument(regs, 0);
	struct swap_call *call = (void *)ri->data;

	if (!(vmf->flags & FAULT_FLAG_WRITE))
		return fault_decline(PROBE_SWAP_IN);
	if (!fault_begin(&call->f, PROBE_SWAP_IN, vmf->vma, vmf->address, PAGE_SIZE,
			 vmf->flags))
		return 1;
	call->vmf = vmf;
	/* That entry alone decides, but for pages not yet in use elsewhere. */
	call->f.predicted = compat_pte_swp_exclusive(vmf->orig_pte) ? COWSCOPE_REUSE :
								      COWSCOPE_EITHER;
	return 0;
}

static int swap_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	vm_fault_t ret = (__force vm_fault_t)regs_return_value(regs);
	struct swap_call *call = (void *)ri->data;
	struct vm_fault *vmf = call->vmf;
	struct fault *f = &call->f;
	pte_t pte;

	/* With one of these no lock is held, and nothing was mapped writable. */
	if (ret & (VM_FAULT_RETRY | VM_FAULT_COMPLETED | VM_FAULT_ERROR))
		goto declined;
	/* What userfaultfd shall see is dirty up to 6.1, and faults once more. */
	pte = vmf->orig_pte;
	if (!pte_present(pte) || !pte_dirty(pte) || compat_pte_uffd_wp(pte))
		goto declined;

	fault_look(f, vmf->vma, pte, COWSCOPE_LEVEL_PTE, false);
	f->c.state |= COWSCOPE_STATE_SWAPIN;
	f->before = COWSCOPE_PTE_READ;
	fault_end(f, PROBE_SWAP_IN, COWSCOPE_REUSE, page_state_pack(pte), false, ret);
	return 0;

declined:
	stats_inc(probe[PROBE_SWAP_IN].declined);
	return 0;
}

static const char *const swap_symbols[] = { "do_swap_page", NULL };

struct probe probe_swap_in = {
	.id = PROBE_SWAP_IN,
	.name = "swap_in",
	.sees = "writes to swapped-out pages that are mapped writable at once",
	.symbols = swap_symbols,
	.event = COWSCOPE_EVENT_COW_FAULT,
	.entry = swap_entry,
	.ret = swap_return,
	.data_size = sizeof(struct swap_call),
};
