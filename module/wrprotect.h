/* SPDX-License-Identifier: GPL-2.0 */
/* What the probes of write-protecting operations have in common. */
#ifndef COWSCOPE_WRPROTECT_H
#define COWSCOPE_WRPROTECT_H

#include <linux/mm_types.h>
#include "page_state.h"
#include "rules.h"

/*
 * Pages that the handler of one call looks at, 1 GiB: some milliseconds without
 * preemption. What is beyond counts as "wrprotect.unwalked".
 */
#define WRPROTECT_WALK_MAX	(1UL << 18)

/**
 * wrprotect_held - is a page held beyond what is explained, or pinned?
 * @c: filled, with cowscope's holders; its refcount is COWSCOPE_COUNT_NA if
 *	nobody can hold it or no count was to be read; then there is only its state
 * @memo: as for page_state_read()
 * @vma: where it is mapped
 * @run: by what; if that is many entries, the answer is of each page
 */
bool wrprotect_held(struct cowscope_counts *c, struct page_state_memo *memo,
		    struct vm_area_struct *vma, const struct page_state_run *run);

/* The same, and counts whether the kernel's test for pins is right about it. */
bool wrprotect_look(struct cowscope_counts *c, struct page_state_memo *memo,
		    struct vm_area_struct *vma, const struct page_state_run *run);

/* Records that such a page was write-protected. In a probe handler. */
void wrprotect_record(unsigned long addr, u64 before, const struct cowscope_counts *c,
		      enum cowscope_source source, unsigned int lock);

#endif
