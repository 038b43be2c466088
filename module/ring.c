// SPDX-License-Identifier: GPL-2.0
#include <linux/irq_work.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/ktime.h>
#include <linux/vmalloc.h>
#include "compat/mm.h"
#include "filter.h"
#include "ring.h"
#include "stats.h"
#include "trace_record.h"

#define BUSY	(~0u)	/* pid of an entry that is being written */

DEFINE_PER_CPU(struct ring, rings);
struct cowscope_task *ring_tasks __read_mostly;
static void *area;		/* tasks, then the rings: what readers map */
u64 ring_mask __read_mostly;
static unsigned int ring_records;
static size_t ring_stride;

bool ring_recording __read_mostly = true;

static DECLARE_WAIT_QUEUE_HEAD(readers);
int ring_waiting;		/* somebody sleeps on readers */

static void wake_readers(struct irq_work *work)
{
	wake_up_interruptible_all(&readers);
}

static DEFINE_PER_CPU(struct irq_work, wake_work);

static size_t rings_offset(void)
{
	return PAGE_ALIGN(RING_TASKS * sizeof(struct cowscope_task));
}

static size_t map_size(void)
{
	return rings_offset() + nr_cpu_ids * ring_stride;
}

int ring_init(unsigned int records)
{
	unsigned int cpu;

	BUILD_BUG_ON(sizeof(struct cowscope_record) != 64);
	ring_records = roundup_pow_of_two(clamp(records, 64u, 1u << 24));
	ring_stride = PAGE_SIZE + PAGE_ALIGN((size_t)ring_records * sizeof(struct cowscope_record));
	ring_mask = ring_records - 1;
	area = vmalloc_user(map_size());
	if (!area)
		return -ENOMEM;

	ring_tasks = area;
	for_each_possible_cpu(cpu) {
		struct ring *ring = per_cpu_ptr(&rings, cpu);

		ring->shared = area + rings_offset() + cpu * ring_stride;
		ring->records = (void *)ring->shared + PAGE_SIZE;
		init_irq_work(per_cpu_ptr(&wake_work, cpu), wake_readers);
	}
	return 0;
}

void ring_exit(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		irq_work_sync(per_cpu_ptr(&wake_work, cpu));
	vfree(area);
}

void ring_info(struct cowscope_info *info)
{
	info->cpus = nr_cpu_ids;
	info->ring_records = ring_records;
	info->tasks = RING_TASKS;
	info->map_size = map_size();
	info->rings_offset = rings_offset();
	info->ring_stride = ring_stride;
	info->ring_data_offset = PAGE_SIZE;
}

int ring_mmap(struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_WRITE)
		return -EPERM;
	if (vma->vm_pgoff || vma->vm_end - vma->vm_start > map_size())
		return -EINVAL;
	compat_vm_flags_clear(vma, VM_MAYWRITE);
	return remap_vmalloc_range(vma, area, 0);
}

/* Who finds it being written leaves it alone and tries again at its next event. */
void ring_name_task(struct cowscope_task *t, u32 seen, struct task_struct *task)
{
	if (seen == BUSY || cmpxchg(&t->pid, seen, BUSY) != seen)
		return;
	smp_wmb();	/* a reader that sees the name in part sees BUSY */
	t->tgid = task->tgid;
	/* Readers of t->comm look at t->pid again; a rename at this moment may tear it. */
	data_race(memcpy(t->comm, task->comm, sizeof(t->comm)));
	smp_store_release(&t->pid, task->pid);	/* pairs with ring_task_name() */
}

bool ring_task_name(u32 pid, char comm[16])
{
	struct cowscope_task *t = &ring_tasks[pid & (RING_TASKS - 1)];

	if (smp_load_acquire(&t->pid) != pid)	/* pairs with ring_name_task() */
		return false;
	data_race(memcpy(comm, t->comm, 16));	/* dropped if it was being written */
	comm[15] = 0;
	smp_rmb();	/* pairs with ring_name_task() */
	return READ_ONCE(t->pid) == pid;
}

void ring_record(bool on)
{
	WRITE_ONCE(ring_recording, on);
	/* Who still saw it on has preemption off until its record is written. */
	if (!on)
		synchronize_rcu();
}

struct cowscope_record *ring_begin(enum cowscope_event event)
{
	struct ring *ring = this_cpu_ptr(&rings);
	struct cowscope_record *r;

	if (unlikely(!READ_ONCE(ring_recording))) {
		stats_inc(unrecorded[event]);
		return NULL;
	}
	r = ring_reserve(ring);
	if (!r)
		return NULL;
	memset(r, 0, sizeof(*r));
	ring_fill_head(r, ktime_get_mono_fast_ns(), current->pid, event, COWSCOPE_VERDICT_NONE);
	return r;
}

