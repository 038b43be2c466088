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
#include "filter.h"
#include "holders.h"
#include "page_state.h"
#include "probes.h"
#include "record.h"
#include "ring.h"
#include "stats.h"

struct wp_call {
	u64 began;
	u64 before;
	unsigned long addr;
	struct mm_struct *mm;
	pmd_t *pmd;
	bool unshare;
	bool writable;		/* the VMA allows writing */
	u8 predicted;
	struct cowscope_counts c;
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
	struct copy_claim *claim = &claims[hash_long(call->addr, CLAIM_BITS)];
	bool mine = true;

	raw_spin_lock(&claim->lock);
	if (claim->mm == call->mm && claim->addr == call->addr &&
	    COWSCOPE_PTE_PFN(claim->before ^ call->before) == 0 &&
	    COWSCOPE_PTE_PFN(claim->after ^ after) == 0 && claim->ts >= call->began) {
		mine = false;
	} else {
		claim->mm = call->mm;
		claim->addr = call->addr;
		claim->before = call->before;
		claim->after = after;
		claim->ts = now;
	}
	raw_spin_unlock(&claim->lock);
	return mine;
}

static void count_fault(const struct wp_call *call, enum cowscope_decision decision,
			enum cowscope_verdict verdict)
{
	stats_inc(fault[COWSCOPE_LEVEL_PTE][decision][verdict]);

	if (decision != COWSCOPE_COPY && decision != COWSCOPE_REUSE)
		return;
	if (call->predicted == decision)
		stats_inc(predicted_right);
	else if (call->predicted == COWSCOPE_RACED)
		stats_inc(predicted_raced);
	else if (call->predicted == COWSCOPE_EITHER)
		stats_inc(predicted_either);
	else if (call->predicted == COWSCOPE_DECISION_NONE)
		stats_inc(unpredicted);
	else
		stats_inc(predicted_wrong);
}

static void record_fault(const struct wp_call *call, enum cowscope_decision decision,
			 u64 after, enum cowscope_verdict verdict, vm_fault_t ret)
{
	struct cowscope_record *r;

	count_fault(call, decision, verdict);
	stats_inc(probe[PROBE_COW_FAULT].ended);
	r = ring_begin(COWSCOPE_EVENT_COW_FAULT);
	if (!r)
		return;
	record_page(r, call->addr, call->before, &call->c);
	r->after = after;
	r->duration = min_t(u64, r->ts - call->began, U32_MAX);
	r->ret = (__force unsigned int)ret;
	r->outcome = COWSCOPE_OUTCOME(decision, call->predicted);
	r->verdict = verdict;
	r->rules = cowscope_would_all(&call->c, &page_state_rule);
	stats_inc(event[COWSCOPE_EVENT_COW_FAULT]);
	ring_commit(r);
}

static int wp_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct vm_fault *vmf = (void *)regs_get_kernel_argument(regs, 0);
	struct vm_area_struct *vma = vmf->vma;
	struct wp_call *call = (void *)ri->data;
	pte_t pte;

	stats_inc(probe[PROBE_COW_FAULT].entered);
	if (!filter_pass(vma->vm_mm)) {
		stats_inc(probe[PROBE_COW_FAULT].filtered);
		return 1;
	}

	pte = READ_ONCE(*vmf->pte);
	call->began = ktime_get_mono_fast_ns();
	call->addr = vmf->address & PAGE_MASK;
	call->before = page_state_pack(pte);
	call->mm = vma->vm_mm;
	call->pmd = vmf->pmd;
	call->unshare = vmf->flags & FAULT_FLAG_UNSHARE;
	call->writable = vma->vm_flags & VM_WRITE;
	page_state_read(&call->c, NULL, vma->vm_mm, vma->vm_flags, pte, COWSCOPE_LEVEL_PTE);
	if (vma->vm_mm != current->mm)
		call->c.state |= COWSCOPE_STATE_REMOTE;
	if (call->c.refcount != COWSCOPE_COUNT_NA)
		holders_look(&call->c, pte_pfn(pte), vma->vm_mm, call->addr);

	/*
	 * handle_userfault() sleeps as long as user space likes, and a return
	 * that is waited for takes up one of maxactive: decided here and now.
	 */
	if (!call->unshare && vma->vm_flags & VM_UFFD_WP && compat_pte_uffd_wp(pte) &&
	    !compat_uffd_wp_async(vma)) {
		call->predicted = COWSCOPE_UFFD;
		record_fault(call, COWSCOPE_UFFD, 0, COWSCOPE_VERDICT_NONE, 0);
		return 1;
	}

	call->predicted = cowscope_predict(&call->c, &page_state_rule);
	return 0;
}

