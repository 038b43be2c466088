// SPDX-License-Identifier: GPL-2.0
/*
 * A hash of pages by pfn, one node a page that is held. Probe handlers read it
 * under RCU; preemption being off is not enough to say so to lockdep.
 */
#include <linux/mm.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include "holders.h"
#include "ring.h"
#include "stats.h"

#define LOST_LISTED	16		/* pin_lost records of one fault */

struct holders_bucket *holders_hash __read_mostly;
static DEFINE_SPINLOCK(hash_lock);
atomic_long_t holders_pages;

int holders_init(void)
{
	BUILD_BUG_ON(COWSCOPE_PIN_REFERENCES != GUP_PIN_COUNTING_BIAS);
	holders_hash = kvcalloc(1 << HOLDERS_BITS, sizeof(*holders_hash), GFP_KERNEL);
	return holders_hash ? 0 : -ENOMEM;
}

void holders_exit(void)
{
	rcu_barrier();	/* nodes may wait to be freed by a function of the module */
	kvfree(holders_hash);
}

int holders_add(struct held_page *node, struct holder *holder, struct page *page,
		unsigned long addr)
{
	struct holders_bucket *bucket = holders_bucket(page_to_pfn(page));
	int err = -ENOSPC;

	node->holder = holder;
	node->pfn = page_to_pfn(page);
	node->addr = addr;
	spin_lock(&hash_lock);
	if (bucket->count < HOLDERS_MOST) {
		bucket->count++;
		atomic_long_inc(&holders_pages);
		hlist_add_head_rcu(&node->hash, &bucket->nodes);
		err = 0;
	}
	spin_unlock(&hash_lock);
	return err;
}

void holders_remove(struct held_page *node)
{
	spin_lock(&hash_lock);
	hlist_del_rcu(&node->hash);
	holders_bucket(node->pfn)->count--;
	spin_unlock(&hash_lock);
	atomic_long_dec(&holders_pages);
}

/* Who passes by goes on its way. */
static bool passes_by(const struct holder *holder)
{
	return holder->flags & COWSCOPE_PIN_SPECULATIVE;
}

/* A mirror that lets go when it is told, which is before the page is replaced. */
static bool lets_go(const struct holder *holder)
{
	return holder->flags & COWSCOPE_PIN_MIRROR &&
	       !(holder->flags & COWSCOPE_PIN_MIRROR_KEEP);
}

/* References that one holder adds to its folio's count (mm/gup.c). */
static s32 weight(const struct holder *holder, u32 state)
{
	bool small = !COWSCOPE_STATE_ORDER(state);

	return holder->flags & COWSCOPE_PIN_FOLL_PIN && small ? GUP_PIN_COUNTING_BIAS : 1;
}

/* An entry that maps pages of one folio. */
struct mapping {
	struct mm_struct *mm;
	unsigned long addr;	/* of the first page */
	unsigned long pfn;	/* likewise */
	u32 state;
};

/* Was it taken through this very mapping? See holders_look_range(). */
static bool through(const struct held_page *node, const struct mapping *m)
{
	u32 kind = COWSCOPE_STATE_KIND(m->state);
	bool once = kind == COWSCOPE_KIND_ANON ||
		    (kind == COWSCOPE_KIND_HUGETLB && !(m->state & COWSCOPE_STATE_MAPPING));

	return node->holder->mm == m->mm &&
	       (once || node->addr - m->addr == (node->pfn - m->pfn) << PAGE_SHIFT);
}

/*
 * A holder adds a reference. Where all are mappings and caches, nobody can hold
 * another page of the folio; this saves hundreds of look-ups.
 */
static bool others_held(const struct cowscope_counts *c)
{
	return c->folio_mapcount == COWSCOPE_COUNT_NA ||
	       c->refcount > c->folio_mapcount + cowscope_cached(c->state);
}

/*
 * Calls @fn for each holder of each of so many pages: page by page, or going
 * through all of the hash where that is less, for a huge page of 1 GB.
 */
static __always_inline void each_held(unsigned long first, unsigned long nr,
				      void (*fn)(struct held_page *node, void *ctx), void *ctx)
{
	bool all = nr > 1ul << HOLDERS_BITS;
	unsigned long i, n = all ? 1ul << HOLDERS_BITS : nr;
	struct held_page *node;

	rcu_read_lock();
	for (i = 0; i < n; i++)
		hlist_for_each_entry_rcu(node, all ? &holders_hash[i].nodes :
					 &holders_bucket(first + i)->nodes, hash)
			if (all ? node->pfn - first < nr : node->pfn == first + i)
				fn(node, ctx);
	rcu_read_unlock();
}

