// SPDX-License-Identifier: GPL-2.0
/*
 * As a driver with HMM does it: between mmu_interval_read_begin() and _retry()
 * the page is looked up, and under the mirror's lock, which an invalidation takes,
 * too, it is mapped if nothing was invalidated meanwhile. What is mapped is
 * so by the process, too, until the mirror was told: so it needs no reference.
 *
 * The lock is taken within an invalidation, that is within mmap_lock, page locks
 * and reclaim: nothing that is done under it allocates, faults or takes these.
 */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include "compat/mm.h"
#include "compat/mmu_notifier.h"
#include "filter.h"
#include "mirror.h"
#include "page_view.h"
#include "pin_pages.h"
#include "ring.h"

#ifdef CONFIG_MMU_NOTIFIER

/* Of one mapping that holds a reference: readers may still be at an earlier one. */
struct reference {
	struct rcu_head rcu;
	struct held_page node;
};

struct mirror {
	struct mmu_interval_notifier notifier;
	struct mutex lock;		/* for all below */
	struct holder *holder;
	unsigned long addr;
	unsigned long count;
	bool gone;			/* the memory is */
	struct mapped {
		struct page *page;	/* NULL: not mapped */
		struct reference *reference;	/* NULL: none is held */
	} mapped[];
};

/* Takes over the page, and the reference if it succeeds. */
static int map(struct mirror *m, unsigned long nth, struct page *page,
	       struct reference *reference)
{
	int err = reference ? holders_add(&reference->node, m->holder, page,
					  m->addr + nth * PAGE_SIZE) : 0;

	if (!err)
		m->mapped[nth] = (struct mapped){ page, reference };
	if (err || !reference)
		put_page(page);
	return err;
}

static void unmap(struct mirror *m, unsigned long nth)
{
	struct mapped old = m->mapped[nth];

	m->mapped[nth] = (struct mapped){};
	if (!old.reference)
		return;
	holders_remove(&old.reference->node);
	put_page(old.page);
	kfree_rcu(old.reference, rcu);
}

static void record(struct mirror *m, const struct mmu_notifier_range *range, u64 began,
		   unsigned long seen, unsigned long dropped, int error)
{
	struct cowscope_record *r;

	preempt_disable();
	r = ring_begin_unprobed(COWSCOPE_EVENT_MIRROR, range->mm);
	if (r) {
		r->start = range->start;
		r->end = range->end;
		r->op_duration = r->ts - began;
		r->target = filter_mm_tgid(range->mm);
		r->mirror = m->holder->id;
		r->seen = seen;
		r->changed = dropped;
		r->held = seen - dropped;
		r->arg = compat_invalidation(range);
		r->error = error;
		ring_commit(r);
	}
	preempt_enable();
}

/* Does not sleep but for the lock, so only that can make it fail. */
static bool invalidate(struct mmu_interval_notifier *notifier,
		       const struct mmu_notifier_range *range, unsigned long seq)
{
	struct mirror *m = container_of(notifier, struct mirror, notifier);
	unsigned long end = m->addr + m->count * PAGE_SIZE;
	bool release = range->event == MMU_NOTIFY_RELEASE;
	bool keep = m->holder->flags & COWSCOPE_PIN_MIRROR_KEEP && !release;
	unsigned long i, first = 0, last, seen = 0, dropped = 0;
	u64 began = ktime_get_mono_fast_ns();

	if (mmu_notifier_range_blockable(range)) {
		mutex_lock(&m->lock);
	} else if (!mutex_trylock(&m->lock)) {
		record(m, range, began, 0, 0, -EAGAIN);
		return false;
	}
	mmu_interval_set_seq(notifier, seq);
	if (range->start > m->addr)
		first = (range->start - m->addr) >> PAGE_SHIFT;
	last = (min(range->end, end) - m->addr + PAGE_SIZE - 1) >> PAGE_SHIFT;
	for (i = first; i < last; i++) {
		if (!m->mapped[i].page)
			continue;
		seen++;
		if (keep)
			continue;
		unmap(m, i);
		dropped++;
		if (mmu_notifier_range_blockable(range))
			cond_resched();
	}
	if (release)
		m->gone = true;
	record(m, range, began, seen, dropped, 0);
	mutex_unlock(&m->lock);
	return true;
}

static const struct mmu_interval_notifier_ops ops = { .invalidate = invalidate };

