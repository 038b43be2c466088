// SPDX-License-Identifier: GPL-2.0
/*
 * What START pins is a pin like those of the device, so faults that lose it are
 * seen. What the others get is put back before they return, and nobody is told.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/mmdebug.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "compat/folio.h"
#include "compat/gup_test.h"
#include "compat/mm.h"
#include "gup_test.h"
#include "gup_test_abi.h"
#include "pins.h"

struct open_file {
	struct mutex lock;
	struct pin_set pins;	/* one, or none */
	u32 id;			/* its name, or 0 */
	u64 size;		/* bytes */
};

static const char *const names[] = COMPAT_GUP_TEST_FILES;
static struct dentry *files[ARRAY_SIZE(names)];
static const char *state;	/* of the first */

static int test_open(struct inode *inode, struct file *filp)
{
	struct open_file *of;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	of = kzalloc(sizeof(*of), GFP_KERNEL_ACCOUNT);
	if (!of)
		return -ENOMEM;
	mutex_init(&of->lock);
	pin_set_init(&of->pins);
	filp->private_data = of;
	return nonseekable_open(inode, filp);
}

static int test_release(struct inode *inode, struct file *filp)
{
	struct open_file *of = filp->private_data;

	pin_set_release(&of->pins);
	kfree(of);
	return 0;
}

static int start(struct open_file *of, const void __user *user)
{
	struct cowscope_pin pin = { .flags = COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_LONGTERM };
	struct gup_test_pin arg;
	int err;

	if (of->id)
		return -EINVAL;
	if (copy_from_user(&arg, user, offsetofend(struct gup_test_pin, flags)))
		return -EFAULT;
	if (arg.flags & ~(GUP_TEST_PIN_WRITE | GUP_TEST_PIN_FAST) || arg.size > LONG_MAX)
		return -EINVAL;
	if (arg.flags & GUP_TEST_PIN_WRITE)
		pin.flags |= COWSCOPE_PIN_WRITE;
	if (arg.flags & GUP_TEST_PIN_FAST)
		pin.flags |= COWSCOPE_PIN_FAST;
	pin.addr = arg.addr;
	pin.length = arg.size;
	err = pins_take(&of->pins, &pin);
	if (err)
		return err;
	of->id = pin.id;
	of->size = arg.size;
	return 0;
}

static int stop(struct open_file *of)
{
	if (of->id)
		pins_return(&of->pins, of->id);
	of->id = 0;
	return 0;
}

static int read_pinned(struct open_file *of, const void __user *user)
{
	struct cowscope_rw rw = { .id = of->id, .length = of->size };

	if (!of->id)
		return -EINVAL;
	if (copy_from_user(&rw.data, user, sizeof(rw.data)))
		return -EFAULT;
	return pins_copy(&of->pins, &rw, false);
}

/* How the commands get their pages, as COWSCOPE_PIN_*. */
static u32 way(unsigned int cmd, const struct gup_test_run *run)
{
	switch (cmd) {
	case GUP_TEST_RUN_GUP_FAST:
		return COWSCOPE_PIN_FAST;
	case GUP_TEST_RUN_PIN_FAST:
		return COWSCOPE_PIN_FAST | COWSCOPE_PIN_FOLL_PIN;
	case GUP_TEST_RUN_PIN_LONGTERM:
		return COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_LONGTERM;
	case GUP_TEST_RUN_PIN:
		return COWSCOPE_PIN_FOLL_PIN;
	case GUP_TEST_RUN_DUMP:
		return run->test_flags & GUP_TEST_DUMP_PIN ? COWSCOPE_PIN_FOLL_PIN : 0;
	default:
		return 0;
	}
}

/* As many as can be had, from the first one on. */
static unsigned long get(u32 flags, const struct gup_test_run *run, struct page **pages,
			 unsigned long count)
{
	unsigned long done = 0;

	while (done < count && run->pages_per_call && !fatal_signal_pending(current)) {
		unsigned long n = min_t(unsigned long, count - done, run->pages_per_call);
		long got = pins_gup(flags, run->addr + done * PAGE_SIZE, n, pages + done);

		if (got > 0)
			done += got;
		if (got != n)
			break;
		cond_resched();
	}
	return done;
}

/* What the kernel says of pins that it has just given. */
static void check_pinned(struct page **pages, unsigned long count)
{
	unsigned long i, wrong = 0;

	for (i = 0; i < count; i++)
		wrong += !compat_maybe_dma_pinned(pages[i]);
	/* From 6.5 on the zero page is never pinned. */
	if (wrong)
		pr_warn_ratelimited("gup_test: %lu of %lu pages that were pinned are not, or are the zero page\n",
				    wrong, count);
}

static void dump(struct gup_test_run *run, struct page **pages, unsigned long count)
{
	int i;

	for (i = 0; i < GUP_TEST_DUMPED; i++) {
		u32 nth = run->dump[i];

		if (nth > count) {
			run->dump[i] = 0;
		} else if (nth) {
			pr_info("gup_test: page %u from 0x%llx on\n", nth - 1, run->addr);
			dump_page(pages[nth - 1], "cowscope gup_test");
		}
	}
}

