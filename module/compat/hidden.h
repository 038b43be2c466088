/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What these kernels decide in functions that the compiler has made part of
 * others, so that no probe sees it.
 */
#ifndef COWSCOPE_COMPAT_HIDDEN_H
#define COWSCOPE_COMPAT_HIDDEN_H

#include <linux/version.h>
#include "../probes.h"

static const struct compat_hidden {
	enum probe_id id;	/* the probe that sees the rest of it */
	const char *in;		/* the function that is not there to be probed */
	const char *what;	/* in words */
} compat_hidden[] = {
	{ PROBE_COW_FAULT, "do_cow_fault",
	  "first writes to pages of private file mappings, copied before they are mapped" },
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	/* Told by what do_wp_page() returned, up to "mm: remove VM_FAULT_WRITE", 6.2. */
	{ PROBE_COW_FAULT, "wp_page_copy",
	  "which of the threads that write to a page at once copied it; the first to return is taken" },
	/* "mm/autonuma: use can_change_(pte|pmd)_writable() to replace savedwrite", 6.2 */
	{ PROBE_COW_FAULT, "do_numa_page",
	  "writes to exclusive pages that a NUMA hinting fault makes writable" },
#endif
	{ PROBE_COW_FAULT_PMD, "wp_huge_pmd",
	  "splits of a PMD that maps a file; the faults on its PTEs are seen" },
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	/* d61ea1cb0095 ("userfaultfd: UFFD_FEATURE_WP_ASYNC"), 6.7 */
	{ PROBE_COW_FAULT_UFFD, "wp_huge_pmd",
	  "splits of a PMD for an asynchronous userfaultfd; the faults on its PTEs are seen" },
	{ PROBE_COW_FAULT_UFFD, "hugetlb_fault",
	  "that an asynchronous userfaultfd had write-protected a hugetlb page; its fault is seen" },
#endif
};

#endif
