/* SPDX-License-Identifier: GPL-2.0 */
/* One ring of 64-byte records per CPU, mapped read-only by readers. */
#ifndef COWSCOPE_RING_H
#define COWSCOPE_RING_H

#include <linux/cowscope.h>
#include <linux/mm_types.h>
#include <linux/poll.h>

int ring_init(unsigned int records);
void ring_exit(void);

/* Fills the fields of struct cowscope_info that are about the rings. */
void ring_info(struct cowscope_info *info);

/* Maps the rings; see the UAPI header. Called with the mmap_lock held. */
int ring_mmap(struct vm_area_struct *vma);

/* Are records written? If not, none is any more when it returns. Sleeps. */
void ring_record(bool on);

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
