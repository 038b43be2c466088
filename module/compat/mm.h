/* SPDX-License-Identifier: GPL-2.0 */
/* GUP, mm flags, VMA flags, locks and the arguments of probed functions. */
#ifndef COWSCOPE_COMPAT_MM_H
#define COWSCOPE_COMPAT_MM_H

#include <linux/version.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/ptrace.h>
#include <linux/sched/coredump.h>
#include <linux/sched/mm.h>
#include <linux/userfaultfd_k.h>
#include <linux/cowscope.h>

#define COMPAT_BETWEEN(a, b, c, d) \
	(LINUX_VERSION_CODE >= KERNEL_VERSION(a, b, 0) && \
	 LINUX_VERSION_CODE < KERNEL_VERSION(c, d, 0))

#if !COMPAT_BETWEEN(5, 10, 5, 11) && !COMPAT_BETWEEN(6, 1, 6, 2) && !COMPAT_BETWEEN(6, 12, 99, 0)
#error "cowscope does not know this kernel; tests/kernels lists those that it supports"
#endif

/*
 * The others may give static functions other arguments, which nothing here can check:
 * a handler would follow a wrong pointer within a fault.
 */
#ifndef COMPAT_TESTED
#define COMPAT_TESTED \
	(COMPAT_BETWEEN(5, 10, 5, 11) || COMPAT_BETWEEN(6, 1, 6, 2) || \
	 COMPAT_BETWEEN(6, 12, 6, 13) || COMPAT_BETWEEN(7, 2, 7, 4))
#endif

/* Any FOLL_PIN in this mm, ever. */
static inline bool compat_mm_has_pinned(struct mm_struct *mm)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 14, 0)
	/* a458b76a4171 ("mm: gup: pack has_pinned in MMF_HAS_PINNED"), 5.14 */
	return atomic_read(&mm->has_pinned);
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
	/* "mm: convert core mm to mm_flags_*() accessors", 6.18 */
	return test_bit(MMF_HAS_PINNED, &mm->flags);
#else
	return mm_flags_test(MMF_HAS_PINNED, mm);
#endif
}

