// SPDX-License-Identifier: GPL-2.0
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "compat/mm.h"
#include "device.h"
#include "filter.h"
#include "page_state.h"
#include "page_view.h"
#include "pins.h"
#include "probes.h"
#include "ring.h"
#include "stats.h"
#include "version.h"

struct open_file {
	struct pin_set pins;
	u64 seen;		/* records at the last poll() that had some */
};

static int device_open(struct inode *inode, struct file *file)
{
	struct open_file *of;

	/* As for page frame numbers in /proc/PID/pagemap. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	of = kzalloc(sizeof(*of), GFP_KERNEL_ACCOUNT);
	if (!of)
		return -ENOMEM;
	pin_set_init(&of->pins);
	file->private_data = of;
	return nonseekable_open(inode, file);
}

static int device_release(struct inode *inode, struct file *file)
{
	struct open_file *of = file->private_data;

	pin_set_release(&of->pins);
	filter_release(of);
	kfree(of);
	return 0;
}

static int do_info(struct open_file *of, void *arg)
{
	struct cowscope_info *info = arg;

	if (info->pad)
		return -EINVAL;
	*info = (struct cowscope_info){ .size = info->size };
	ring_info(info);
	info->rule = page_state_rule.rule;
	info->large_rule = page_state_rule.large;
	info->events = probes_events();
	info->enabled = probes_recording();
	strscpy(info->version, COWSCOPE_VERSION, sizeof(info->version));
	return 0;
}

static int do_control(struct open_file *of, void *arg)
{
	struct cowscope_control *c = arg;

	if (c->pad || (c->op != COWSCOPE_CONTROL_FOLLOW && c->pid))
		return -EINVAL;
	switch (c->op) {
	case COWSCOPE_CONTROL_ENABLE:
		return probes_switch(COWSCOPE_RECORDING_ON);
	case COWSCOPE_CONTROL_DISABLE:
		return probes_switch(COWSCOPE_RECORDING_OFF);
	case COWSCOPE_CONTROL_COUNT:
		return probes_switch(COWSCOPE_RECORDING_COUNT);
	case COWSCOPE_CONTROL_FOLLOW:
		return filter_follow(of, c->pid);
	case COWSCOPE_CONTROL_FOLLOW_ALL:
		return filter_follow_all(of);
	default:
		return -EINVAL;
	}
}

static int do_filter(struct open_file *of, void *arg)
{
	return filter_set(of, arg);
}

struct text {
	char *buf;
	size_t len, size;
};

static void put_line(void *ctx, const char *name, u64 value)
{
	struct text *t = ctx;

	size_t at = min(t->len, t->size);

	t->len += snprintf(t->size ? t->buf + at : NULL, t->size - at, "%s %llu\n", name, value);
}

static int do_stats(struct open_file *of, void *arg)
{
	struct cowscope_stats *s = arg;
	struct text text = {};
	u64 n;
	int err = 0;

	if (s->pad)
		return -EINVAL;
	stats_each(put_line, &text);
	/* Counters get longer, and new ones come, until they are read again. */
	text.size = text.len + text.len / 8 + PAGE_SIZE;
	text.len = 0;
	text.buf = kvmalloc(text.size, GFP_KERNEL);
	if (!text.buf)
		return -ENOMEM;
	stats_each(put_line, &text);
	n = min3((u64)text.len, (u64)text.size - 1, s->len);
	if (copy_to_user(u64_to_user_ptr(s->buf), text.buf, n))
		err = -EFAULT;
	kvfree(text.buf);
	s->len = text.len;
	return err;
}

/* HOLD's and MIRROR's structs are PIN's, with other flags. */
static int take(struct open_file *of, struct cowscope_pin *p, u32 allowed, u32 kind)
{
	int err;

	if (p->pad || p->flags & ~allowed)
		return -EINVAL;
	p->flags |= kind;
	err = pins_take(&of->pins, p);
	p->flags &= ~kind;
	return err;
}

static int do_pin(struct open_file *of, void *arg)
{
	return take(of, arg, COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_WRITE | COWSCOPE_PIN_LONGTERM |
		    COWSCOPE_PIN_FAST, 0);
}

