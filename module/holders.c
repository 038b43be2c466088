// SPDX-License-Identifier: GPL-2.0
/*
 * A hash of pages by pfn, one node a page that is held. Probe handlers read it
 * under RCU; preemption being off is not enough to say so to lockdep.
 */
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include "holders.h"
#include "ring.h"
#include "stats.h"

#define HASH_BITS_	14
#define LOST_LISTED	16		/* pin_lost records of one fault */

static struct hlist_head *hash;
static DEFINE_SPINLOCK(hash_lock);
static atomic_long_t held_pages;

int holders_init(void)
{
	hash = kvcalloc(1 << HASH_BITS_, sizeof(*hash), GFP_KERNEL);
	return hash ? 0 : -ENOMEM;
}

void holders_exit(void)
{
	kvfree(hash);
}

static struct hlist_head *bucket(unsigned long pfn)
{
	return &hash[hash_long(pfn, HASH_BITS_)];
}

void holders_add(struct holder *holder, struct held_page *nodes, struct page **pages,
		 unsigned long count, unsigned long addr)
{
	unsigned long i;

	atomic_long_add(count, &held_pages);
	for (i = 0; i < count; i++) {
		struct held_page *node = &nodes[i];

		node->holder = holder;
		node->pfn = page_to_pfn(pages[i]);
		node->addr = addr + i * PAGE_SIZE;
		spin_lock(&hash_lock);
		hlist_add_head_rcu(&node->hash, bucket(node->pfn));
		spin_unlock(&hash_lock);
		cond_resched();
	}
}

void holders_remove(struct held_page *nodes, unsigned long count)
{
	unsigned long i;

	for (i = 0; i < count; i++) {
		spin_lock(&hash_lock);
		hlist_del_rcu(&nodes[i].hash);
		spin_unlock(&hash_lock);
		cond_resched();
	}
	atomic_long_sub(count, &held_pages);
}

/* References that one holder adds to its folio's count (mm/gup.c). */
static s32 weight(const struct holder *holder, u32 state)
{
	bool small = !COWSCOPE_STATE_ORDER(state);

	return holder->flags & COWSCOPE_PIN_FOLL_PIN && small ? GUP_PIN_COUNTING_BIAS : 1;
}

/* Was it taken through this very mapping? See holders_look(). */
static bool through(const struct held_page *node, const struct mm_struct *mm,
		    unsigned long addr, u32 state)
{
	return node->holder->mm == mm &&
	       (COWSCOPE_STATE_KIND(state) == COWSCOPE_KIND_ANON || node->addr == addr);
}

/*
 * A holder adds a reference. Where all are mappings and caches, nobody can hold
 * another page of the folio; this saves hundreds of look-ups.
 */
static bool others_held(const struct cowscope_counts *c, s32 nr)
{
	u32 cached = COWSCOPE_STATE_SWAPCACHE | COWSCOPE_STATE_MAPPING;

	return nr > 1 && (c->folio_mapcount == COWSCOPE_COUNT_NA ||
			  c->refcount > c->folio_mapcount + (c->state & cached ? nr : 0));
}

void holders_look(struct cowscope_counts *c, unsigned long pfn, struct mm_struct *mm,
		  unsigned long addr)
{
	unsigned long nr = 1ul << COWSCOPE_STATE_ORDER(c->state);
	unsigned long first, i;
	struct held_page *node;

	if (likely(!atomic_long_read(&held_pages)))
		return;

	if (!others_held(c, nr))
		nr = 1;
	first = pfn & ~(nr - 1);

	rcu_read_lock();
	for (i = first; i < first + nr; i++)
		hlist_for_each_entry_rcu(node, bucket(i), hash) {
			bool own = through(node, mm, addr, c->state);
			bool is_pin = node->holder->flags & COWSCOPE_PIN_FOLL_PIN;

			if (node->pfn != i)
				continue;
			c->held_refs += weight(node->holder, c->state);
			c->folio_pins += is_pin;
			if (i != pfn)
				continue;
			c->held++;
			c->held_pins += is_pin;
			if (own ? !c->held_own : !c->holder)
				c->holder = node->holder->id;
			if (own)
				c->held_own++;
			else if (node->holder->mm != mm)
				c->held_other++;
		}
	rcu_read_unlock();
}

static bool pinned(unsigned long pfn)
{
	struct held_page *node;

	hlist_for_each_entry_rcu(node, bucket(pfn), hash)
		if (node->pfn == pfn && node->holder->flags & COWSCOPE_PIN_FOLL_PIN)
			return true;
	return false;
}

unsigned long holders_pinned(unsigned long pfn, unsigned long pages)
{
	unsigned long i, n = 0;

	if (likely(!atomic_long_read(&held_pages)))
		return 0;

	rcu_read_lock();
	for (i = 0; i < pages; i++)
		n += pinned(pfn + i);
	rcu_read_unlock();
	return n;
}

unsigned int holders_lost(struct mm_struct *mm, u64 addr, u64 before, u64 after, u32 state)
{
	unsigned long pfn = COWSCOPE_PTE_PFN(before);
	struct cowscope_record *r;
	struct held_page *node;
	unsigned int lost = 0;

	if (likely(!atomic_long_read(&held_pages)))
		return 0;

	rcu_read_lock();
	hlist_for_each_entry_rcu(node, bucket(pfn), hash) {
		struct holder *holder = node->holder;

		if (node->pfn != pfn || !through(node, mm, addr, state))
			continue;
		atomic_long_inc(&holder->lost);
		if (lost++ >= LOST_LISTED) {
			stats_inc(lost_unlisted);
			continue;
		}
		r = ring_begin(COWSCOPE_EVENT_PIN_LOST);
		if (!r)
			continue;
		r->addr = addr;
		r->before = before;
		r->after = after;
		r->refcount = COWSCOPE_COUNT_NA;
		r->mapcount = COWSCOPE_COUNT_NA;
		r->holder = holder->id;
		r->flags = holder->flags;
		stats_inc(event[COWSCOPE_EVENT_PIN_LOST]);
		ring_commit(r);
	}
	rcu_read_unlock();
	return lost;
}