/* Pages that the page tables of a process under construction map. */
static inline unsigned long compat_mm_pages(struct mm_struct *mm)
{
	unsigned long pages = 0;

#ifdef CONFIG_HUGETLB_PAGE
	pages += atomic_long_read(&mm->hugetlb_usage);
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	/* f1a7941243c1 ("mm: convert mm's rss stats into percpu_counter"), 6.2 */
	return pages + get_mm_counter(mm, MM_FILEPAGES) + get_mm_counter(mm, MM_ANONPAGES) +
	       get_mm_counter(mm, MM_SHMEMPAGES);
#else
	return pages + percpu_counter_sum_positive(&mm->rss_stat[MM_FILEPAGES]) +
	       percpu_counter_sum_positive(&mm->rss_stat[MM_ANONPAGES]) +
	       percpu_counter_sum_positive(&mm->rss_stat[MM_SHMEMPAGES]);
#endif
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
/* 1c71222e5f23 ("mm: replace vma->vm_flags direct modifications with modifier
 * calls"), 6.3
 */
static inline void compat_vm_flags_clear(struct vm_area_struct *vma, unsigned long f)
{
	vma->vm_flags &= ~f;
}
#else
static inline void compat_vm_flags_clear(struct vm_area_struct *vma, unsigned long f)
{
	vm_flags_clear(vma, f);
}
#endif

/* is_cow_mapping() was private to mm/ in 5.10 and is gone in 7.3. */
static inline bool compat_is_cow_mapping(unsigned long vm_flags)
{
	return (vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE;
}

/* Is a write-protect fault here resolved without the handler? */
static inline bool compat_uffd_wp_async(struct vm_area_struct *vma)
{
#ifdef UFFD_FEATURE_WP_ASYNC
	/* d61ea1cb0095 ("userfaultfd: UFFD_FEATURE_WP_ASYNC"), 6.7; the context
	 * is in the header since 6.9
	 */
	struct userfaultfd_ctx *ctx = vma->vm_userfaultfd_ctx.ctx;

	return ctx && ctx->features & UFFD_FEATURE_WP_ASYNC;
#else
	return false;
#endif
}

/*
 * How the mmap_lock is held, from RWSEM_WRITER_LOCKED, the count of readers and
 * the writer of kernel/locking/rwsem.c. "write" is certain: this task is the
 * writer. "read" says that there are readers and no writer; an rwsem does not
 * know who they are. Where the caller is known to hold the lock in some mode,
 * as in every place that asks, that is its own mode, as a writer excludes all
 * others. Under no more than a VMA's lock (6.4 on) it is unknown, or that of
 * others who read.
 */
static inline int compat_mmap_lock_mode(struct mm_struct *mm)
{
#ifdef CONFIG_PREEMPT_RT
	return COWSCOPE_LOCK_UNKNOWN;
#else
	unsigned long count = atomic_long_read(&mm->mmap_lock.count);

	if (count & 1)
		return (atomic_long_read(&mm->mmap_lock.owner) & ~7L) == (long)current ?
		       COWSCOPE_LOCK_WRITE : COWSCOPE_LOCK_UNKNOWN;
	return count >> 8 ? COWSCOPE_LOCK_READ : COWSCOPE_LOCK_UNKNOWN;
#endif
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
/* Removed by "mm: remove VM_FAULT_WRITE", 6.2. */
#define COMPAT_VM_FAULT_WRITE	VM_FAULT_WRITE
#else
#define COMPAT_VM_FAULT_WRITE	((__force vm_fault_t)0)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 19, 0)
/* c89357e27f20 ("mm: support GUP-triggered unsharing of anonymous pages"), 5.19 */
#define FAULT_FLAG_UNSHARE	0
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 0, 0)
/* d92725256b4f ("mm: avoid unnecessary page fault retires on shared memory
 * types"), 6.0
 */
#define VM_FAULT_COMPLETED	((__force vm_fault_t)0)
#endif

/* The PMD that the caller of do_huge_pmd_wp_page() has looked at. */
static inline unsigned long compat_orig_pmd(struct vm_fault *vmf, struct pt_regs *regs)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 14, 0)
	/* 5db4f15c4fd7 ("mm: memory: add orig_pmd to struct vm_fault"), 5.14 */
	return regs_get_kernel_argument(regs, 1);
#else
	return pmd_val(vmf->orig_pmd);
#endif
}

/* The arguments of hugetlb_wp(), or hugetlb_cow(). */
struct compat_hugetlb_wp {
	struct vm_area_struct *vma;
	unsigned long addr;	/* any in the huge page */
	pte_t *pte;
	unsigned int flags;	/* FAULT_FLAG_*, as far as they are known */
	struct page *cached;	/* the caller has looked it up in the page cache */
};

static inline void compat_hugetlb_wp(struct compat_hugetlb_wp *a, struct pt_regs *regs)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
	/* (mm, vma, address, ptep, pagecache_page, ptl), since 5.19 with flags
	 * before the page; bd722058a559 ("hugetlb: pass struct vm_fault through
	 * to hugetlb_handle_userfault()") and its like, 6.10
	 */
	a->vma = (void *)regs_get_kernel_argument(regs, 1);
	a->addr = regs_get_kernel_argument(regs, 2);
	a->pte = (void *)regs_get_kernel_argument(regs, 3);
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 19, 0)
	/* c89357e27f20, see FAULT_FLAG_UNSHARE */
	a->flags = FAULT_FLAG_WRITE;
	a->cached = (void *)regs_get_kernel_argument(regs, 4);
#else
	a->flags = regs_get_kernel_argument(regs, 4);
	a->cached = (void *)regs_get_kernel_argument(regs, 5);
