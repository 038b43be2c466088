// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include "walk_diff.h"

/* The bits of a packed entry above its pfn, which fit a byte; 0: not present. */
#define BITS_SHIFT	40

static u8 bits_of(pte_t pte)
{
	return page_state_pack(pte) >> BITS_SHIFT;
}

static unsigned int slot(const struct walk_diff *d, unsigned long addr)
{
	return (addr - d->start) >> PAGE_SHIFT & (PTRS_PER_PTE - 1);
}

/* Have all entries the same flags? */
static bool all_alike(const pte_t *table, unsigned long pages)
{
	pteval_t all = ~0ul, any = 0;
	unsigned long i;

#pragma GCC unroll 8
	for (i = 0; i < pages; i++) {
		pteval_t val = native_pte_val(READ_ONCE(table[i]));

		all &= val;
		any |= val;
	}
	return !((all ^ any) & PTE_FLAGS_MASK);
}

struct count {
	struct walk_diff *d;
	unsigned long pages;
};

static void look_before(void *ctx, const struct page_state_part *part)
{
	struct count *count = ctx;
	struct walk_diff *d = count->d;
	pteval_t flags = 0;
	unsigned long i;
	u8 bits = 0;

	d->alike = !part->table || all_alike(part->table, part->pages);
	if (d->alike) {
		d->before[0] = bits_of(part->table ? READ_ONCE(*part->table) : part->pte);
		count->pages = d->before[0] ? part->pages : 0;
		return;
	}
	for (i = 0; i < part->pages; i++) {
		pte_t pte = READ_ONCE(part->table[i]);

		d->before[i] = 0;
		if (!pte_present(pte))
			continue;
		if (pte_flags(pte) != flags) {
			flags = pte_flags(pte);
			bits = bits_of(pte);
		}
		d->before[i] = bits;
		count->pages++;
	}
}

unsigned long walk_diff_begin(struct walk_diff *d, struct vm_area_struct *vma,
			      unsigned long start, unsigned long end)
{
	struct count count = { d };

	d->vma = vma;
	d->start = start;
	d->end = end;
	d->memo = (struct page_state_memo){};
	d->alike = true;
	d->before[0] = 0;
	page_state_walk_parts(vma->vm_mm, start, end, ULONG_MAX, look_before, &count);
	return count.pages;
}

/* How many of so many were like the first of them, but for the accessed bit. */
static unsigned long were_alike(const struct walk_diff *d, unsigned int first,
				unsigned long pages)
{
	const u8 care = (u8)~(COWSCOPE_PTE_YOUNG >> BITS_SHIFT);
	unsigned long i = 1;

	if (d->alike)
		return pages;
	while (i < pages && !((d->before[first + i] ^ d->before[first]) & care))
		i++;
	return i;
}

struct after {
	struct walk_diff *d;
	walk_diff_fn fn;
	void *ctx;
};

static void look_after(void *ctx, const struct page_state_run *run)
{
	const struct after *after = ctx;
	struct walk_diff *d = after->d;
	struct page_state_run now = *run;
	unsigned long rest;

	for (rest = run->pages; rest; rest -= now.pages) {
		unsigned int first = slot(d, now.addr);
		u64 bits = d->before[d->alike ? 0 : first];

		/* A huge entry is one, whatever was there before. */
		now.pages = now.level == COWSCOPE_LEVEL_PTE ? were_alike(d, first, rest) : rest;
		if (bits)
			after->fn(d, after->ctx,
				  COWSCOPE_PTE_READ | bits << BITS_SHIFT |
				  COWSCOPE_PTE_PFN(pte_pfn(now.pte)) |
				  (now.level == COWSCOPE_LEVEL_PTE ? 0 : COWSCOPE_PTE_HUGE),
				  &now);
		now.addr += now.pages * PAGE_SIZE;
	}
}

void walk_diff_end(struct walk_diff *d, walk_diff_fn fn, void *ctx)
{
	struct after after = { d, fn, ctx };

	page_state_walk(d->vma->vm_mm, d->start, d->end, ULONG_MAX, look_after, &after);
}
