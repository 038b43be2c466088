// SPDX-License-Identifier: GPL-2.0
#include <linux/hash.h>
#include <linux/list.h>
#include <linux/pgtable.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include "rivals.h"

#define BUCKET_BITS	8

static struct bucket {
	raw_spinlock_t lock;
	struct hlist_head list;
} ____cacheline_aligned buckets[1 << BUCKET_BITS] = {
	[0 ... (1 << BUCKET_BITS) - 1] = {
		.lock = __RAW_SPIN_LOCK_UNLOCKED(buckets.lock),
	},
};

/* No list is touched any more: what is on them is about to go. */
static bool closed __read_mostly;

/*
 * One for what a page table maps, as the lock is that the kernel takes for each fault:
 * threads that write far from each other, so that they do not meet there, do not here.
 */
static struct bucket *bucket_of(const struct rival *r)
{
	return &buckets[hash_long((unsigned long)r->mm + (r->addr >> PMD_SHIFT), BUCKET_BITS)];
}

void rivals_list(struct rival *r)
{
	struct bucket *b = bucket_of(r);

	r->listed = !READ_ONCE(closed);
	if (!r->listed)
		return;
	raw_spin_lock(&b->lock);
	hlist_add_head(&r->node, &b->list);
	raw_spin_unlock(&b->lock);
}

bool rivals_settle(struct rival *r, bool decided)
{
	struct bucket *b = bucket_of(r);
	struct rival *other;

	if (READ_ONCE(closed))
		return r->listed && READ_ONCE(r->beaten);
	raw_spin_lock(&b->lock);
	if (r->listed)
		hlist_del(&r->node);
	if (decided && !r->beaten)
		hlist_for_each_entry(other, &b->list, node)
			if (other->mm == r->mm && other->addr == r->addr && other->pfn == r->pfn)
				WRITE_ONCE(other->beaten, true);
	raw_spin_unlock(&b->lock);
	return r->beaten;
}

void rivals_close(void)
{
	WRITE_ONCE(closed, true);
	/* Handlers that saw it open run with preemption off. */
	synchronize_rcu();
}

void rivals_reset(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(buckets); i++)
		INIT_HLIST_HEAD(&buckets[i].list);
	WRITE_ONCE(closed, false);
}
