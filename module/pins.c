// SPDX-License-Identifier: GPL-2.0
/*
 * A reference, pin or mirror is found through the set of its open file, and stays
 * as long as an ioctl uses it. Probe handlers find it through its holder.
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
#include "mirror.h"
#include "page_view.h"
#include "pin_pages.h"
#include "pins.h"
#include "ring.h"
#include "stats.h"

#define SET_MAX		1024u		/* pins of one open file */
/*
 * Pages of all. Should all be one page, its count stays below INT_MAX: each pin
 * of a small page adds GUP_PIN_COUNTING_BIAS, 2^10.
 */
#define PAGES_MAX	(1L << 20)

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
	struct mirror *mirror;		/* NULL: it is these pages */
	struct page **pages;
	struct held_page nodes[];	/* none of a mirror, which has its own */
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

/* What it holds as its nth page. */
static void look_held(struct pin *pin, unsigned long nth, struct cowscope_page *page)
{
	if (pin->mirror)
		mirror_look(pin->mirror, nth, page);
	else
		page_view_held(page, pin->holder.mm, pin->addr + nth * PAGE_SIZE,
			       pin->pages[nth]);
}

static void record_pin(struct pin *pin, enum cowscope_event event)
{
	struct cowscope_record *r;
	struct cowscope_page page;

	look_held(pin, 0, &page);
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
	if (arg->flags & COWSCOPE_PIN_LONGTERM && !(arg->flags & COWSCOPE_PIN_FOLL_PIN))
		return -EINVAL;
	if (arg->flags & COWSCOPE_PIN_MIRROR_KEEP && !(arg->flags & COWSCOPE_PIN_MIRROR_GET))
		return -EINVAL;
	if (!arg->length || (arg->addr | arg->length) & ~PAGE_MASK)
		return -EINVAL;
	if (arg->addr + arg->length < arg->addr || arg->addr + arg->length > TASK_SIZE_MAX)
		return -EFAULT;
	return 0;
}

int pins_charge(struct mm_struct *mm, unsigned long count)
{
	int err = -ENOSPC;

	/* Before it is added, so that the sum cannot overflow. */
	if (count > PAGES_MAX)
		return err;
	if (atomic_long_add_return(count, &all_pages) <= PAGES_MAX)
		err = account_locked_vm(mm, count, true);
	if (err)
		atomic_long_sub(count, &all_pages);
	return err;
}

void pins_charge_end(struct mm_struct *mm, unsigned long count)
{
	account_locked_vm(mm, count, false);
	atomic_long_sub(count, &all_pages);
}

static struct pin *new_pin(const struct cowscope_pin *arg)
{
	unsigned long count = arg->length >> PAGE_SHIFT;
	unsigned long nodes = arg->flags & COWSCOPE_PIN_MIRROR ? 0 : count;
	struct pin *pin = kvzalloc(struct_size(pin, nodes, nodes), GFP_KERNEL_ACCOUNT);
	char *c;

	if (!pin)
		return NULL;
	kref_init(&pin->refs);
	do {
		pin->holder.id = atomic_inc_return(&last_id);
	} while (!pin->holder.id);
	pin->holder.flags = arg->flags;
	pin->holder.mm = current->mm;
	pin->pid = current->tgid;
	get_task_comm(pin->comm, current);
	for (c = pin->comm; *c; c++)
		if (!isprint(*c))
			*c = '?';
	pin->addr = arg->addr;
	pin->count = count;
	return pin;
}

static void free_rcu(struct rcu_head *rcu)
{
	kvfree(container_of(rcu, struct pin, rcu));
}

/*
 * Not by kvfree_rcu(): before f227f0faf63b ("slub: fix unreclaimable slab stat for bulk
 * free"), 5.14, SUnreclaim counts a large block that is freed so for ever.
 */
static void free_pin(struct pin *pin)
{
	kvfree(pin->pages);
	call_rcu(&pin->rcu, free_rcu);
}

static int get_pages(struct pin *pin)
{
	pin->pages = kvcalloc(pin->count, sizeof(*pin->pages), GFP_KERNEL_ACCOUNT);
	if (!pin->pages)
		return -ENOMEM;
	return pin_pages_get(pin->holder.flags, pin->addr, pin->pages, pin->count);
}

