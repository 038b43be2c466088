// SPDX-License-Identifier: GPL-2.0
/*
 * Each reference or pin is a struct pin with one node a page in a hash by pfn,
 * which probe handlers read under RCU. A pin is found through the set of its
 * open file, and stays as long as an ioctl uses it.
 */
#include <linux/hash.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/rculist.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include "compat/folio.h"
#include "compat/mm.h"
#include "format.h"
#include "page_state.h"
#include "pins.h"
#include "record.h"
#include "ring.h"
#include "stats.h"

#define SET_MAX		1024u		/* pins of one open file */
#define PAGES_MAX	(1L << 22)	/* pages of all */
#define BATCH		512ul		/* pages at a time under mmap_lock */
#define HASH_BITS_	14
#define LOST_LISTED	16		/* pin_lost records of one fault */

struct pin_page {
	struct hlist_node hash;
	struct pin *pin;
	unsigned long pfn;
};

struct pin {
	struct rcu_head rcu;
	struct kref refs;
	struct list_head in_set;
	struct list_head in_all;
	u32 id;
	u32 flags;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	struct mm_struct *mm;	/* its struct only; compared in handlers */
	unsigned long addr;
	unsigned long count;
	atomic_long_t lost;	/* pages that the process goes on without */
	struct page **pages;
	struct pin_page nodes[];
};

static struct hlist_head *hash;
static DEFINE_SPINLOCK(hash_lock);
static atomic_long_t held_pages;
static LIST_HEAD(all);
static DEFINE_MUTEX(all_lock);
static atomic_t last_id;

int pins_init(void)
{
	hash = kvcalloc(1 << HASH_BITS_, sizeof(*hash), GFP_KERNEL);
	return hash ? 0 : -ENOMEM;
}

void pins_exit(void)
{
	kvfree(hash);
}

void pin_set_init(struct pin_set *set)
{
	mutex_init(&set->lock);
	INIT_LIST_HEAD(&set->pins);
}

static struct hlist_head *bucket(unsigned long pfn)
{
	return &hash[hash_long(pfn, HASH_BITS_)];
}

static void publish(struct pin *pin)
{
	unsigned long i;

	for (i = 0; i < pin->count; i++) {
		struct pin_page *node = &pin->nodes[i];

		node->pin = pin;
		node->pfn = page_to_pfn(pin->pages[i]);
		spin_lock(&hash_lock);
		hlist_add_head_rcu(&node->hash, bucket(node->pfn));
		spin_unlock(&hash_lock);
		cond_resched();
	}
}

static void unpublish(struct pin *pin)
{
	unsigned long i;

	for (i = 0; i < pin->count; i++) {
		spin_lock(&hash_lock);
		hlist_del_rcu(&pin->nodes[i].hash);
		spin_unlock(&hash_lock);
		cond_resched();
	}
}

static void put_pages(u32 flags, struct page **pages, unsigned long count)
{
	bool dirty = flags & COWSCOPE_PIN_WRITE;
	unsigned long i;

	if (flags & COWSCOPE_PIN_FOLL_PIN) {
		unpin_user_pages_dirty_lock(pages, count, dirty);
		return;
	}
	for (i = 0; i < count; i++) {
		if (dirty)
			set_page_dirty_lock(pages[i]);
		put_page(pages[i]);
		cond_resched();
	}
}

/* All of it or an error; sleeps. */
static int get_pages(u32 flags, unsigned long addr, struct page **pages, unsigned long count)
{
	bool pin = flags & COWSCOPE_PIN_FOLL_PIN;
	unsigned int gup = 0;
	unsigned long done = 0;
	long got;

	if (flags & COWSCOPE_PIN_WRITE)
		gup |= FOLL_WRITE;
	if (flags & COWSCOPE_PIN_LONGTERM)
		gup |= FOLL_LONGTERM;

	while (done < count) {
		unsigned long start = addr + done * PAGE_SIZE;
		unsigned long n = min(count - done, BATCH);

		if (fatal_signal_pending(current)) {
			got = -EINTR;
			goto err;
		}
		if (flags & COWSCOPE_PIN_FAST) {
			got = pin ? pin_user_pages_fast(start, n, gup, pages + done) :
				    get_user_pages_fast(start, n, gup, pages + done);
		} else if (mmap_read_lock_killable(current->mm)) {
			got = -EINTR;
		} else {
			got = pin ? compat_pin_user_pages(start, n, gup, pages + done) :
				    compat_get_user_pages(start, n, gup, pages + done);
			mmap_read_unlock(current->mm);
		}
		if (got <= 0)
			goto err;
		done += got;
		cond_resched();
	}
	return 0;

err:
	put_pages(flags & ~COWSCOPE_PIN_WRITE, pages, done);
	return got ? got : -EFAULT;
}