static int do_hold(struct open_file *of, void *arg)
{
	BUILD_BUG_ON(sizeof(struct cowscope_hold) != sizeof(struct cowscope_pin) ||
		     offsetof(struct cowscope_hold, pad) != offsetof(struct cowscope_pin, flags) ||
		     offsetof(struct cowscope_hold, id) != offsetof(struct cowscope_pin, id));
	return take(of, arg, 0, COWSCOPE_PIN_SPECULATIVE);
}

static int do_mirror(struct open_file *of, void *arg)
{
	BUILD_BUG_ON(sizeof(struct cowscope_mirror) != sizeof(struct cowscope_pin) ||
		     offsetof(struct cowscope_mirror, id) != offsetof(struct cowscope_pin, id));
	return take(of, arg, COWSCOPE_MIRROR_WRITE | COWSCOPE_MIRROR_GET | COWSCOPE_MIRROR_KEEP,
		    COWSCOPE_PIN_MIRROR);
}

/* Its id did not reach the caller. */
static void undo_take(struct open_file *of, const void *arg)
{
	const struct cowscope_pin *p = arg;

	pins_return(&of->pins, p->id);
}

static int do_unpin(struct open_file *of, void *arg)
{
	struct cowscope_unpin *u = arg;

	return pins_return(&of->pins, u->id);
}

static int do_read(struct open_file *of, void *arg)
{
	return pins_copy(&of->pins, arg, false);
}

static int do_write(struct open_file *of, void *arg)
{
	return pins_copy(&of->pins, arg, true);
}

static int do_pin_state(struct open_file *of, void *arg)
{
	return pins_state(&of->pins, arg);
}

/* The memory of a process, to be put back with mmput(). */
static struct mm_struct *get_mm(u32 pid)
{
	struct task_struct *task;
	struct mm_struct *mm;

	if (!pid) {
		mmget(current->mm);
		return current->mm;
	}
	rcu_read_lock();
	task = pid_task(find_vpid(pid), PIDTYPE_PID);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	if (!task)
		return ERR_PTR(-ESRCH);
	mm = get_task_mm(task);
	put_task_struct(task);
	if (!mm)
		return ERR_PTR(-ESRCH);
	/* ptrace_may_access() is not exported; this always satisfies it. */
	if (mm != current->mm && !capable(CAP_SYS_PTRACE)) {
		mmput(mm);
		return ERR_PTR(-EPERM);
	}
	return mm;
}

#define STATE_BATCH	64u