#endif
#else
	struct vm_fault *vmf = (void *)regs_get_kernel_argument(regs, 0);

	a->vma = vmf->vma;
	a->addr = vmf->address;
	a->pte = vmf->pte;
	a->flags = vmf->flags;
	a->cached = NULL;
#endif
}

/* Does a swap entry say that nobody else has the page? */
static inline bool compat_pte_swp_exclusive(pte_t pte)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 19, 0)
	/* 1493a1913e34 ("mm/swap: remember PG_anon_exclusive via a swp pte bit"), 5.19 */
	return false;
#else
	return pte_swp_exclusive(pte);
#endif
}

/* The arguments of change_protection(). */
struct compat_change_protection {
	struct vm_area_struct *vma;
	unsigned long start, end, cp_flags;
};

static inline void compat_change_protection(struct compat_change_protection *a,
					    struct pt_regs *regs)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 19, 0)
	/* (vma, start, end, newprot, cp_flags); 4a18419f71cd ("mm/mprotect: use
	 * mmu_gather"), 5.19, adds the first one of those below
	 */
	int vma = 0, cp_flags = 4;
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	/* (tlb, vma, start, end, newprot, cp_flags); 1ef488edd6c4 ("mm/mprotect:
	 * drop pgprot_t parameter from change_protection()"), 6.3
	 */
	int vma = 1, cp_flags = 5;
#else
	int vma = 1, cp_flags = 4;
#endif
	a->vma = (void *)regs_get_kernel_argument(regs, vma);
	a->start = regs_get_kernel_argument(regs, vma + 1);
	a->end = regs_get_kernel_argument(regs, vma + 2);
	a->cp_flags = regs_get_kernel_argument(regs, cp_flags);
}

#ifndef PAGEMAP_SCAN
/* "fs/proc/task_mmu: implement IOCTL to get and optionally clear info about
 * PTEs", 6.7
 */
struct pm_scan_arg {
	__u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
	__u64 category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define PM_SCAN_WP_MATCHING	(1 << 0)
#endif

/* The first argument of mwriteprotect_range() leads to the mm. */
static inline struct mm_struct *compat_mwriteprotect_mm(struct pt_regs *regs)
{
	void *first = (void *)regs_get_kernel_argument(regs, 0);

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
	/* 5e4c24a57b0c ("userfaultfd: protect mmap_changing with rw_sem in
	 * userfaulfd_ctx"), 6.9
	 */
	return first;
#else
	return ((struct userfaultfd_ctx *)first)->mm;
#endif
}

static inline long compat_get_user_pages(unsigned long start, unsigned long nr,
					 unsigned int flags, struct page **pages)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
	/* 54d020692b34 ("mm/gup: remove unused vmas parameter from
	 * get_user_pages()"), 6.5
	 */
	return get_user_pages(start, nr, flags, pages, NULL);
#else
	return get_user_pages(start, nr, flags, pages);
#endif
}

static inline long compat_get_user_pages_remote(struct mm_struct *mm, unsigned long start,
						unsigned long nr, unsigned int flags,
						struct page **pages)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
	/* ca5e863233e8 ("mm/gup: remove vmas parameter from get_user_pages_remote()"),
	 * 6.5
	 */
	return get_user_pages_remote(mm, start, nr, flags, pages, NULL, NULL);
#else
	return get_user_pages_remote(mm, start, nr, flags, pages, NULL);
#endif
}

static inline long compat_pin_user_pages(unsigned long start, unsigned long nr,
					 unsigned int flags, struct page **pages)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
	/* 4c630f307455 ("mm/gup: remove vmas parameter from pin_user_pages()"), 6.5 */
	return pin_user_pages(start, nr, flags, pages, NULL);
#else
	return pin_user_pages(start, nr, flags, pages);
#endif
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
/* f3ba3c710ac5 ("mm/highmem: Provide kmap_local*"), 5.11 */
#define kmap_local_page(page)	page_address(page)	/* 64 bit: no highmem */
#define kunmap_local(addr)	((void)(addr))
#endif

#endif
