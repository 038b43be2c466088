/* SPDX-License-Identifier: GPL-2.0 */
/* A page as struct cowscope_page tells of it, with who holds it. */
#ifndef COWSCOPE_PAGE_VIEW_H
#define COWSCOPE_PAGE_VIEW_H

#include <linux/cowscope.h>
#include <linux/mm_types.h>

/**
 * page_view_mapped - the page at an address
 * @page: filled
 * @mm: the caller keeps it from going away
 * @addr: there
 * @vm_flags: of the VMA at @addr, or 0
 */
void page_view_mapped(struct cowscope_page *page, struct mm_struct *mm, u64 addr,
		      unsigned long vm_flags);

/* The same of a page that the caller holds, wherever it is mapped now; NULL: none. */
void page_view_held(struct cowscope_page *out, struct mm_struct *mm, u64 addr,
		    struct page *page);

#endif