static void fill_page(struct cowscope_page *page, struct mm_struct *mm, u64 addr, u64 pte,
		      unsigned long pfn, struct cowscope_counts *c)
{
	if (c->refcount != COWSCOPE_COUNT_NA)
		pins_look(c, pfn, mm);
	*page = (struct cowscope_page){
		.addr = addr,
		.pte = pte,
		.state = c->state,
		.refcount = c->refcount,
		.mapcount = c->mapcount,
		.folio_mapcount = c->folio_mapcount,
		.pincount = c->pincount,
		.holders = c->held_own + c->held_other,
		.explained = cowscope_explained(c),
		.holder = c->holder,
	};
}

/* The page that is held, wherever it is mapped now. */
static void held_page(struct cowscope_page *out, struct pin *pin, struct page *page, u64 addr)
{
	struct cowscope_counts c;
	pte_t pte = mk_pte(page, PAGE_READONLY);

	page_state_read(&c, pin->mm, 0, pte, COWSCOPE_LEVEL_NONE);
	fill_page(out, pin->mm, addr,
		  COWSCOPE_PTE_READ | COWSCOPE_PTE_PRESENT | page_to_pfn(page),
		  page_to_pfn(page), &c);
}

static void record_pin(struct pin *pin, enum cowscope_event event)
{
	struct cowscope_record *r;
	struct cowscope_page page;

	held_page(&page, pin, pin->pages[0], pin->addr);
	preempt_disable();
	r = ring_begin(event);
	if (r) {
		r->addr = pin->addr;
		r->before = page.pte;
		r->refcount = page.refcount;
		r->mapcount = page.mapcount;
		r->state = page.state;
		r->holder = pin->id;
		r->flags = pin->flags;
		r->pages = pin->count;
		stats_inc(event[event]);
		ring_commit(r);
	}
	preempt_enable();
}

static int check(const struct cowscope_pin *arg)
{
	if (arg->flags & ~(COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_WRITE |
			   COWSCOPE_PIN_LONGTERM | COWSCOPE_PIN_FAST))
		return -EINVAL;
	if (arg->flags & COWSCOPE_PIN_LONGTERM && !(arg->flags & COWSCOPE_PIN_FOLL_PIN))
		return -EINVAL;
	if (!arg->length || (arg->addr | arg->length) & ~PAGE_MASK)
		return -EINVAL;
	if (arg->addr + arg->length < arg->addr || arg->addr + arg->length > TASK_SIZE_MAX)
		return -EFAULT;
	return 0;
}

int pins_take(struct pin_set *set, struct cowscope_pin *arg)
{
	struct mm_struct *mm = current->mm;
	unsigned long count;
	struct pin *pin;
	int err = check(arg);

	if (err)
		return err;
	if (arg->length >> PAGE_SHIFT > PAGES_MAX)
		return -ENOSPC;
	count = arg->length >> PAGE_SHIFT;
	if (atomic_long_add_return(count, &held_pages) > PAGES_MAX) {
		err = -ENOSPC;
		goto err_held;
	}
	err = account_locked_vm(mm, count, true);
	if (err)
		goto err_held;

	err = -ENOMEM;
	pin = kvzalloc(struct_size(pin, nodes, count), GFP_KERNEL_ACCOUNT);
	if (!pin)
		goto err_account;
	pin->pages = kvcalloc(count, sizeof(*pin->pages), GFP_KERNEL_ACCOUNT);
	if (!pin->pages)
		goto err_pin;
	err = get_pages(arg->flags, arg->addr, pin->pages, count);
	if (err)
		goto err_pages;

	kref_init(&pin->refs);
	pin->flags = arg->flags;
	pin->pid = current->tgid;
	get_task_comm(pin->comm, current);
	pin->mm = mm;
	mmgrab(mm);
	pin->addr = arg->addr;
	pin->count = count;

	err = mutex_lock_interruptible(&set->lock);
	if (err)
		goto err_got;
	if (set->count >= SET_MAX) {
		err = -ENOSPC;
		goto err_locked;
	}
	set->count++;
	do {
		pin->id = atomic_inc_return(&last_id);
	} while (!pin->id);
	mutex_lock(&all_lock);
	list_add_tail(&pin->in_all, &all);
	mutex_unlock(&all_lock);
	publish(pin);
	list_add_tail(&pin->in_set, &set->pins);
	arg->id = pin->id;
	record_pin(pin, COWSCOPE_EVENT_PIN);
	mutex_unlock(&set->lock);
	return 0;

err_locked:
	mutex_unlock(&set->lock);
err_got:
	mmdrop(mm);
	put_pages(arg->flags & ~COWSCOPE_PIN_WRITE, pin->pages, count);
err_pages:
	kvfree(pin->pages);
err_pin:
	kvfree(pin);
err_account:
	account_locked_vm(mm, count, false);
err_held:
	atomic_long_sub(count, &held_pages);
	return err;
}

