/* SPDX-License-Identifier: GPL-2.0 */
/* One page's counts and flags, read without locks. */
#ifndef COWSCOPE_PAGE_STATE_H
#define COWSCOPE_PAGE_STATE_H

#include <asm/cpufeature.h>
#include <linux/mm_types.h>
#include "compat/folio.h"
#include "compat/mm.h"
#include "compat/pgtable.h"
#include "rules.h"

/* A present or absent PTE as records have it. */
static __always_inline u64 page_state_pack(pte_t pte)
{
	if (!pte_present(pte))
		return COWSCOPE_PTE_READ;
	return COWSCOPE_PTE_READ | COWSCOPE_PTE_PRESENT | COWSCOPE_PTE_PFN(pte_pfn(pte)) |
	       (pte_write(pte) ? COWSCOPE_PTE_WRITE : 0) |
	       (pte_dirty(pte) ? COWSCOPE_PTE_DIRTY : 0) |
	       (pte_young(pte) ? COWSCOPE_PTE_YOUNG : 0) |
	       (pte_soft_dirty(pte) ? COWSCOPE_PTE_SOFT_DIRTY : 0) |
	       (compat_pte_uffd_wp(pte) ? COWSCOPE_PTE_UFFD_WP : 0) |
	       (pte_special(pte) ? COWSCOPE_PTE_SPECIAL : 0) |
	       (pte_protnone(pte) ? COWSCOPE_PTE_PROTNONE : 0);
}

/* Of a struct page, of any kernel. */
#define PAGE_WORD(p, member)							\
	(((unsigned long *)(p))[offsetof(struct page, member) / sizeof(long)])

/* All of its flags that are looked at; a snapshot of a page has no others. */
#define PAGE_FLAGS_READ								\
	(1ul << PG_locked | 1ul << PG_lru | 1ul << PG_head | 1ul << PG_writeback |	\
	 1ul << PG_swapbacked | 1ul << PG_swapcache | PAGE_FLAGS_PRIVATE |		\
	 COMPAT_PAGE_ANON_EXCLUSIVE)

/*
 * All that is read of a small anonymous page and of its PTE; KSM's are not among
 * them. What follows from it can be kept, and found again by it.
 */
struct page_words {
	unsigned long counts;	/* _mapcount and _refcount */
	unsigned long flags;	/* of the PTE, and where that has its pfn: PAGE_FLAGS_READ
				 * << PAGE_SHIFT, and PAGE_WORDS_MM_PINNED
				 */
};

#define PAGE_WORDS_MM_PINNED	(1ul << 51)

/**
 * page_words_read - read a page that page_state_words() can tell of
 * @w: filled
 * @pfn: of the page, which the caller makes sure to stay mapped
 * @pte_flags: of the PTE that maps it
 * @mm: of that PTE
 *
 * Returns false if the page is of another kind. Any context.
 */
static __always_inline bool page_words_read(struct page_words *w, unsigned long pfn,
					    pteval_t pte_flags, struct mm_struct *mm)
{
	const struct page *page = pfn_to_page(pfn);
	unsigned long flags = READ_ONCE(PAGE_WORD(page, flags)) & PAGE_FLAGS_READ;

	BUILD_BUG_ON(PAGE_FLAGS_READ << PAGE_SHIFT >= PAGE_WORDS_MM_PINNED);
	/* A tail page has the low bit of its second word set. */
	if (flags & 1ul << PG_head || READ_ONCE(PAGE_WORD(page, lru)) & 1 ||
	    (READ_ONCE(PAGE_WORD(page, mapping)) & COMPAT_MAPPING_FLAGS) != COMPAT_MAPPING_ANON)
		return false;
	w->counts = READ_ONCE(PAGE_WORD(page, _mapcount));
	w->flags = flags << PAGE_SHIFT | pte_flags;
	if (unlikely(compat_mm_has_pinned(mm)))
		w->flags |= PAGE_WORDS_MM_PINNED;
	return true;
}

/* What page_state_read() need not work out again for the next page of a folio. */
struct page_state_memo {
	unsigned long head;	/* pfn */
	s32 refcount, folio_mapcount;
};

/**
 * page_state_read - the counts of the page that a PTE maps
 * @c: filled; the fields of cowscope's holders are left 0
 * @memo: zeroed before the first page of a walk; or NULL
 * @mm: the mm that the PTE belongs to
 * @vm_flags: of its VMA
 * @pte: present or not
 * @level: enum cowscope_level of the entry
 *
 * The caller makes sure that the page stays mapped, or reads the PTE again
 * afterwards and drops what was read if it has changed. A folio that is freed
 * or split meanwhile gives no counts, or wrong ones, but does no harm. Any
 * context.
 */