static int get_mirror(struct pin *pin)
{
	struct mirror *mirror = mirror_new(&pin->holder, pin->addr, pin->count);

	if (IS_ERR(mirror))
		return PTR_ERR(mirror);
	pin->mirror = mirror;
	return 0;
}

/* Gives back what get_pages() or get_mirror() got. */
static void put_held(struct pin *pin, u32 flags)
{
	if (pin->mirror)
		mirror_free(pin->mirror);
	else
		pin_pages_put(flags, pin->pages, pin->count);
}

/* Of the first @count pages; a mirror does that itself. */
static void unknown(struct pin *pin, unsigned long count)
{
	unsigned long i;

	for (i = 0; !pin->mirror && i < count; i++) {
		holders_remove(&pin->nodes[i]);
		cond_resched();
	}
}

static int known(struct pin *pin)
{
	unsigned long i;
	int err;

	for (i = 0; !pin->mirror && i < pin->count; i++) {
		err = holders_add(&pin->nodes[i], &pin->holder, pin->pages[i],
				  pin->addr + i * PAGE_SIZE);
		if (err) {
			unknown(pin, i);
			return err;
		}
		cond_resched();
	}
	return 0;
}

int pins_take(struct pin_set *set, struct cowscope_pin *arg)
{
	struct pin *pin;
	int err = check(arg);

	if (err)
		return err;
	err = pins_charge(current->mm, arg->length >> PAGE_SHIFT);
	if (err)
		return err;
	err = -ENOMEM;
	pin = new_pin(arg);
	if (!pin)
		goto err_charge;
	err = arg->flags & COWSCOPE_PIN_MIRROR ? get_mirror(pin) : get_pages(pin);
	if (err)
		goto err_pin;
	mmgrab(pin->holder.mm);

	err = mutex_lock_killable(&set->lock);
	if (err)
		goto err_got;
	if (set->count >= SET_MAX) {
		err = -ENOSPC;
		goto err_locked;
	}
	err = known(pin);
	if (err)
		goto err_locked;
	set->count++;
	mutex_lock(&all_lock);
	list_add_tail(&pin->in_all, &all);
	mutex_unlock(&all_lock);
	list_add_tail(&pin->in_set, &set->pins);
	arg->id = pin->holder.id;
	record_pin(pin, COWSCOPE_EVENT_PIN);
	mutex_unlock(&set->lock);
	return 0;

err_locked:
	mutex_unlock(&set->lock);
err_got:
	mmdrop(pin->holder.mm);
	put_held(pin, arg->flags & ~COWSCOPE_PIN_WRITE);
err_pin:
	free_pin(pin);
err_charge:
	pins_charge_end(current->mm, arg->length >> PAGE_SHIFT);
	return err;
}

static void pin_release(struct kref *refs)
{
	struct pin *pin = container_of(refs, struct pin, refs);

	put_held(pin, pin->holder.flags);
	pins_charge_end(pin->holder.mm, pin->count);
	mmdrop(pin->holder.mm);
	free_pin(pin);
}

