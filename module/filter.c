// SPDX-License-Identifier: GPL-2.0
/*
 * The processes that are followed are a bitmap by tgid, so that asking costs
 * one load. Children are added by the tracepoint sched_process_fork before
 * they run, and taken out by sched_process_free, an RCU grace period after their
 * number became free; numbers are given out in turn, so not again by then.
 *
 * What else a handler asks for is in a struct that does not change once it is
 * published. There are two of them: publish() fills the one not in force, and
 * returns when nobody reads the other any more. Handlers run with preemption
 * off, which is an RCU section; rcu_dereference_sched() has lockdep check it.
 */
#include <linux/bitmap.h>
#include <linux/ctype.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/threads.h>
#include <linux/tracepoint.h>
#include <linux/vmalloc.h>
#include "filter.h"
#include "format.h"

struct filter __rcu *filter_in_force __read_mostly;
struct filter __rcu *filter_at_entry __read_mostly;
unsigned long *filter_followed __read_mostly;	/* PID_MAX_LIMIT bits */

static DEFINE_MUTEX(filter_lock);	/* for all below */
static struct filter filters[2];
static const void *filter_owner;
static struct cowscope_filter wanted;	/* as its owner set it */
static bool following;
static struct tracepoint *tp_fork, *tp_free;

static void follow_child(void *data, struct task_struct *parent, struct task_struct *child)
{
	if (test_bit(parent->tgid, filter_followed))
		set_bit(child->tgid, filter_followed);
}

static void forget(void *data, struct task_struct *task)
{
	if (thread_group_leader(task))
		clear_bit(task->pid, filter_followed);
}

static void find_tracepoint(struct tracepoint *tp, void *priv)
{
	if (!strcmp(tp->name, "sched_process_fork"))
		tp_fork = tp;
	else if (!strcmp(tp->name, "sched_process_free"))
		tp_free = tp;
}

int filter_init(void)
{
	filter_followed = vzalloc(BITS_TO_LONGS(PID_MAX_LIMIT) * sizeof(long));
	if (!filter_followed)
		return -ENOMEM;
	for_each_kernel_tracepoint(find_tracepoint, NULL);
	return 0;
}

/* Puts in force what is wanted, by nobody if that is nothing. Sleeps. */
static void publish(const void *owner)
{
	static const struct cowscope_filter all;
	struct filter *old = rcu_dereference_protected(filter_in_force,
						       lockdep_is_held(&filter_lock));
	struct filter *new = NULL;

	if (following || memcmp(&wanted, &all, sizeof(all))) {
		new = &filters[old == &filters[0]];
		cowscope_match_init(&new->match, &wanted);
		new->follow = following;
		new->match_faults = cowscope_match_asks_fault(&new->match);
	}
	filter_owner = new ? owner : NULL;
	rcu_assign_pointer(filter_in_force, new);
	rcu_assign_pointer(filter_at_entry,
			   new && (new->follow || new->match_faults) ? new : NULL);
	synchronize_rcu();
}

static int start_following(void)
{
	int err;

	if (following)
		return 0;
	if (!tp_fork || !tp_free)
		return -EOPNOTSUPP;
	err = tracepoint_probe_register(tp_fork, follow_child, NULL);
	if (err)
		return err;
	err = tracepoint_probe_register(tp_free, forget, NULL);
	if (err)
		goto err_free;
	following = true;
	return 0;

err_free:
	tracepoint_probe_unregister(tp_fork, follow_child, NULL);
	tracepoint_synchronize_unregister();
	return err;
}

static void stop_following(const void *owner)
{
	if (!following)
		return;
	following = false;
	publish(owner);
	tracepoint_probe_unregister(tp_free, forget, NULL);
	tracepoint_probe_unregister(tp_fork, follow_child, NULL);
	tracepoint_synchronize_unregister();
	bitmap_zero(filter_followed, PID_MAX_LIMIT);
}

/*
 * A child forked while the list is walked was marked by follow_child() if its
 * parent was marked by then; else the next round finds it.
 */
static void follow_descendants(void)
{
	struct task_struct *p;
	bool again;

	do {
		again = false;
		rcu_read_lock();
		for_each_process(p) {
			pid_t parent = rcu_dereference(p->real_parent)->tgid;

			if (test_bit(parent, filter_followed) &&
			    !test_and_set_bit(p->tgid, filter_followed))
				again = true;
		}
		rcu_read_unlock();
	} while (again);
}

/* Takes the lock for @owner; no other owner has set a filter. */
static int lock_for(const void *owner)
{
	mutex_lock(&filter_lock);
	if (!filter_owner || filter_owner == owner)
		return 0;
	mutex_unlock(&filter_lock);
	return -EBUSY;
}