static void pin_release(struct kref *refs)
{
	struct pin *pin = container_of(refs, struct pin, refs);

	put_pages(pin->flags, pin->pages, pin->count);
	account_locked_vm(pin->mm, pin->count, false);
	atomic_long_sub(pin->count, &held_pages);
	mmdrop(pin->mm);
	kvfree(pin->pages);
	kvfree_rcu(pin, rcu);
}

/* Takes it out of its set, whose lock is held; it goes when nobody uses it. */
static void withdraw(struct pin_set *set, struct pin *pin)
{
	list_del(&pin->in_set);
	set->count--;
	mutex_lock(&all_lock);
	list_del(&pin->in_all);
	mutex_unlock(&all_lock);
	unpublish(pin);
	record_pin(pin, COWSCOPE_EVENT_UNPIN);
	kref_put(&pin->refs, pin_release);
}

static struct pin *find(struct pin_set *set, u32 id)
{
	struct pin *pin;

	list_for_each_entry(pin, &set->pins, in_set)
		if (pin->id == id)
			return pin;
	return NULL;
}

/* A pin to use, or an error; kref_put() it. */
static struct pin *use(struct pin_set *set, u32 id)
{
	struct pin *pin;
	int err = mutex_lock_interruptible(&set->lock);

	if (err)
		return ERR_PTR(err);
	pin = find(set, id);
	if (pin)
		kref_get(&pin->refs);
	mutex_unlock(&set->lock);
	return pin ? pin : ERR_PTR(-ENOENT);
}

int pins_return(struct pin_set *set, u32 id)
{
	struct pin *pin;
	int err = mutex_lock_interruptible(&set->lock);

	if (err)
		return err;
	pin = find(set, id);
	if (pin)
		withdraw(set, pin);
	mutex_unlock(&set->lock);
	return pin ? 0 : -ENOENT;
}

void pin_set_release(struct pin_set *set)
{
	struct pin *pin, *next;

	mutex_lock(&set->lock);
	list_for_each_entry_safe(pin, next, &set->pins, in_set)
		withdraw(set, pin);
	mutex_unlock(&set->lock);
}

static int copy_page_part(struct page *page, size_t offset, size_t n, void __user *data,
			  bool write)
{
	void *at = kmap_local_page(page);
	unsigned long left;

	if (write)
		left = copy_from_user(at + offset, data, n);
	else
		left = copy_to_user(data, at + offset, n);
	kunmap_local(at);
	if (write)
		set_page_dirty_lock(page);
	return left ? -EFAULT : 0;
}