struct cowscope_record *ring_begin_unprobed(enum cowscope_event event, struct mm_struct *mm)
{
	if (filter_pass(mm))
		return ring_begin(event);
	stats_inc(unrecorded[event]);
	return NULL;
}

void ring_commit(struct cowscope_record *r)
{
	struct ring *ring = this_cpu_ptr(&rings);

	if (!filter_pass_record(r)) {
		/* Not published: the next one is written over it. */
		stats_inc(unrecorded[r->type]);
		ring->busy = false;
		return;
	}
	stats_inc(recorded[r->type]);
	ring_see_task(current, r->pid);
	ring_publish(ring);
	trace_record(r);
	ring_done(ring);
}

void ring_wake(void)
{
	if (xchg(&ring_waiting, 0))
		irq_work_queue(this_cpu_ptr(&wake_work));
}

/* The records below it may be read. */
static u64 read_head(const struct ring *ring)
{
	return smp_load_acquire(&ring->shared->head);	/* pairs with ring_publish() */
}

u64 ring_written(void)
{
	unsigned int cpu;
	u64 sum = 0;

	for_each_possible_cpu(cpu)
		sum += read_head(per_cpu_ptr(&rings, cpu));
	return sum;
}

u64 ring_overwritten(void)
{
	unsigned int cpu;
	u64 sum = 0;

	for_each_possible_cpu(cpu) {
		u64 head = read_head(per_cpu_ptr(&rings, cpu));

		sum += head < ring_records ? 0 : head - ring_records + 1;
	}
	return sum;
}

u64 ring_dropped(void)
{
	unsigned int cpu;
	u64 sum = 0;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(&rings, cpu)->dropped);
	return sum;
}

/* After this, a commit that the caller does not see yet will wake it. */
static void announce_waiter(void)
{
	WRITE_ONCE(ring_waiting, 1);
	smp_mb();	/* pairs with ring_publish() */
}

__poll_t ring_poll(struct file *file, poll_table *wait, u64 *seen)
{
	u64 now;

	poll_wait(file, &readers, wait);
	announce_waiter();
	now = ring_written();
	if (now == READ_ONCE(*seen))
		return 0;
	WRITE_ONCE(*seen, now);
	return EPOLLIN | EPOLLRDNORM;
}

struct ring_reader *ring_reader_new(bool from_now)
{
	struct ring_reader *reader;
	unsigned int cpu;

	reader = kvzalloc(struct_size(reader, cursor, nr_cpu_ids), GFP_KERNEL);
	if (!reader)
		return NULL;
	for_each_possible_cpu(cpu) {
		u64 head = read_head(per_cpu_ptr(&rings, cpu));

		reader->cursor[cpu].end = head;
		if (from_now)
			reader->cursor[cpu].next = head;
		else if (head >= ring_records)
			reader->cursor[cpu].next = head - ring_records + 1;
	}
	return reader;
}

/* Reads record @c->next of one ring, or skips what is gone. */
static bool peek(struct ring_reader *reader, struct ring *ring, struct ring_cursor *c,
		 bool follow)
{
	while (!c->ready) {
		u64 head = read_head(ring);
		u64 oldest = head < ring_records ? 0 : head - ring_records + 1;

		if (follow)
			c->end = head;
		if (c->next < oldest) {
			reader->lost += min(oldest, c->end) - min(c->next, c->end);
			c->next = oldest;
		}
		if (c->next >= c->end)
			return false;
		/* Dropped if it was being written, as the head then tells. */
		c->record = data_race(ring->records[c->next & ring_mask]);
		smp_rmb();	/* pairs with ring_publish() */
		head = READ_ONCE(ring->shared->head);
		c->ready = c->next + ring_records > head;
	}
	return true;
}

bool ring_next(struct ring_reader *reader, bool follow)
{
	struct ring_cursor *first = NULL;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct ring_cursor *c = &reader->cursor[cpu];

		if (peek(reader, per_cpu_ptr(&rings, cpu), c, follow) &&
		    (!first || c->record.ts < first->record.ts))
			first = c;
	}
	if (!first)
		return false;
	reader->record = first->record;
	first->next++;
	first->ready = false;
	return true;
}

static bool readable(struct ring_reader *reader)
{
	unsigned int cpu;

	announce_waiter();
	for_each_possible_cpu(cpu)
		if (read_head(per_cpu_ptr(&rings, cpu)) >
		    reader->cursor[cpu].next)
			return true;
	return false;
}

int ring_wait(struct ring_reader *reader)
{
	return wait_event_interruptible(readers, readable(reader));
}
