// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <asm/word-at-a-time.h>
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

struct before {
	struct walk_diff *d;
	pteval_t flags;		/* of the last entry */
	u8 bits;
	unsigned long pages;	/* that are present */
};

#define CHUNK	16	/* entries that are compared at once */

/*
 * Has a chunk of entries these flags? Each is read twice, which takes two
 * instructions; once and kept for both it would take three.
 */
static __always_inline bool chunk_alike(const pte_t *table, pteval_t flags)
{
	pteval_t all = ~0ul, any = 0;
	unsigned int i;

#pragma GCC unroll 16
	for (i = 0; i < CHUNK; i++)
		/* Whatever changes meanwhile is seen as it was or is. */
		all &= data_race(table[i].pte);
	barrier();
#pragma GCC unroll 16
	for (i = 0; i < CHUNK; i++)
		/* Likewise. */
		any |= data_race(table[i].pte);
	return !(((all ^ flags) | (any ^ flags)) & PTE_FLAGS_MASK);
}

static __always_inline void note(struct before *b, unsigned long i, pte_t pte)
{
	pteval_t flags = pte_flags(pte);

	if (unlikely(flags != b->flags)) {
		b->flags = flags;
		b->bits = bits_of(pte);
		b->d->alike = !i;
	}
	b->d->before[i] = b->bits;
	b->pages += !!b->bits;
}

static void look_before(void *ctx, const struct page_state_part *part)
{
	const pte_t *table = part->table;
	struct before *b = ctx;
	unsigned long i, end;

	if (!table) {
		note(b, 0, part->pte);
		b->pages = part->pages;
		return;
	}
	for (i = 0; i < part->pages; i = end) {
		end = i + CHUNK;
		if (end <= part->pages && chunk_alike(table + i, b->flags)) {
			memset(b->d->before + i, b->bits, CHUNK);
			b->pages += b->bits ? CHUNK : 0;
			continue;
		}
		end = min(end, part->pages);
		for (; i < end; i++)
			note(b, i, READ_ONCE(table[i]));
	}
}

unsigned long walk_diff_begin(struct walk_diff *d, struct vm_area_struct *vma,
			      unsigned long start, unsigned long end)
{
	struct before before = { d };

	d->vma = vma;
	d->start = start;
	d->end = end;
	d->memo = (struct page_state_memo){};
	d->alike = true;
	d->before[0] = 0;
	page_state_walk_parts(vma->vm_mm, start, end, ULONG_MAX, look_before, &before);
	return before.pages;
}

/* How many of so many were like the first of them, but for the accessed bit. */
static unsigned long were_alike(const struct walk_diff *d, unsigned int first,
				unsigned long pages)
{
	const u8 *before = d->before + first;
	const u64 care = 0xff & ~(COWSCOPE_PTE_YOUNG >> BITS_SHIFT);
	unsigned long i, word, like = REPEAT_BYTE(*before);

	if (d->alike)
		return pages;
	for (i = 0; i + sizeof(word) <= pages; i += sizeof(word)) {
		memcpy(&word, before + i, sizeof(word));
		if ((word ^ like) & REPEAT_BYTE(care))
			break;
	}
	while (i < pages && !((before[i] ^ *before) & care))
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