struct look {
	struct cowscope_counts *c;
	struct mapping m;
	unsigned long pages;
};

static __always_inline void look_at(struct held_page *node, void *ctx)
{
	struct look *look = ctx;
	struct cowscope_counts *c = look->c;
	bool own = through(node, &look->m);
	bool is_pin = node->holder->flags & COWSCOPE_PIN_FOLL_PIN;

	c->held_refs += weight(node->holder, c->state);
	c->folio_pins += is_pin;
	if (node->pfn - look->m.pfn >= look->pages ||
	    passes_by(node->holder) || lets_go(node->holder))
		return;
	c->held++;
	c->held_pins += is_pin;
	if (own ? !c->held_own : !c->holder)
		c->holder = node->holder->id;
	if (own)
		c->held_own++;
	else if (node->holder->mm != look->m.mm)
		c->held_other++;
}

/* Apart, so that those who find nothing held pay for no stack frame. */
static noinline void look_up(struct cowscope_counts *c, unsigned long pfn, unsigned long pages,
			     struct mm_struct *mm, unsigned long addr)
{
	struct look look = { c, { mm, addr, pfn, c->state }, pages };
	unsigned long nr = 1ul << COWSCOPE_STATE_ORDER(c->state);

	nr = others_held(c) ? max(nr, pages) : 1;
	each_held(pfn & ~(nr - 1), nr, look_at, &look);
}

void holders_look_range(struct cowscope_counts *c, unsigned long pfn, unsigned long pages,
			struct mm_struct *mm, unsigned long addr)
{
	if (unlikely(atomic_long_read(&holders_pages)))
		look_up(c, pfn, pages, mm, addr);
}

static bool pinned(unsigned long pfn)
{
	struct held_page *node;

	hlist_for_each_entry_rcu(node, &holders_bucket(pfn)->nodes, hash)
		if (node->pfn == pfn && node->holder->flags & COWSCOPE_PIN_FOLL_PIN)
			return true;
	return false;
}

unsigned long holders_pinned(unsigned long pfn, unsigned long pages)
{
	unsigned long i, n = 0;

	if (likely(!atomic_long_read(&holders_pages)))
		return 0;

	rcu_read_lock();
	for (i = 0; i < pages; i++)
		n += pinned(pfn + i);
	rcu_read_unlock();
	return n;
}

struct loss {
	struct mapping m;
	u64 before, after;
	u32 listed[LOST_LISTED];	/* ids of holders */
	unsigned int holders, pages;
};

static __always_inline void lose(struct held_page *node, void *ctx)
{
	struct loss *loss = ctx;
	struct holder *holder = node->holder;
	unsigned long nth = node->pfn - loss->m.pfn;
	struct cowscope_record *r;
	unsigned int i;

	if (passes_by(holder) || !through(node, &loss->m))
		return;
	atomic_long_inc(&holder->lost);
	loss->pages++;
	for (i = 0; i < loss->holders; i++)
		if (loss->listed[i] == holder->id)
			return;
	if (loss->holders == LOST_LISTED) {
		stats_inc(lost_unlisted);
		return;
	}
	loss->listed[loss->holders++] = holder->id;
	r = ring_begin(COWSCOPE_EVENT_PIN_LOST);
	if (!r)
		return;
	r->addr = loss->m.addr + (nth << PAGE_SHIFT);
	r->before = loss->before + nth;
	r->after = loss->after & COWSCOPE_PTE_PRESENT ? loss->after + nth : loss->after;
	r->refcount = COWSCOPE_COUNT_NA;
	r->mapcount = COWSCOPE_COUNT_NA;
	r->holder = holder->id;
	r->flags = holder->flags;
	ring_commit(r);
}

unsigned int holders_lost(struct mm_struct *mm, u64 addr, u64 before, u64 after, u32 state,
			  unsigned long pages)
{
	struct loss loss = {
		.m = { mm, addr, COWSCOPE_PTE_PFN(before), state },
		.before = before,
		.after = after,
	};

	if (likely(!atomic_long_read(&holders_pages)))
		return 0;
	each_held(loss.m.pfn, pages, lose, &loss);
	return loss.pages;
}