static u64 read_after(const struct wp_call *call)
{
	pmd_t pmd = READ_ONCE(*call->pmd);

	if (pmd_none(pmd) || !pmd_present(pmd) || pmd_leaf(pmd) || pmd_bad(pmd))
		return COWSCOPE_PTE_READ;
	return page_state_pack(READ_ONCE(*pte_offset_kernel(&pmd, call->addr)));
}

static enum cowscope_decision decide_moved(const struct wp_call *call, u64 after,
					   vm_fault_t ret)
{
	if (call->unshare)
		return COWSCOPE_UNSHARE;
	if (COMPAT_VM_FAULT_WRITE)
		return ret & COMPAT_VM_FAULT_WRITE ? COWSCOPE_COPY : COWSCOPE_RACED;
	if (atomic_read(&call->mm->mm_users) > 1 &&
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
	if (COMPAT_VM_FAULT_WRITE && !(call->c.state & COWSCOPE_STATE_SHARED_VMA))
		return ret & COMPAT_VM_FAULT_WRITE ? COWSCOPE_REUSE : COWSCOPE_RACED;
	/* With FOLL_FORCE the PTE is dirty, but not writable unless the VMA is. */
	if (after & COWSCOPE_PTE_DIRTY && (after & COWSCOPE_PTE_WRITE || !call->writable))
		return COWSCOPE_REUSE;
	return COWSCOPE_RACED;
}

/*
 * Has the page changed since entry, beyond what the decision itself did to it?
 * Another process may unmap it at any time, and a look-up take a reference.
 */
static bool page_changed(const struct wp_call *call, bool copied)
{
	u32 flags = COWSCOPE_STATE_LRU | COWSCOPE_STATE_SWAPCACHE | COWSCOPE_STATE_LOCKED;
	pte_t pte = pfn_pte(COWSCOPE_PTE_PFN(call->before), PAGE_READONLY);
	struct cowscope_counts now;

	if (call->c.refcount == COWSCOPE_COUNT_NA)
		return false;
	page_state_read(&now, NULL, call->mm, 0, pte, COWSCOPE_LEVEL_PTE);
	return now.refcount != call->c.refcount - copied ||
	       now.mapcount != call->c.mapcount - copied ||
	       (now.state ^ call->c.state) & flags;
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
		} else if (COWSCOPE_PTE_PFN(after) != COWSCOPE_PTE_PFN(call->before)) {
			decision = decide_moved(call, after, ret);
			copied = decision != COWSCOPE_RACED;
		} else {
			decision = decide_same(call, after, ret);
		}
	}

	if (copied) {
		unsigned int lost = holders_lost(call->mm, call->addr, call->before, after,
						 call->c.state);

		/* A pin may have come between entry and copy: lost as well. */
		call->c.held_own = max(call->c.held_own, lost);
	}
	if ((decision == COWSCOPE_COPY && call->predicted == COWSCOPE_REUSE) ||
	    (decision == COWSCOPE_REUSE && call->predicted == COWSCOPE_COPY)) {
		if (page_changed(call, copied))
			call->predicted = COWSCOPE_RACED;
	}
	record_fault(call, decision, after, cowscope_judge(&call->c, decision, copied), ret);
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