static long get_page_of(struct mirror *m, unsigned long nth, struct page **page)
{
	unsigned int gup = m->holder->flags & COWSCOPE_PIN_WRITE ? FOLL_WRITE : 0;
	struct mm_struct *mm = m->notifier.mm;
	long got;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	got = compat_get_user_pages_remote(mm, m->addr + nth * PAGE_SIZE, 1, gup, page);
	mmap_read_unlock(mm);
	return got ? got : -EFAULT;
}

/* One try to map a page; 0 also if it was invalidated meanwhile. */
static int fault(struct mirror *m, unsigned long nth)
{
	struct mm_struct *mm = m->notifier.mm;
	struct reference *reference = NULL;
	unsigned long seq;
	struct page *page;
	long got;

	if (fatal_signal_pending(current))
		return -EINTR;
	if (m->holder->flags & COWSCOPE_PIN_MIRROR_GET) {
		reference = kmalloc(sizeof(*reference), GFP_KERNEL_ACCOUNT);
		if (!reference)
			return -ENOMEM;
	}
	if (!mmget_not_zero(mm)) {
		kfree(reference);
		return -ESRCH;
	}
	seq = mmu_interval_read_begin(&m->notifier);
	got = get_page_of(m, nth, &page);
	if (got == 1) {
		mutex_lock(&m->lock);
		if (mmu_interval_read_retry(&m->notifier, seq) || m->mapped[nth].page) {
			put_page(page);
		} else {
			got = map(m, nth, page, reference);
			if (!got)
				reference = NULL;
		}
		mutex_unlock(&m->lock);
	}
	mmput(mm);
	kfree(reference);
	return min(got, 0l);
}

/* Returns with the lock held and the page mapped, or an error. */
static int lock_mapped(struct mirror *m, unsigned long nth)
{
	int err;

	do {
		err = mutex_lock_killable(&m->lock);
		if (err)
			return -EINTR;
		if (m->mapped[nth].page)
			return 0;
		err = m->gone ? -ESRCH : 0;
		mutex_unlock(&m->lock);
		if (!err)
			err = fault(m, nth);
	} while (!err);
	return err;
}

struct mirror *mirror_new(struct holder *holder, unsigned long addr, unsigned long count)
{
	struct mirror *m = kvzalloc(struct_size(m, mapped, count), GFP_KERNEL_ACCOUNT);
	unsigned long i;
	int err;

	if (!m)
		return ERR_PTR(-ENOMEM);
	mutex_init(&m->lock);
	m->holder = holder;
	m->addr = addr;
	m->count = count;
	err = mmu_interval_notifier_insert(&m->notifier, current->mm, addr, count * PAGE_SIZE,
					   &ops);
	if (err) {
		kvfree(m);
		return ERR_PTR(err);
	}
	for (i = 0; i < count; i++) {
		err = lock_mapped(m, i);
		if (err) {
			mirror_free(m);
			return ERR_PTR(err);
		}
		mutex_unlock(&m->lock);
		cond_resched();
	}
	return m;
}

void mirror_free(struct mirror *m)
{
	unsigned long i;

	mmu_interval_notifier_remove(&m->notifier);
	for (i = 0; i < m->count; i++) {
		unmap(m, i);
		cond_resched();
	}
	kvfree(m);
}

int mirror_access(struct mirror *m, unsigned long nth, size_t offset, void *buf, size_t n,
		  bool write)
{
	bool dirty = write && m->holder->flags & COWSCOPE_PIN_MIRROR_KEEP;
	int err = lock_mapped(m, nth);
	struct page *page;

	if (err)
		return err;
	page = m->mapped[nth].page;
	pin_pages_copy(page, offset, buf, n, write);
	/* To map it for writing has made it dirty, as long as the process maps it. */
	if (dirty)
		get_page(page);
	mutex_unlock(&m->lock);
	if (dirty) {
		set_page_dirty_lock(page);
		put_page(page);
	}
	return 0;
}

void mirror_look(struct mirror *m, unsigned long nth, struct cowscope_page *page)
{
	unsigned long addr = m->addr + nth * PAGE_SIZE;

	mutex_lock(&m->lock);
	page_view_held(page, m->notifier.mm, addr, m->mapped[nth].page);
	mutex_unlock(&m->lock);
}

#else

struct mirror *mirror_new(struct holder *holder, unsigned long addr, unsigned long count)
{
	return ERR_PTR(-EOPNOTSUPP);
}

void mirror_free(struct mirror *m)
{
}

int mirror_access(struct mirror *m, unsigned long nth, size_t offset, void *buf, size_t n,
		  bool write)
{
	return -EOPNOTSUPP;
}

void mirror_look(struct mirror *m, unsigned long nth, struct cowscope_page *page)
{
}

#endif
