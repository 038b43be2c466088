// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include "compat/folio.h"
#include "holders.h"
#include "record.h"
#include "ring.h"
#include "stats.h"
#include "wrprotect.h"

bool wrprotect_held(struct cowscope_counts *c, struct page_state_memo *memo,
		    struct vm_area_struct *vma, const struct page_state_run *run)
{
	unsigned long pages = 1;
	s32 explained;

	if (run->alone) {
		c->refcount = COWSCOPE_COUNT_NA;
		c->state = 0;
		return false;
	}
	page_state_read(c, memo, vma->vm_mm, vma->vm_flags, run->pte, run->level);
	if (c->refcount == COWSCOPE_COUNT_NA)
		return false;
	if (run->level != COWSCOPE_LEVEL_PTE)
		pages <<= COWSCOPE_STATE_ORDER(c->state);
	holders_look_range(c, pte_pfn(run->pte) & ~(pages - 1), pages, vma->vm_mm,
			   run->addr & ~(pages * PAGE_SIZE - 1));
	if (c->held_refs || COWSCOPE_STATE_PINNED(c->state) == COWSCOPE_YES)
		return true;
	explained = cowscope_explained(c);
	return explained != COWSCOPE_COUNT_NA && c->refcount > explained;
}

bool wrprotect_look(struct cowscope_counts *c, struct page_state_memo *memo,
		    struct vm_area_struct *vma, const struct page_state_run *run)
{
	bool held = wrprotect_held(c, memo, vma, run);

	if (c->refcount != COWSCOPE_COUNT_NA)
		stats_detect(c);
	return held;
}

void wrprotect_record(unsigned long addr, u64 before, const struct cowscope_counts *c,
		      enum cowscope_source source, unsigned int lock)
{
	struct cowscope_record *r = ring_begin(COWSCOPE_EVENT_WRPROTECT);

	if (!r)
		return;
	record_page(r, addr, before, c);
	r->source = source;
	r->lock = lock;
	ring_commit(r);
}
