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

/**
 * ring_begin - the next record of this CPU
 * @event: enum cowscope_event
 *
 * Preemption is off, and stays off until ring_commit(). Returns a zeroed
 * record with its head filled for the current task, or NULL if a record is
 * being written on this CPU already; then the drop is counted.
 */
struct cowscope_record *ring_begin(enum cowscope_event event);

/* Publishes it, passes it to the trace event, wakes who waits. */
void ring_commit(struct cowscope_record *r);

/* Records written and dropped since the module was loaded. */
u64 ring_written(void);
u64 ring_dropped(void);

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
