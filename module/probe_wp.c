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
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/ktime.h>
#include "compat/mm.h"
#include "fault.h"
#include "page_state.h"

struct wp_call {
	struct fault f;
	pmd_t *pmd;
	bool unshare;
	bool writable;		/* the VMA allows writing */
};

/*
 * Two threads of a process may fault on one page at once: one copies, the
 * other finds that done and drops its copy. Up to 6.1 the return code tells
 * which one this was. After that whoever returns first is taken to be the one
 * that copied; the count of copies is right either way.
 */
struct copy_claim {
	raw_spinlock_t lock;
	unsigned long addr;
	struct mm_struct *mm;
	u64 before, after;
	u64 ts;
} ____cacheline_aligned;

#define CLAIM_BITS	8
static struct copy_claim claims[1 << CLAIM_BITS] = {
	[0 ... (1 << CLAIM_BITS) - 1] = {
		.lock = __RAW_SPIN_LOCK_UNLOCKED(claims.lock),
	},
};

static bool claim_copy(const struct wp_call *call, u64 after, u64 now)
{
	struct copy_claim *claim = &claims[hash_long(call->f.addr, CLAIM_BITS)];
	bool mine = true;

	raw_spin_lock(&claim->lock);
	if (claim->mm == call->f.mm && claim->addr == call->f.addr &&
	    COWSCOPE_PTE_PFN(claim->before ^ call->f.before) == 0 &&
	    COWSCOPE_PTE_PFN(claim->after ^ after) == 0 && claim->ts >= call->f.began) {
		mine = false;
	} else {
		claim->mm = call->f.mm;
		claim->addr = call->f.addr;
		claim->before = call->f.before;
		claim->after = after;
		claim->ts = now;
	}
	raw_spin_unlock(&claim->lock);
	return mine;
}

static int wp_first(struct kprobe *kp, struct pt_regs *regs)
{
	struct vm_fault *vmf = (void *)regs_get_kernel_argument(regs, 0);

	return fault_wanted(PROBE_COW_FAULT, vmf->vma, vmf->address) ?
	       probe_go_on(kp, regs) : 0;
}

static int wp_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct vm_fault *vmf = (void *)regs_get_kernel_argument(regs, 0);
	struct vm_area_struct *vma = vmf->vma;
	struct wp_call *call = (void *)ri->data;
	pte_t pte;

	fault_start(&call->f, PROBE_COW_FAULT, vma, vmf->address);
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
	return 0;
}

static u64 read_after(const struct wp_call *call)
{
	pmd_t pmd = READ_ONCE(*call->pmd);

	if (pmd_none(pmd) || !pmd_present(pmd) || pmd_leaf(pmd) || pmd_bad(pmd))
		return COWSCOPE_PTE_READ;
	return page_state_pack(READ_ONCE(*pte_offset_kernel(&pmd, call->f.addr)));
}

static enum cowscope_decision decide_moved(const struct wp_call *call, u64 after,
					   vm_fault_t ret)
{
	if (call->unshare)
		return COWSCOPE_UNSHARE;
	if (COMPAT_VM_FAULT_WRITE)
		return ret & COMPAT_VM_FAULT_WRITE ? COWSCOPE_COPY : COWSCOPE_RACED;
	if (atomic_read(&call->f.mm->mm_users) > 1 &&
	    !claim_copy(call, after, ktime_get_mono_fast_ns()))
		return COWSCOPE_RACED;
	return COWSCOPE_COPY;
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
		if (!(after & COWSCOPE_PTE_PRESENT)) {
			decision = COWSCOPE_RACED;
		} else if (COWSCOPE_PTE_PFN(after) != COWSCOPE_PTE_PFN(call->f.before)) {
			decision = decide_moved(call, after, ret);
			copied = decision != COWSCOPE_RACED;
		} else {
			decision = decide_same(call, after, ret);
		}
	}

	fault_end(&call->f, PROBE_COW_FAULT, decision, after, copied, ret);
	return 0;
}

static const char *const wp_symbols[] = { "do_wp_page", NULL };

struct probe probe_cow_fault = {
	.id = PROBE_COW_FAULT,
	.name = "cow_fault",
	.symbols = wp_symbols,
	.event = COWSCOPE_EVENT_COW_FAULT,
	.core = true,
	.first = wp_first,
	.entry = wp_entry,
	.ret = wp_return,
	.data_size = sizeof(struct wp_call),
};
