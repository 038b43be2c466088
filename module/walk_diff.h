/* SPDX-License-Identifier: GPL-2.0 */
/* What one PMD covers, before a probed function and after it. */
#ifndef COWSCOPE_WALK_DIFF_H
#define COWSCOPE_WALK_DIFF_H

#include <linux/mm_types.h>
#include <linux/pgtable.h>
#include "page_state.h"

struct walk_diff {
	struct vm_area_struct *vma;
	unsigned long start, end;
	struct page_state_memo memo;
	bool alike;			/* all entries were as the first */
	u8 before[PTRS_PER_PTE];	/* their bits; of such, the first has those of all */
};

/**
 * walk_diff_begin - read the entries before they are changed
 * @d: filled
 * @vma: maps them; the caller keeps it and its page tables from going away
 * @start: first address
 * @end: first one beyond; both within one PMD, or one huge page of any size
 *
 * Returns the pages that are present. Any context.
 */
unsigned long walk_diff_begin(struct walk_diff *d, struct vm_area_struct *vma,
			      unsigned long start, unsigned long end);

/*
 * An entry that was present before (packed) and is now, or a run of those that were
 * alike: an accessed bit apart, and where the page is now.
 */
typedef void (*walk_diff_fn)(struct walk_diff *d, void *ctx, u64 before,
			     const struct page_state_run *now);

/**
 * walk_diff_end - read them again and call @fn for each
 * @d: of walk_diff_begin()
 * @fn: called with interrupts off
 * @ctx: handed through
 *
 * The bits of .before are those read before; its pfn and size are today's. A
 * huge entry that was split meanwhile is given as its parts. What others change
 * between the two looks is seen as if the probed function had done it: with the
 * mmap_lock held for writing these are reclaim and migration alone, with it held
 * for reading also faults.
 */
void walk_diff_end(struct walk_diff *d, walk_diff_fn fn, void *ctx);

#endif