static int run_test(unsigned int cmd, struct gup_test_run *run)
{
	struct mm_struct *mm = current->mm;
	u32 flags = way(cmd, run);
	unsigned long count = run->size >> PAGE_SHIFT;
	struct page **pages;
	ktime_t begin;
	int err;

	if (run->gup_flags & ~(GUP_TEST_WRITE | GUP_TEST_TOUCH) ||
	    run->addr + run->size < run->addr)
		return -EINVAL;
	if (run->gup_flags & GUP_TEST_WRITE)
		flags |= COWSCOPE_PIN_WRITE;
	err = pins_charge(mm, count);
	if (err)
		return err;
	pages = kvcalloc(count, sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages) {
		err = -ENOMEM;
		goto out;
	}

	if (!(flags & COWSCOPE_PIN_FAST) && mmap_read_lock_killable(mm)) {
		err = -EINTR;
		goto out_pages;
	}
	begin = ktime_get();
	count = get(flags, run, pages, count);
	run->get_usec = ktime_us_delta(ktime_get(), begin);
	if (!(flags & COWSCOPE_PIN_FAST))
		mmap_read_unlock(mm);

	if (cmd == GUP_TEST_RUN_DUMP)
		dump(run, pages, count);
	else if (flags & COWSCOPE_PIN_FOLL_PIN)
		check_pinned(pages, count);
	begin = ktime_get();
	pins_put(flags & ~COWSCOPE_PIN_WRITE, pages, count);
	run->put_usec = ktime_us_delta(ktime_get(), begin);

out_pages:
	kvfree(pages);
out:
	pins_charge_end(mm, run->size >> PAGE_SHIFT);
	if (!err)
		run->size = (u64)count << PAGE_SHIFT;
	return err;
}

/* The caller's struct has so many bytes of it. */
static int timed(unsigned int cmd, void __user *user, size_t size)
{
	struct gup_test_run run = {};
	int err;

	if (copy_from_user(&run, user, size))
		return -EFAULT;
	if (size <= offsetofend(struct gup_test_run, gup_flags))
		run.gup_flags &= GUP_TEST_WRITE;
	err = run_test(cmd, &run);
	if (!err && copy_to_user(user, &run, size))
		err = -EFAULT;
	return err;
}

/* The number that a 64-bit program would use. */
static unsigned int native(unsigned int cmd)
{
	unsigned int size = _IOC_SIZE(cmd);

	if (size == offsetofend(struct gup_test_run, dump) ||
	    size == offsetofend(struct gup_test_pin, flags))
		size += sizeof(u32);
	return _IOC(_IOC_DIR(cmd), _IOC_TYPE(cmd), _IOC_NR(cmd), size);
}

/* What a command of gup_benchmark is called today, or 0. */
static unsigned int of_benchmark(unsigned int cmd)
{
	switch (cmd) {
	case GUP_BENCHMARK_GUP_FAST:
		return GUP_TEST_RUN_GUP_FAST;
	case GUP_BENCHMARK_GUP:
		return GUP_TEST_RUN_GUP;
	case GUP_BENCHMARK_PIN_FAST:
		return GUP_TEST_RUN_PIN_FAST;
	case GUP_BENCHMARK_PIN:
		return GUP_TEST_RUN_PIN;
	case GUP_BENCHMARK_PIN_LONGTERM:
		return GUP_TEST_RUN_PIN_LONGTERM;
	default:
		return 0;
	}
}

/* Unknown commands are EINVAL, as in mm/gup_test.c. */
static long test_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct open_file *of = filp->private_data;
	void __user *user = (void __user *)arg;
	int err;

	if (of_benchmark(cmd))
		return timed(of_benchmark(cmd), user, offsetofend(struct gup_test_run, gup_flags));
	cmd = native(cmd);
	switch (cmd) {
	case GUP_TEST_RUN_GUP_FAST:
	case GUP_TEST_RUN_PIN_FAST:
	case GUP_TEST_RUN_PIN_LONGTERM:
	case GUP_TEST_RUN_GUP:
	case GUP_TEST_RUN_PIN:
	case GUP_TEST_RUN_DUMP:
		return timed(cmd, user, offsetofend(struct gup_test_run, dump));
	}
	if (mutex_lock_killable(&of->lock))
		return -EINTR;
	switch (cmd) {
	case GUP_TEST_START:
		err = start(of, user);
		break;
	case GUP_TEST_STOP:
		err = stop(of);
		break;
	case GUP_TEST_READ:
		err = read_pinned(of, user);
		break;
	default:
		err = -EINVAL;
	}
	mutex_unlock(&of->lock);
	return err;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.open = test_open,
	.release = test_release,
	.unlocked_ioctl = test_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/* Makes the file, and says who serves it. */
static const char *make_file(const char *name, struct dentry **file)
{
	struct dentry *there = debugfs_lookup(name, NULL);

	if (there) {
		dput(there);
		return "kernel";
	}
	/* The safe one passes no compat_ioctl(); the owner is enough: an open file holds it. */
	*file = debugfs_create_file_unsafe(name, 0600, NULL, NULL, &test_fops);
	return IS_ERR_OR_NULL(*file) ? "failed" : "cowscope";
}

void gup_test_init(bool wanted)
{
	int i;

	state = wanted ? make_file(names[0], &files[0]) : "off";
	for (i = 1; wanted && i < ARRAY_SIZE(names); i++)
		make_file(names[i], &files[i]);
}

void gup_test_exit(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		debugfs_remove(files[i]);
}

int gup_test_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "%s\n", state);
	return 0;
}
