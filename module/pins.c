// SPDX-License-Identifier: GPL-2.0
/*
 * A reference or pin is found through the set of its open file, and stays as
 * long as an ioctl uses it. Probe handlers find it through its holder.
 */
#include <linux/ctype.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include "compat/mm.h"
#include "holders.h"
#include "page_view.h"
#include "pins.h"
#include "ring.h"
#include "stats.h"

#define SET_MAX		1024u		/* pins of one open file */
/*
 * Pages of all. Should all be one page, its count stays below INT_MAX: each pin
 * of a small page adds GUP_PIN_COUNTING_BIAS, 2^10.
 */
#define PAGES_MAX	(1L << 20)
#define BATCH		512ul		/* pages at a time under mmap_lock */

struct pin {
	struct rcu_head rcu;
	struct kref refs;
	struct list_head in_set;
	struct list_head in_all;
	struct holder holder;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	unsigned long addr;
	unsigned long count;
	struct page **pages;
	struct held_page nodes[];
};

static atomic_long_t all_pages;
static LIST_HEAD(all);
static DEFINE_MUTEX(all_lock);
static atomic_t last_id;

void pin_set_init(struct pin_set *set)
{
	mutex_init(&set->lock);
	INIT_LIST_HEAD(&set->pins);
}

void pins_put(u32 flags, struct page **pages, unsigned long count)
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

long pins_gup(u32 flags, unsigned long addr, unsigned long count, struct page **pages)
{
	bool pin = flags & COWSCOPE_PIN_FOLL_PIN;
	unsigned int gup = 0;

	if (flags & COWSCOPE_PIN_WRITE)
		gup |= FOLL_WRITE;
	if (flags & COWSCOPE_PIN_LONGTERM)
		gup |= FOLL_LONGTERM;
	if (flags & COWSCOPE_PIN_FAST)
		return pin ? pin_user_pages_fast(addr, count, gup, pages) :
			     get_user_pages_fast(addr, count, gup, pages);
	return pin ? compat_pin_user_pages(addr, count, gup, pages) :
		     compat_get_user_pages(addr, count, gup, pages);
}

/* All of it or an error; sleeps. */
static int get_pages(u32 flags, unsigned long addr, struct page **pages, unsigned long count)
{
	bool lock = !(flags & COWSCOPE_PIN_FAST);
	unsigned long done = 0;
	long got;

	while (done < count) {
		unsigned long start = addr + done * PAGE_SIZE;
		unsigned long n = min(count - done, BATCH);

		if (fatal_signal_pending(current)) {
			got = -EINTR;
			goto err;
		}
		if (lock && mmap_read_lock_killable(current->mm)) {
			got = -EINTR;
			goto err;
		}
		got = pins_gup(flags, start, n, pages + done);
		if (lock)
			mmap_read_unlock(current->mm);
		if (got <= 0)
			goto err;
		done += got;
		cond_resched();
	}
	return 0;

err:
	pins_put(flags & ~COWSCOPE_PIN_WRITE, pages, done);
	return got ? got : -EFAULT;
}

