// SPDX-License-Identifier: GPL-2.0
/*
 * handle_userfault(): a write fault is left to a userfaultfd write-protect
 * handler. do_wp_page()'s are recorded there, with the page as it is under the
 * lock; those of huge mappings are handed on before any function that decides
 * is called. Entry only: it sleeps as long as user space likes. The mmap_lock
 * or the VMA's lock is held, no page-table lock.
 */
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include "compat/mm.h"
#include "fault.h"
#include "page_state.h"

static int uffd_first(struct kprobe *kp, struct pt_regs *regs)
{
	struct vm_fault *vmf = (void *)regs_get_kernel_argument(regs, 0);
	unsigned long reason = regs_get_kernel_argument(regs, 1);
	struct vm_area_struct *vma = vmf->vma;
	enum cowscope_level level;
	unsigned long mask;
	unsigned int found;
	struct fault f;
	pte_t pte;

	if (reason != VM_UFFD_WP)
		goto declined;
	if (is_vm_hugetlb_page(vma)) {
		mask = huge_page_mask(hstate_vma(vma));
		level = COWSCOPE_LEVEL_HUGETLB;
	} else if (!vmf->pte) {
		/* Set as soon as a fault has got to the level of PTEs. */
		mask = HPAGE_PMD_MASK;
		level = COWSCOPE_LEVEL_PMD;
	} else {
		goto declined;
	}

	if (!fault_begin(&f, PROBE_COW_FAULT_UFFD, vma, vmf->address, -mask, vmf->flags))
		return 0;
	pte = page_state_pte(f.mm, f.addr, &found);
	if (found == COWSCOPE_LEVEL_PTE)
		pte = __pte(0);		/* split meanwhile */
	fault_look(&f, vma, pte, level, false);
	f.predicted = COWSCOPE_UFFD;
	fault_end(&f, PROBE_COW_FAULT_UFFD, COWSCOPE_UFFD, 0, false, 0);
	return 0;

declined:
	fault_decline(PROBE_COW_FAULT_UFFD);
	return 0;
}

static const char *const uffd_symbols[] = { "handle_userfault", NULL };

struct probe probe_cow_fault_uffd = {
	.id = PROBE_COW_FAULT_UFFD,
	.name = "cow_fault_uffd",
	.sees = "write faults on huge mappings left to a userfaultfd handler",
	.symbols = uffd_symbols,
	.event = COWSCOPE_EVENT_COW_FAULT,
	.first = uffd_first,
};
