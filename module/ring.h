/* SPDX-License-Identifier: GPL-2.0 */
/* One ring of 64-byte records per CPU, mapped read-only by readers. */
#ifndef COWSCOPE_RING_H
#define COWSCOPE_RING_H

#include <linux/cowscope.h>
#include <linux/ktime.h>
#include <linux/mm_types.h>
#include <linux/percpu.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/smp.h>

int ring_init(unsigned int records);
void ring_exit(void);

/* Fills the fields of struct cowscope_info that are about the rings. */
void ring_info(struct cowscope_info *info);

/* Maps the rings; see the UAPI header. Called with the mmap_lock held. */
int ring_mmap(struct vm_area_struct *vma);

/* Are records written? If not, none is any more when it returns. Sleeps. */
void ring_record(bool on);

/* The ring of one CPU. Only for the functions below. */
struct ring {
	struct cowscope_ring *shared;
	struct cowscope_record *records;
	u64 head;
	u64 dropped;
	bool busy;
};

DECLARE_PER_CPU(struct ring, rings);
extern u64 ring_mask;	/* records of a ring, less one: a power of two */
extern struct cowscope_task *ring_tasks;
extern bool ring_recording;
extern int ring_waiting;

#define RING_TASKS	4096u

void ring_name_task(struct cowscope_task *t, u32 seen, struct task_struct *task);
void ring_wake(void);

/* Threads with the same low bits of their pid share an entry, on any CPU. */
static __always_inline void ring_see_task(struct task_struct *task, u32 pid)
{
	struct cowscope_task *t = &ring_tasks[pid & (RING_TASKS - 1)];
	u32 seen = READ_ONCE(t->pid);

	/* A name that changes just now is seen at the next event. */
	if (unlikely(seen != pid || data_race(memcmp(t->comm, task->comm, sizeof(t->comm)))))
		ring_name_task(t, seen, task);
}

/* The place of the next record; NULL if one is being written already. */
static __always_inline struct cowscope_record *ring_reserve(struct ring *ring)
{
	if (unlikely(ring->busy)) {
		ring->dropped++;
		return NULL;
	}
	ring->busy = true;
	return &ring->records[ring->head & ring_mask];
}

static __always_inline void ring_fill_head(struct cowscope_record *r, u64 now, u32 pid,
					   enum cowscope_event event,
					   enum cowscope_verdict verdict)
{
	r->ts = now;
	r->pid = pid;
	r->cpu = smp_processor_id();
	r->type = event;
	r->verdict = verdict;
}

static __always_inline void ring_publish(struct ring *ring)
{
	ring->head++;
	smp_store_release(&ring->shared->head, ring->head);	/* pairs with read_head() */
	/*
	 * Before the next record overwrites what the old head allowed to read,
	 * and before looking for a waiter who may not have seen this head.
	 */
	smp_mb();
}

static __always_inline void ring_done(struct ring *ring)
{
	ring->busy = false;
	if (unlikely(READ_ONCE(ring_waiting)))
		ring_wake();
}

/**
 * ring_begin - the next record of this CPU
 * @event: enum cowscope_event
 *
 * Preemption is off, and stays off until ring_commit(). Returns a zeroed
 * record with its head filled for the current task, or NULL if none is to be
 * written: there is only counting, then it counts as unrecorded, or one is being
 * written on this CPU already, then it counts as dropped.
 */
struct cowscope_record *ring_begin(enum cowscope_event event);

/**
 * ring_begin_unprobed - the same for an event that no probe has seen
 * @event: enum cowscope_event
 * @mm: whose memory it is about, or NULL for the current task's own
 *
 * NULL also if that is none of the processes that are followed.
 */
struct cowscope_record *ring_begin_unprobed(enum cowscope_event event, struct mm_struct *mm);

/*
 * Publishes it, passes it to the trace event, wakes who waits and counts it as
 * recorded, if the filter lets it through; else counts it as unrecorded.
 */
void ring_commit(struct cowscope_record *r);

/*
 * Records since the module was loaded: written; dropped, as they would have
 * nested; and overwritten, so that who did not read them by now has lost them.
 */
u64 ring_written(void);
u64 ring_dropped(void);
u64 ring_overwritten(void);

/* Copies the name of a thread; false if it is not known (any more). */
bool ring_task_name(u32 pid, char comm[16]);

/* Waits for records; see poll() in the UAPI header. @seen belongs to the file. */
__poll_t ring_poll(struct file *file, poll_table *wait, u64 *seen);

/* A reader of all rings, in order of time. */
struct ring_reader {
	u64 lost;		/* overwritten before they were read */
	struct cowscope_record record;	/* the one that ring_next() returned */
	struct ring_cursor {
		u64 next;	/* number of the record to read next */
		u64 end;	/* do not go beyond */
		struct cowscope_record record;	/* number next, if it is read */
		bool ready;
	} cursor[];
};

/* A reader from the oldest record on, or from now on; NULL: out of memory. */
struct ring_reader *ring_reader_new(bool from_now);

/**
 * ring_next - the next record in order of time
 * @reader: made by ring_reader_new(), used by one thread at a time
 * @follow: also what was written since the reader was made
 *
 * Returns false if there is none (yet).
 */
bool ring_next(struct ring_reader *reader, bool follow);

/* Sleeps until there may be more. -ERESTARTSYS on a signal. */
int ring_wait(struct ring_reader *reader);

#endif