int pins_copy(struct pin_set *set, const struct cowscope_rw *arg, bool write)
{
	void __user *data = u64_to_user_ptr(arg->data);
	u64 offset = arg->offset, length = arg->length;
	struct pin *pin = use(set, arg->id);
	int err = 0;

	if (IS_ERR(pin))
		return PTR_ERR(pin);
	if (write && !(pin->flags & COWSCOPE_PIN_WRITE))
		err = -EPERM;
	else if (offset + length < offset || offset + length > (u64)pin->count << PAGE_SHIFT)
		err = -EINVAL;

	while (!err && length) {
		size_t in_page = offset_in_page(offset);
		size_t n = min_t(u64, length, PAGE_SIZE - in_page);

		err = copy_page_part(pin->pages[offset >> PAGE_SHIFT], in_page, n, data, write);
		offset += n;
		length -= n;
		data += n;
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	kref_put(&pin->refs, pin_release);
	return err;
}

/* References that one holder adds to its folio's count (mm/gup.c). */
static s32 weight(const struct pin *pin, u32 state)
{
	bool small = !COWSCOPE_STATE_ORDER(state);

	return pin->flags & COWSCOPE_PIN_FOLL_PIN && small ? GUP_PIN_COUNTING_BIAS : 1;
}

void pins_look(struct cowscope_counts *c, unsigned long pfn, struct mm_struct *mm)
{
	unsigned long nr = 1ul << COWSCOPE_STATE_ORDER(c->state);
	unsigned long first = pfn & ~(nr - 1), i;
	struct pin_page *node;

	if (likely(!atomic_long_read(&held_pages)))
		return;

	rcu_read_lock();
	for (i = first; i < first + nr; i++)
		hlist_for_each_entry_rcu(node, bucket(i), hash) {
			bool own = node->pin->mm == mm;

			if (node->pfn != i)
				continue;
			c->held_refs += weight(node->pin, c->state);
			if (i != pfn)
				continue;
			if (!c->holder || (own && !c->held_own))
				c->holder = node->pin->id;
			if (own)
				c->held_own++;
			else
				c->held_other++;
		}
	rcu_read_unlock();
}

unsigned int pins_lost(struct mm_struct *mm, u64 addr, u64 before, u64 after)
{
	unsigned long pfn = COWSCOPE_PTE_PFN(before);
	struct cowscope_record *r;
	struct pin_page *node;
	unsigned int lost = 0;

	if (likely(!atomic_long_read(&held_pages)))
		return 0;

	rcu_read_lock();
	hlist_for_each_entry_rcu(node, bucket(pfn), hash) {
		struct pin *pin = node->pin;

		if (node->pfn != pfn || pin->mm != mm)
			continue;
		atomic_long_inc(&pin->lost);
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
		r->holder = pin->id;
		r->flags = pin->flags;
		stats_inc(event[COWSCOPE_EVENT_PIN_LOST]);
		ring_commit(r);
	}
	rcu_read_unlock();
	return lost;
}

void pins_page(struct cowscope_page *page, struct mm_struct *mm, u64 addr,
	       unsigned long vm_flags)
{
	unsigned int level, again, tries = 3;
	struct cowscope_counts c;
	pte_t pte;
	u64 pack;

	/* A page that is no longer mapped after the look was another's by then. */
	do {
		pte = page_state_pte(mm, addr, &level);
		page_state_read(&c, mm, vm_flags, pte, level);
	} while (pte_val(pte) != pte_val(page_state_pte(mm, addr, &again)) && --tries);

	pack = page_state_pack(pte);
	if (level == COWSCOPE_LEVEL_PMD || level == COWSCOPE_LEVEL_HUGETLB)
		pack |= COWSCOPE_PTE_HUGE;
	fill_page(page, mm, addr, pack, pte_pfn(pte), &c);
}

int pins_state(struct pin_set *set, struct cowscope_pin_state *arg)
{
	struct pin *pin = use(set, arg->id);
	struct vm_area_struct *vma;
	struct page *page;
	u64 addr;
	int err = 0;

	if (IS_ERR(pin))
		return PTR_ERR(pin);
	if (arg->offset >= (u64)pin->count << PAGE_SHIFT) {
		err = -EINVAL;
		goto out;
	}
	page = pin->pages[arg->offset >> PAGE_SHIFT];
	addr = pin->addr + (arg->offset & PAGE_MASK);
	arg->flags = pin->flags;
	arg->coherent = COWSCOPE_NA;
	memset(&arg->mapped, 0, sizeof(arg->mapped));

	if (mmget_not_zero(pin->mm)) {
		if (mmap_read_lock_killable(pin->mm)) {
			err = -EINTR;
		} else {
			vma = find_vma(pin->mm, addr);
			pins_page(&arg->mapped, pin->mm, addr,
				  vma && vma->vm_start <= addr ? vma->vm_flags : 0);
			mmap_read_unlock(pin->mm);
			arg->coherent = arg->mapped.pte & COWSCOPE_PTE_PRESENT &&
					COWSCOPE_PTE_PFN(arg->mapped.pte) == page_to_pfn(page) ?
					COWSCOPE_YES : COWSCOPE_NO;
		}
		mmput(pin->mm);
	}
	held_page(&arg->held, pin, page, addr);
out:
	kref_put(&pin->refs, pin_release);
	return err;
}

int pins_show(struct seq_file *m, void *unused)
{
	struct pin *pin;

	seq_puts(m, "id       process                 address            pages    kind  for    lost\n");
	mutex_lock(&all_lock);
	list_for_each_entry(pin, &all, in_all) {
		char who[TASK_COMM_LEN + 16];

		snprintf(who, sizeof(who), "%s-%d", pin->comm, pin->pid);
		seq_printf(m, "%-8u %-23s 0x%-16lx %-8lu %-5s %-6s %ld%s%s\n", pin->id, who,
			   pin->addr, pin->count,
			   pin->flags & COWSCOPE_PIN_FOLL_PIN ? "pin" : "ref",
			   pin->flags & COWSCOPE_PIN_WRITE ? "write" : "read",
			   atomic_long_read(&pin->lost),
			   pin->flags & COWSCOPE_PIN_LONGTERM ? " longterm" : "",
			   pin->flags & COWSCOPE_PIN_FAST ? " fast" : "");
	}
	mutex_unlock(&all_lock);
	return 0;
}
