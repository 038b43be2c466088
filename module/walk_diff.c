// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include "walk_diff.h"

/* The bits of a packed entry above its pfn, which fit a byte; 0: not present. */
#define BITS_SHIFT	40

static unsigned int slot(const struct walk_diff *d, unsigned long addr)
{
	return (addr - d->start) >> PAGE_SHIFT & (PTRS_PER_PTE - 1);
}

struct count {
	struct walk_diff *d;
	unsigned long pages;
};

static void look_before(void *ctx, unsigned long addr, pte_t pte, unsigned int level,
			unsigned long pages)
{
	struct count *count = ctx;
	struct walk_diff *d = count->d;
	unsigned int first = slot(d, addr);

	memset(d->before + first, (u8)(page_state_pack(pte) >> BITS_SHIFT),
	       min_t(unsigned long, pages, PTRS_PER_PTE - first));
	count->pages += pages;
}

unsigned long walk_diff_begin(struct walk_diff *d, struct vm_area_struct *vma,
			      unsigned long start, unsigned long end)
{
	struct count count = { d };

	d->vma = vma;
	d->start = start;
	d->end = end;
	d->memo = (struct page_state_memo){};
	memset(d->before, 0, sizeof(d->before));
	page_state_walk(vma->vm_mm, start, end, ULONG_MAX, look_before, &count);
	return count.pages;
}

struct after {
	struct walk_diff *d;
	walk_diff_fn fn;
	void *ctx;
};

static void look_after(void *ctx, unsigned long addr, pte_t now, unsigned int level,
		       unsigned long pages)
{
	const struct after *after = ctx;
	u64 bits = after->d->before[slot(after->d, addr)];

	if (!bits)
		return;
	after->fn(after->d, after->ctx, addr,
		  COWSCOPE_PTE_READ | bits << BITS_SHIFT | COWSCOPE_PTE_PFN(pte_pfn(now)) |
		  (level == COWSCOPE_LEVEL_PTE ? 0 : COWSCOPE_PTE_HUGE), now, level, pages);
}

void walk_diff_end(struct walk_diff *d, walk_diff_fn fn, void *ctx)
{
	struct after after = { d, fn, ctx };

	page_state_walk(d->vma->vm_mm, d->start, d->end, ULONG_MAX, look_after, &after);
}