static int copy_states(struct mm_struct *mm, u64 addr, u64 count, struct cowscope_page *batch,
		       struct cowscope_page __user *out)
{
	while (count) {
		unsigned int i, n = min_t(u64, count, STATE_BATCH);

		if (mmap_read_lock_killable(mm))
			return -EINTR;
		for (i = 0; i < n; i++, addr += PAGE_SIZE) {
			struct vm_area_struct *vma = find_vma(mm, addr);
			bool inside = vma && vma->vm_start <= addr;

			page_view_mapped(&batch[i], mm, addr, inside ? vma->vm_flags : 0);
			if (!inside)
				batch[i].pte = COWSCOPE_PTE_READ;
		}
		mmap_read_unlock(mm);
		if (copy_to_user(out, batch, n * sizeof(*batch)))
			return -EFAULT;
		out += n;
		count -= n;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int do_page_state(struct open_file *of, void *arg)
{
	struct cowscope_page_state *ps = arg;
	struct cowscope_page *batch;
	struct mm_struct *mm;
	int err;

	if (ps->addr & ~PAGE_MASK || ps->count > (TASK_SIZE_MAX >> PAGE_SHIFT) ||
	    ps->addr + (ps->count << PAGE_SHIFT) < ps->addr)
		return -EINVAL;
	mm = get_mm(ps->pid);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	batch = kcalloc(STATE_BATCH, sizeof(*batch), GFP_KERNEL);
	err = batch ? copy_states(mm, ps->addr, ps->count, batch, u64_to_user_ptr(ps->pages)) :
		      -ENOMEM;
	kfree(batch);
	mmput(mm);
	return err;
}

static int do_mark(struct open_file *of, void *arg)
{
	struct cowscope_mark *m = arg;
	struct cowscope_record *r;
	unsigned int i;

	if (m->pad)
		return -EINVAL;
	preempt_disable();
	r = ring_begin_unprobed(COWSCOPE_EVENT_MARK, NULL);
	if (r) {
		for (i = 0; i < sizeof(r->text) && m->text[i]; i++)
			r->text[i] = m->text[i] >= ' ' && m->text[i] <= '~' ? m->text[i] : '?';
		ring_commit(r);
	}
	preempt_enable();
	return 0;
}

static const struct command {
	unsigned int cmd;
	int (*run)(struct open_file *of, void *arg);
	void (*undo)(struct open_file *of, const void *arg);
} commands[] = {
	[_IOC_NR(COWSCOPE_INFO)]	= { COWSCOPE_INFO, do_info },
	[_IOC_NR(COWSCOPE_CONTROL)]	= { COWSCOPE_CONTROL, do_control },
	[_IOC_NR(COWSCOPE_STATS)]	= { COWSCOPE_STATS, do_stats },
	[_IOC_NR(COWSCOPE_PIN)]		= { COWSCOPE_PIN, do_pin, undo_take },
	[_IOC_NR(COWSCOPE_UNPIN)]	= { COWSCOPE_UNPIN, do_unpin },
	[_IOC_NR(COWSCOPE_READ)]	= { COWSCOPE_READ, do_read },
	[_IOC_NR(COWSCOPE_WRITE)]	= { COWSCOPE_WRITE, do_write },
	[_IOC_NR(COWSCOPE_PIN_STATE)]	= { COWSCOPE_PIN_STATE, do_pin_state },
	[_IOC_NR(COWSCOPE_PAGE_STATE)]	= { COWSCOPE_PAGE_STATE, do_page_state },
	[_IOC_NR(COWSCOPE_MARK)]	= { COWSCOPE_MARK, do_mark },
	[_IOC_NR(COWSCOPE_FILTER)]	= { COWSCOPE_FILTER, do_filter },
	[_IOC_NR(COWSCOPE_HOLD)]	= { COWSCOPE_HOLD, do_hold, undo_take },
	[_IOC_NR(COWSCOPE_MIRROR)]	= { COWSCOPE_MIRROR, do_mirror, undo_take },
};

/* What is common to all: size, zero tail, copying in and out. */
static long device_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	union {
		struct cowscope_info info;
		struct cowscope_control control;
		struct cowscope_stats stats;
		struct cowscope_pin pin;
		struct cowscope_unpin unpin;
		struct cowscope_rw rw;
		struct cowscope_pin_state pin_state;
		struct cowscope_page_state page_state;
		struct cowscope_mark mark;
		struct cowscope_filter filter;
	} arg;
	unsigned int nr = _IOC_NR(cmd);
	void __user *p = (void __user *)user;
	const struct command *c;
	size_t known;
	u32 size;
	int err;

	if (_IOC_TYPE(cmd) != COWSCOPE_IOC || nr >= ARRAY_SIZE(commands))
		return -ENOTTY;
	nr = array_index_nospec(nr, ARRAY_SIZE(commands));
	c = &commands[nr];
	/* A later version's struct has another size in its number. */
	if (_IOC_DIR(cmd) != _IOC_DIR(c->cmd))
		return -ENOTTY;
	known = _IOC_SIZE(c->cmd);
	if (get_user(size, (u32 __user *)p))
		return -EFAULT;
	if (size < known)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	err = copy_struct_from_user(&arg, known, p, size);
	if (err)
		return err;
	err = c->run(file->private_data, &arg);
	if (!err && _IOC_DIR(cmd) & _IOC_READ && copy_to_user(p, &arg, known)) {
		if (c->undo)
			c->undo(file->private_data, &arg);
		err = -EFAULT;
	}
	return err;
}

static int device_mmap(struct file *file, struct vm_area_struct *vma)
{
	return ring_mmap(vma);
}

static __poll_t device_poll(struct file *file, poll_table *wait)
{
	struct open_file *of = file->private_data;

	return ring_poll(file, wait, &of->seen);
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = device_mmap,
	.poll = device_poll,
	.llseek = noop_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "cowscope",
	.fops = &device_fops,
	.mode = 0600,
};

int device_init(void)
{
	return misc_register(&device);
}

void device_exit(void)
{
	misc_deregister(&device);
}