void page_state_read(struct cowscope_counts *c, struct page_state_memo *memo,
		     struct mm_struct *mm, unsigned long vm_flags, pte_t pte,
		     unsigned int level);

/* The same as page_state_read() of a PTE in a private VMA, from what was read of it. */
void page_state_words(struct cowscope_counts *c, const struct page_words *w);

/**
 * page_state_pte - read one PTE, at whatever level, without its lock
 * @mm: the caller keeps it from going away
 * @addr: any address
 * @level: set to enum cowscope_level of what was found; NONE if nothing maps
 *
 * A huge entry is given as the PTE that would map @addr. The caller holds the
 * mmap_lock, or is a fault or fork of that mm. Nothing sleeps.
 */
pte_t page_state_pte(struct mm_struct *mm, unsigned long addr, unsigned int *level);

/* The PTE that would map the first page of a huge entry; @mask of its size. */
pte_t page_state_huge(unsigned long val, unsigned long mask);

/* What a PMD, or a huge PUD, maps of a range: by a table of PTEs or on its own. */
struct page_state_part {
	unsigned long addr;	/* of the first page */
	unsigned long pages;	/* so many from there on */
	unsigned int level;	/* enum cowscope_level */
	pte_t pte;		/* the one entry, present; not of a table */
	const pte_t *table;	/* the first of so many PTEs; NULL: there is none */
};

/* Called with interrupts off; no longer than that is the table there. */
typedef void (*page_state_part_fn)(void *ctx, const struct page_state_part *part);

/**
 * page_state_walk_parts - call @fn for each part of a range
 * @mm: as for page_state_pte()
 * @start: first address
 * @end: first one beyond
 * @max: look at that many pages at most; a huge entry counts with all its own,
 *	an empty table as one
 * @fn: not called for what nothing maps
 * @ctx: handed through
 *
 * Returns where it stopped: @end, or the first address not looked at.
 */
unsigned long page_state_walk_parts(struct mm_struct *mm, unsigned long start,
				    unsigned long end, unsigned long max,
				    page_state_part_fn fn, void *ctx);

/* A present entry, or many next to each other which have nothing to be told apart by. */
struct page_state_run {
	unsigned long addr;	/* of the first page in the range */
	unsigned long pages;	/* that are mapped there */
	pte_t pte;		/* the entry; of many one, all others differ in no more
				 * than the page and the accessed bit
				 */
	unsigned int level;	/* enum cowscope_level */
	bool alone;		/* PTEs, each its page's only reference, so that nobody can
				 * hold that; always so of many
				 */
};

/* Called with interrupts off. */
typedef void (*page_state_fn)(void *ctx, const struct page_state_run *run);

/* Calls @fn for each present entry of such a part, a huge one or a run of PTEs at once. */
void page_state_runs(const struct page_state_part *part, page_state_fn fn, void *ctx);

/* Both: each present entry of a range. */
unsigned long page_state_walk(struct mm_struct *mm, unsigned long start, unsigned long end,
			      unsigned long max, page_state_fn fn, void *ctx);

/*
 * Does a PTE map a page so that the words of both can just be read? Not as a guest of
 * Xen that sees its own page tables only through functions.
 */
static __always_inline bool page_state_plain(pte_t pte)
{
	return (native_pte_val(pte) & (_PAGE_PRESENT | _PAGE_SPECIAL)) == _PAGE_PRESENT &&
	       !cpu_feature_enabled(X86_FEATURE_XENPV);
}

/* ... its page frame number. */
static __always_inline unsigned long page_state_plain_pfn(pte_t pte)
{
	return (native_pte_val(pte) & PTE_PFN_MASK) >> PAGE_SHIFT;
}

/*
 * The page that an entry maps, NULL if it has none to look at. A PTE without one
 * is special; a huge entry that a driver made need not be.
 */
static __always_inline struct page *page_state_page(pte_t pte, unsigned int level)
{
	if (!pte_present(pte) || pte_special(pte) ||
	    (level != COWSCOPE_LEVEL_PTE && !pfn_valid(pte_pfn(pte))))
		return NULL;
	return pfn_to_page(pte_pfn(pte));
}

#endif