int filter_follow(const void *owner, u32 pid)
{
	struct task_struct *task;
	pid_t tgid = 0;
	int err;

	rcu_read_lock();
	task = pid_task(find_vpid(pid), PIDTYPE_PID);
	if (task)
		tgid = task->tgid;
	rcu_read_unlock();
	if (!tgid)
		return -ESRCH;

	err = lock_for(owner);
	if (err)
		return err;
	err = start_following();
	if (!err) {
		set_bit(tgid, filter_followed);
		follow_descendants();
		publish(owner);
	}
	mutex_unlock(&filter_lock);
	return err;
}

int filter_follow_all(const void *owner)
{
	int err = lock_for(owner);

	if (err)
		return err;
	stop_following(owner);
	mutex_unlock(&filter_lock);
	return 0;
}

int filter_set(const void *owner, const struct cowscope_filter *f)
{
	struct cowscope_match match;
	int err;

	if (!cowscope_match_init(&match, f))
		return -EINVAL;
	err = lock_for(owner);
	if (err)
		return err;
	wanted = *f;
	wanted.size = 0;
	publish(owner);
	mutex_unlock(&filter_lock);
	return 0;
}

void filter_release(const void *owner)
{
	if (lock_for(owner))
		return;
	if (filter_owner) {
		wanted = (struct cowscope_filter){};
		stop_following(owner);
		publish(owner);
	}
	mutex_unlock(&filter_lock);
}

void filter_exit(void)
{
	vfree(filter_followed);
}

u32 filter_mm_tgid(struct mm_struct *mm)
{
	u32 tgid = mm == current->mm ? current->tgid : 0;
#ifdef CONFIG_MEMCG
	struct task_struct *owner;

	rcu_read_lock();
	owner = rcu_dereference(mm->owner);
	if (owner)
		tgid = owner->tgid;
	rcu_read_unlock();
#endif
	return tgid;
}

static __always_inline bool passes_followed(const struct filter *f, struct mm_struct *mm)
{
	if (!f->follow || test_bit(current->tgid, filter_followed))
		return true;
	return mm && mm != current->mm && test_bit(filter_mm_tgid(mm), filter_followed);
}

bool filter_passes_followed(struct mm_struct *mm)
{
	const struct filter *f = rcu_dereference_sched(filter_in_force);

	return !f || passes_followed(f, mm);
}

static __always_inline bool matches_fault(const struct filter *f, unsigned long addr,
					  unsigned long size)
{
	return !f->match_faults || cowscope_match_fault(&f->match, addr, size, current->comm);
}

bool filter_passes_fault(struct mm_struct *mm, unsigned long addr, unsigned long size)
{
	const struct filter *f = rcu_dereference_sched(filter_at_entry);

	return !f || (passes_followed(f, mm) && matches_fault(f, addr, size));
}

bool filter_passes_decided(unsigned long addr, unsigned long size, unsigned int verdict)
{
	const struct filter *f = rcu_dereference_sched(filter_in_force);

	/* The one that it passed at entry may have been another. */
	return !f || (cowscope_match_verdict(&f->match, verdict) && matches_fault(f, addr, size));
}

bool filter_passes_record(const struct cowscope_record *r)
{
	const struct filter *f = rcu_dereference_sched(filter_in_force);

	return !f || cowscope_match_record(&f->match, r, current->comm);
}

static void show_names(struct seq_file *m, const char *part, u32 bits,
		       const char *(*name)(unsigned int value))
{
	const char *separator = " ";
	unsigned int i;

	if (!bits)
		return;
	seq_puts(m, part);
	for (i = 0; i < 32; i++)
		if (bits & 1u << i) {
			seq_printf(m, "%s%s", separator, name(i));
			separator = ",";
		}
	seq_putc(m, '\n');
}

int filter_show(struct seq_file *m, void *unused)
{
	char comm[sizeof(wanted.comm)];
	char *c;

	mutex_lock(&filter_lock);
	if (!filter_owner)
		seq_puts(m, "none\n");
	if (following)
		seq_printf(m, "processes %u\n", bitmap_weight(filter_followed, PID_MAX_LIMIT));
	strscpy(comm, wanted.comm, sizeof(comm));
	for (c = comm; *c; c++)
		if (!isprint(*c))
			*c = '?';
	if (*comm)
		seq_printf(m, "comm %s\n", comm);
	if (wanted.end)
		seq_printf(m, "addr 0x%llx-0x%llx\n", wanted.start, wanted.end);
	show_names(m, "event", wanted.events, cowscope_event_name);
	show_names(m, "verdict", wanted.verdicts, cowscope_verdict_name);
	mutex_unlock(&filter_lock);
	return 0;
}