static void record_pin(struct pin *pin, enum cowscope_event event)
{
	struct cowscope_record *r;
	struct cowscope_page page;

	page_view_held(&page, pin->holder.mm, pin->addr, pin->pages[0]);
	preempt_disable();
	r = ring_begin_unprobed(event, pin->holder.mm);
	if (r) {
		r->addr = pin->addr;
		r->before = page.pte;
		r->refcount = page.refcount;
		r->mapcount = page.mapcount;
		r->state = page.state;
		r->holder = pin->holder.id;
		r->flags = pin->holder.flags;
		r->pages = pin->count;
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

int pins_charge(struct mm_struct *mm, unsigned long pages)
{
	int err;

	/* Before it is added, so that the sum cannot overflow. */
	if (pages > PAGES_MAX)
		return -ENOSPC;
	err = -ENOSPC;
	if (atomic_long_add_return(pages, &all_pages) > PAGES_MAX)
		goto err_pages;
	err = account_locked_vm(mm, pages, true);
	if (err)
		goto err_pages;
	return 0;

err_pages:
	atomic_long_sub(pages, &all_pages);
	return err;
}

void pins_charge_end(struct mm_struct *mm, unsigned long pages)
{
	account_locked_vm(mm, pages, false);
	atomic_long_sub(pages, &all_pages);
}

int pins_take(struct pin_set *set, struct cowscope_pin *arg)
{
	struct mm_struct *mm = current->mm;
	unsigned long count;
	struct pin *pin;
	char *c;
	int err = check(arg);

	if (err)
		return err;
	count = arg->length >> PAGE_SHIFT;
	err = pins_charge(mm, count);
	if (err)
		return err;

	err = -ENOMEM;
	pin = kvzalloc(struct_size(pin, nodes, count), GFP_KERNEL_ACCOUNT);
	if (!pin)
		goto err_charge;
	pin->pages = kvcalloc(count, sizeof(*pin->pages), GFP_KERNEL_ACCOUNT);
	if (!pin->pages)
		goto err_pin;
	err = get_pages(arg->flags, arg->addr, pin->pages, count);
	if (err)
		goto err_pages;

	kref_init(&pin->refs);
	pin->holder.flags = arg->flags;
	pin->pid = current->tgid;
	get_task_comm(pin->comm, current);
	for (c = pin->comm; *c; c++)
		if (!isprint(*c))
			*c = '?';
	pin->holder.mm = mm;
	mmgrab(mm);
	pin->addr = arg->addr;
	pin->count = count;

	err = mutex_lock_killable(&set->lock);
	if (err)
		goto err_got;
	if (set->count >= SET_MAX) {
		err = -ENOSPC;
		goto err_locked;
	}
	set->count++;
	do {
		pin->holder.id = atomic_inc_return(&last_id);
	} while (!pin->holder.id);
	mutex_lock(&all_lock);
	list_add_tail(&pin->in_all, &all);
	mutex_unlock(&all_lock);
	holders_add(&pin->holder, pin->nodes, pin->pages, count, pin->addr);
	list_add_tail(&pin->in_set, &set->pins);
	arg->id = pin->holder.id;
	record_pin(pin, COWSCOPE_EVENT_PIN);
	mutex_unlock(&set->lock);
	return 0;

err_locked:
	mutex_unlock(&set->lock);
err_got:
	mmdrop(mm);
	pins_put(arg->flags & ~COWSCOPE_PIN_WRITE, pin->pages, count);
err_pages:
	kvfree(pin->pages);
err_pin:
	kvfree(pin);
err_charge:
	pins_charge_end(mm, count);
	return err;
}

static void pin_release(struct kref *refs)
{
	struct pin *pin = container_of(refs, struct pin, refs);

	pins_put(pin->holder.flags, pin->pages, pin->count);
	pins_charge_end(pin->holder.mm, pin->count);
	mmdrop(pin->holder.mm);
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
	holders_remove(pin->nodes, pin->count);
	record_pin(pin, COWSCOPE_EVENT_UNPIN);
	kref_put(&pin->refs, pin_release);
}

static struct pin *find(struct pin_set *set, u32 id)
{
	struct pin *pin;

	list_for_each_entry(pin, &set->pins, in_set)
		if (pin->holder.id == id)
			return pin;
	return NULL;
}

/* A pin to use, or an error; kref_put() it. */
static struct pin *use(struct pin_set *set, u32 id)
{
	struct pin *pin;
	int err = mutex_lock_killable(&set->lock);

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

	mutex_lock(&set->lock);
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
	if (write && !(pin->holder.flags & COWSCOPE_PIN_WRITE))
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
	arg->flags = pin->holder.flags;
	arg->coherent = COWSCOPE_NA;
	memset(&arg->mapped, 0, sizeof(arg->mapped));

	if (mmget_not_zero(pin->holder.mm)) {
		if (mmap_read_lock_killable(pin->holder.mm)) {
			err = -EINTR;
		} else {
			vma = find_vma(pin->holder.mm, addr);
			page_view_mapped(&arg->mapped, pin->holder.mm, addr,
				  vma && vma->vm_start <= addr ? vma->vm_flags : 0);
			mmap_read_unlock(pin->holder.mm);
			arg->coherent = arg->mapped.pte & COWSCOPE_PTE_PRESENT &&
					COWSCOPE_PTE_PFN(arg->mapped.pte) == page_to_pfn(page) ?
					COWSCOPE_YES : COWSCOPE_NO;
		}
		mmput(pin->holder.mm);
	}
	page_view_held(&arg->held, pin->holder.mm, addr, page);
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
		seq_printf(m, "%-8u %-23s 0x%-16lx %-8lu %-5s %-6s %ld%s%s\n", pin->holder.id, who,
			   pin->addr, pin->count,
			   pin->holder.flags & COWSCOPE_PIN_FOLL_PIN ? "pin" : "ref",
			   pin->holder.flags & COWSCOPE_PIN_WRITE ? "write" : "read",
			   atomic_long_read(&pin->holder.lost),
			   pin->holder.flags & COWSCOPE_PIN_LONGTERM ? " longterm" : "",
			   pin->holder.flags & COWSCOPE_PIN_FAST ? " fast" : "");
	}
	mutex_unlock(&all_lock);
	return 0;
}
