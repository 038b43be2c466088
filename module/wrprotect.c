// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include "compat/folio.h"
#include "holders.h"
#include "record.h"
#include "ring.h"
#include "stats.h"
#include "wrprotect.h"

/*
 * A small page whose one reference is this mapping; nearly all pages are, and
 * to see that takes one load.
 */
static bool surely_alone(pte_t pte, unsigned int level)
{
	struct page *page = page_state_page(pte, level);

	return page && !PageCompound(page) && page_ref_count(page) <= 1;
}

bool wrprotect_held(struct cowscope_counts *c, struct page_state_memo *memo,
		    struct vm_area_struct *vma, unsigned long addr, pte_t pte,
		    unsigned int level)
{
	unsigned long pages = 1;
	s32 explained;

	if (surely_alone(pte, level)) {
		*c = (struct cowscope_counts){ .refcount = COWSCOPE_COUNT_NA };
		return false;
	}
	page_state_read(c, memo, vma->vm_mm, vma->vm_flags, pte, level);
	if (c->refcount == COWSCOPE_COUNT_NA)
		return false;
	if (level != COWSCOPE_LEVEL_PTE)
		pages <<= COWSCOPE_STATE_ORDER(c->state);
	holders_look_range(c, pte_pfn(pte) & ~(pages - 1), pages, vma->vm_mm,
			   addr & ~(pages * PAGE_SIZE - 1));
	if (c->held_refs || COWSCOPE_STATE_PINNED(c->state) == COWSCOPE_YES)
		return true;
	explained = cowscope_explained(c);
	return explained != COWSCOPE_COUNT_NA && c->refcount > explained;
}

bool wrprotect_look(struct cowscope_counts *c, struct page_state_memo *memo,
		    struct vm_area_struct *vma, unsigned long addr, pte_t pte,
		    unsigned int level)
{
	bool held = wrprotect_held(c, memo, vma, addr, pte, level);

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
