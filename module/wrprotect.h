/* SPDX-License-Identifier: GPL-2.0 */
/* What the probes of write-protecting operations have in common. */
#ifndef COWSCOPE_WRPROTECT_H
#define COWSCOPE_WRPROTECT_H

#include <linux/mm_types.h>
#include "page_state.h"
#include "rules.h"

/**
 * wrprotect_look - read a page that may be write-protected
 * @c: filled, with cowscope's holders
 * @memo: as for page_state_read()
 * @vma: where it is mapped
 * @addr: there
 * @pte: by what
 * @level: enum cowscope_level of that entry
 *
 * Returns whether somebody holds it beyond what is explained, or pins it.
 */
bool wrprotect_look(struct cowscope_counts *c, struct page_state_memo *memo,
		    struct vm_area_struct *vma, unsigned long addr, pte_t pte,
		    unsigned int level);

/* Records that such a page was write-protected. In a probe handler. */
void wrprotect_record(unsigned long addr, u64 before, const struct cowscope_counts *c,
		      enum cowscope_source source, unsigned int lock);

#endif