/* Takes it out of its set, whose lock is held; it goes when nobody uses it. */
static void withdraw(struct pin_set *set, struct pin *pin)
{
	list_del(&pin->in_set);
	set->count--;
	mutex_lock(&all_lock);
	list_del(&pin->in_all);
	mutex_unlock(&all_lock);
	unknown(pin, pin->count);
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

/* Part of a page, through @buf: a mirror's lock must not be held over a fault. */
static int copy_part(struct pin *pin, unsigned long nth, size_t offset, size_t n, void *buf,
		     void __user *data, bool write)
{
	int err = 0;

	if (write && copy_from_user(buf, data, n))
		return -EFAULT;
	if (pin->mirror) {
		err = mirror_access(pin->mirror, nth, offset, buf, n, write);
	} else {
		pin_pages_copy(pin->pages[nth], offset, buf, n, write);
		if (write)
			set_page_dirty_lock(pin->pages[nth]);
	}
	if (!err && !write && copy_to_user(data, buf, n))
		err = -EFAULT;
	return err;
}

int pins_copy(struct pin_set *set, const struct cowscope_rw *arg, bool write)
{
	void __user *data = u64_to_user_ptr(arg->data);
	u64 offset = arg->offset, length = arg->length;
	struct pin *pin = use(set, arg->id);
	void *buf = NULL;
	int err = 0;

	if (IS_ERR(pin))
		return PTR_ERR(pin);
	if (write && !(pin->holder.flags & COWSCOPE_PIN_WRITE))
		err = -EPERM;
	else if (offset + length < offset || offset + length > (u64)pin->count << PAGE_SHIFT)
		err = -EINVAL;
	if (!err) {
		buf = kmalloc(PAGE_SIZE, GFP_KERNEL);
		err = buf ? 0 : -ENOMEM;
	}

	while (!err && length) {
		size_t in_page = offset_in_page(offset);
		size_t n = min_t(u64, length, PAGE_SIZE - in_page);

		err = copy_part(pin, offset >> PAGE_SHIFT, in_page, n, buf, data, write);
		offset += n;
		length -= n;
		data += n;
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	kfree(buf);
	kref_put(&pin->refs, pin_release);
	return err;
}

/* Under the mmap_lock, so that both are of one moment. */
static void look_both(struct pin *pin, unsigned long nth, struct cowscope_pin_state *s)
{
	unsigned long addr = pin->addr + nth * PAGE_SIZE;
	struct vm_area_struct *vma = find_vma(pin->holder.mm, addr);

	page_view_mapped(&s->mapped, pin->holder.mm, addr,
			 vma && vma->vm_start <= addr ? vma->vm_flags : 0);
	look_held(pin, nth, &s->held);
	if (!(s->held.pte & COWSCOPE_PTE_PRESENT))
		return;
	s->coherent = s->mapped.pte & COWSCOPE_PTE_PRESENT &&
		      COWSCOPE_PTE_PFN(s->mapped.pte) == COWSCOPE_PTE_PFN(s->held.pte) ?
		      COWSCOPE_YES : COWSCOPE_NO;
}

int pins_state(struct pin_set *set, struct cowscope_pin_state *arg)
{
	struct pin *pin = use(set, arg->id);
	struct mm_struct *mm;
	unsigned long nth;
	int err = 0;

	if (IS_ERR(pin))
		return PTR_ERR(pin);
	if (arg->offset >= (u64)pin->count << PAGE_SHIFT) {
		err = -EINVAL;
		goto out;
	}
	mm = pin->holder.mm;
	nth = arg->offset >> PAGE_SHIFT;
	arg->flags = pin->holder.flags;
	arg->coherent = COWSCOPE_NA;
	memset(&arg->mapped, 0, sizeof(arg->mapped));

	if (!mmget_not_zero(mm)) {
		look_held(pin, nth, &arg->held);
		goto out;
	}
	if (mmap_read_lock_killable(mm)) {
		err = -EINTR;
	} else {
		look_both(pin, nth, arg);
		mmap_read_unlock(mm);
	}
	mmput(mm);
out:
	kref_put(&pin->refs, pin_release);
	return err;
}

static const char *kind(u32 flags)
{
	if (flags & COWSCOPE_PIN_FOLL_PIN)
		return "pin";
	if (flags & COWSCOPE_PIN_SPECULATIVE)
		return "spec";
	if (flags & COWSCOPE_PIN_MIRROR)
		return "mirror";
	return "ref";
}

int pins_show(struct seq_file *m, void *unused)
{
	struct pin *pin;

	seq_puts(m, "id       process                 address            pages    kind   for    lost\n");
	mutex_lock(&all_lock);
	list_for_each_entry(pin, &all, in_all) {
		char who[TASK_COMM_LEN + 16];

		snprintf(who, sizeof(who), "%s-%d", pin->comm, pin->pid);
		seq_printf(m, "%-8u %-23s 0x%-16lx %-8lu %-6s %-6s %ld%s%s%s%s\n", pin->holder.id, who,
			   pin->addr, pin->count,
			   kind(pin->holder.flags),
			   pin->holder.flags & COWSCOPE_PIN_WRITE ? "write" : "read",
			   atomic_long_read(&pin->holder.lost),
			   pin->holder.flags & COWSCOPE_PIN_LONGTERM ? " longterm" : "",
			   pin->holder.flags & COWSCOPE_PIN_FAST ? " fast" : "",
			   pin->holder.flags & COWSCOPE_PIN_MIRROR_GET ? " get" : "",
			   pin->holder.flags & COWSCOPE_PIN_MIRROR_KEEP ? " keep" : "");
	}
	mutex_unlock(&all_lock);
	return 0;
}
