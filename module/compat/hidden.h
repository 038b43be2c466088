/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What these kernels decide in functions that the compiler has made part of
 * others, so that no probe sees it. A row a probe and function, as struct
 * probe_hidden has it.
 */
#ifndef COWSCOPE_COMPAT_HIDDEN_H
#define COWSCOPE_COMPAT_HIDDEN_H

#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
/*
 * "mm: remove VM_FAULT_WRITE", 6.2, took what do_wp_page() returned, and
 * "mm/autonuma: use can_change_(pte|pmd)_writable() to replace savedwrite", 6.2,
 * made NUMA hinting faults restore the write bit.
 */
#define COMPAT_HIDDEN_6_2						\
	{ PROBE_COW_FAULT, "wp_page_copy",				\
	  "which of two threads that write to a page at once copied it: the first to return is taken" }, \
	{ PROBE_COW_FAULT, "do_numa_page",				\
	  "writes to exclusive pages that a NUMA hinting fault makes writable" },
#else
#define COMPAT_HIDDEN_6_2
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
/* d61ea1cb0095 ("userfaultfd: UFFD_FEATURE_WP_ASYNC"), 6.7 */
#define COMPAT_HIDDEN_6_7						\
	{ PROBE_COW_FAULT_UFFD, "wp_huge_pmd",				\
	  "splits of a PMD for an asynchronous userfaultfd; the PTE faults that follow are seen" }, \
	{ PROBE_COW_FAULT_UFFD, "hugetlb_fault",			\
	  "that an asynchronous userfaultfd had write-protected a hugetlb page; the fault is seen" },
#else
#define COMPAT_HIDDEN_6_7
#endif

#define COMPAT_HIDDEN							\
	{ PROBE_COW_FAULT, "do_cow_fault",				\
	  "first writes to pages of private file mappings: copied before they are mapped" }, \
	COMPAT_HIDDEN_6_2						\
	{ PROBE_COW_FAULT_PMD, "wp_huge_pmd",				\
	  "splits of a PMD that maps a file; the PTE faults that follow are seen" }, \
	COMPAT_HIDDEN_6_7

#endif
