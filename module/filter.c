// SPDX-License-Identifier: GPL-2.0
/*
 * The processes that are followed are a bitmap by tgid, so that asking costs
 * one load. Children are added by the tracepoint sched_process_fork before
 * they run, and taken out by sched_process_free, an RCU grace period after their
 * number became free; numbers are given out in turn, so not again by then.
 */
#include <linux/bitmap.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/threads.h>
#include <linux/tracepoint.h>
#include <linux/vmalloc.h>
#include "filter.h"

static DEFINE_MUTEX(filter_lock);
static const void *filter_owner;
static unsigned long *followed;		/* PID_MAX_LIMIT bits */
static bool active;
static struct tracepoint *tp_fork, *tp_free;

static void follow_child(void *data, struct task_struct *parent, struct task_struct *child)
{
	if (test_bit(parent->tgid, followed))
		set_bit(child->tgid, followed);
}

static void forget(void *data, struct task_struct *task)
{
	if (thread_group_leader(task))
		clear_bit(task->pid, followed);
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
	followed = vzalloc(BITS_TO_LONGS(PID_MAX_LIMIT) * sizeof(long));
	if (!followed)
		return -ENOMEM;
	for_each_kernel_tracepoint(find_tracepoint, NULL);
	return 0;
}

static void stop_following(void)
{
	if (!filter_owner)
		return;
	WRITE_ONCE(active, false);
	tracepoint_probe_unregister(tp_free, forget, NULL);
	tracepoint_probe_unregister(tp_fork, follow_child, NULL);
	tracepoint_synchronize_unregister();
	bitmap_zero(followed, PID_MAX_LIMIT);
	filter_owner = NULL;
}

void filter_exit(void)
{
	stop_following();
	vfree(followed);
}

static int start_following(const void *owner)
{
	int err;

	if (filter_owner)
		return filter_owner == owner ? 0 : -EBUSY;
	if (!tp_fork || !tp_free)
		return -EOPNOTSUPP;
	err = tracepoint_probe_register(tp_fork, follow_child, NULL);
	if (err)
		return err;
	err = tracepoint_probe_register(tp_free, forget, NULL);
	if (err)
		goto err_free;
	filter_owner = owner;
	return 0;

err_free:
	tracepoint_probe_unregister(tp_fork, follow_child, NULL);
	tracepoint_synchronize_unregister();
	return err;
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

			if (test_bit(parent, followed) && !test_and_set_bit(p->tgid, followed))
				again = true;
		}
		rcu_read_unlock();
	} while (again);
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

	mutex_lock(&filter_lock);
	err = start_following(owner);
	if (!err) {
		set_bit(tgid, followed);
		follow_descendants();
		WRITE_ONCE(active, true);
	}
	mutex_unlock(&filter_lock);
	return err;
}

int filter_clear(const void *owner)
{
	int err = 0;

	mutex_lock(&filter_lock);
	if (filter_owner == owner)
		stop_following();
	else if (filter_owner)
		err = -EBUSY;
	mutex_unlock(&filter_lock);
	return err;
}

bool filter_active(void)
{
	return READ_ONCE(active);
}

u32 filter_mm_tgid(struct mm_struct *mm)
{
	u32 tgid = 0;
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

bool filter_pass(struct mm_struct *mm)
{
	if (likely(!READ_ONCE(active)))
		return true;
	if (test_bit(current->tgid, followed))
		return true;
	return mm && mm != current->mm && test_bit(filter_mm_tgid(mm), followed);
}
