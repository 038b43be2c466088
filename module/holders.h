/* SPDX-License-Identifier: GPL-2.0 */
/* Who of cowscope's own holds a page. */
#ifndef COWSCOPE_HOLDERS_H
#define COWSCOPE_HOLDERS_H

#include <linux/atomic.h>
#include <linux/hash.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include "rules.h"

/* One reference or pin, on one page or many. */
struct holder {
	u32 id;
	u32 flags;		/* COWSCOPE_PIN_* */
	struct mm_struct *mm;	/* through which it was taken; only compared */
	atomic_long_t lost;	/* pages that the process goes on without */
};

/* One page of it. Freed after a grace period at the earliest. */
struct held_page {
	struct hlist_node hash;
	struct holder *holder;
	unsigned long pfn;
	unsigned long addr;	/* where it was mapped when taken */
};

#define HOLDERS_BITS	14
/*
 * Nodes in one place of the hash, all of which a fault may have to look at. The most
 * pages that can be held make 64 each, so only a page that is held again and again
 * gets there, as is the zero page.
 */
#define HOLDERS_MOST	4096

struct holders_bucket {
	struct hlist_head nodes;
	unsigned int count;
};

extern atomic_long_t holders_pages;	/* that are held, by each holder */
extern struct holders_bucket *holders_hash;

static inline struct holders_bucket *holders_bucket(unsigned long pfn)
{
	return &holders_hash[hash_long(pfn, HOLDERS_BITS)];
}

/*
 * Does nobody hold a small page? It may say no without cause, as others share the
 * place in the hash. Any context.
 */
static __always_inline bool holders_none(unsigned long pfn)
{
	return likely(!atomic_long_read(&holders_pages)) || hlist_empty(&holders_bucket(pfn)->nodes);
}

int holders_init(void);
void holders_exit(void);

/*
 * Makes a page that is held and mapped at @addr known as such. Does not sleep. ENOSPC:
 * it would be too many for a fault to look at.
 */
int holders_add(struct held_page *node, struct holder *holder, struct page *page,
		unsigned long addr);

/* ... and no longer. */
void holders_remove(struct held_page *node);

/**
 * holders_look_range - fill in who holds pages of a folio
 * @c: its held_* and holder fields are set
 * @pfn: of the first page
 * @pages: so many, not beyond the folio; holders of its other pages count in
 *	held_refs
 * @mm: holders through this one are the writer's own
 * @addr: where it maps the first page. An anonymous page is mapped once by an mm, so
 *	its holders are found wherever it was moved; the zero page, a KSM or file
 *	page only counts as held through this address.
 *
 * Whom a copy cannot leave behind, as it passes by or is told in time, counts in
 * held_refs alone. Any context; a few loads while nobody holds anything.
 */
void holders_look_range(struct cowscope_counts *c, unsigned long pfn, unsigned long pages,
			struct mm_struct *mm, unsigned long addr);

/* ... of one page. */
static inline void holders_look(struct cowscope_counts *c, unsigned long pfn,
				struct mm_struct *mm, unsigned long addr)
{
	holders_look_range(c, pfn, 1, mm, addr);
}

/**
 * holders_pinned - how many pages of a folio cowscope has pinned
 * @pfn: of the first
 * @pages: so many from there on
 *
 * Any context; a look-up a page.
 */
unsigned long holders_pinned(unsigned long pfn, unsigned long pages);

/**
 * holders_lost - note that a process goes on with other pages
 * @mm: the process
 * @addr: the first page's address there
 * @before: entry before, packed
 * @after: entry now, packed
 * @state: of the page before
 * @pages: that the entry maps
 *
 * Writes a pin_lost record for each holder of a page before that took it
 * through @mm, with the first of its pages; returns how many pages they hold,
 * each counted for each holder. One that passes by loses nothing. In a probe
 * handler.
 */
unsigned int holders_lost(struct mm_struct *mm, u64 addr, u64 before, u64 after, u32 state,
			  unsigned long pages);

#endif
