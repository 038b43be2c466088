// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include "holders.h"
#include "page_state.h"
#include "page_view.h"

static void fill_page(struct cowscope_page *page, struct mm_struct *mm, u64 addr, u64 pte,
		      unsigned long pfn, struct cowscope_counts *c)
{
	if (c->refcount != COWSCOPE_COUNT_NA)
		holders_look(c, pfn, mm, addr);
	*page = (struct cowscope_page){
		.addr = addr,
		.pte = pte,
		.state = c->state,
		.refcount = c->refcount,
		.mapcount = c->mapcount,
		.folio_mapcount = c->folio_mapcount,
		.pincount = c->pincount,
		.holders = c->held,
		.explained = cowscope_explained(c),
		.holder = c->holder,
	};
}

void page_view_mapped(struct cowscope_page *page, struct mm_struct *mm, u64 addr,
		      unsigned long vm_flags)
{
	unsigned int level, again, tries = 3;
	struct cowscope_counts c;
	pte_t pte;
	u64 pack;

	/* A page that is no longer mapped after the look was another's by then. */
	do {
		pte = page_state_pte(mm, addr, &level);
		page_state_read(&c, NULL, mm, vm_flags, pte, level);
		if (pte_val(pte) == pte_val(page_state_pte(mm, addr, &again)))
			break;
		page_state_read(&c, NULL, mm, vm_flags, __pte(0), level);
	} while (--tries);

	pack = page_state_pack(pte);
	if (level == COWSCOPE_LEVEL_PMD || level == COWSCOPE_LEVEL_HUGETLB)
		pack |= COWSCOPE_PTE_HUGE;
	fill_page(page, mm, addr, pack, pte_pfn(pte), &c);
}

void page_view_held(struct cowscope_page *out, struct mm_struct *mm, u64 addr,
		    struct page *page)
{
	struct cowscope_counts c;
	pte_t pte = page ? mk_pte(page, PAGE_READONLY) : __pte(0);
	unsigned long pfn = page ? page_to_pfn(page) : 0;
	u64 pack = COWSCOPE_PTE_READ;

	if (page)
		pack |= COWSCOPE_PTE_PRESENT | pfn;
	page_state_read(&c, NULL, mm, 0, pte, COWSCOPE_LEVEL_NONE);
	fill_page(out, mm, addr, pack, pfn, &c);
}
