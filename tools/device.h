/* SPDX-License-Identifier: GPL-2.0 */
/* /dev/cowscope: opening it, asking it, and reading its rings in order. */
#ifndef COWSCOPE_DEVICE_H
#define COWSCOPE_DEVICE_H

#include "pure.h"
#include "cursor.h"
#include <linux/cowscope.h>

#define DEVICE_PATH	"/dev/cowscope"

/* An open device. */
struct device {
	int fd;
	struct cowscope_info info;	/* when it was opened */
	unsigned int recording;		/* enum cowscope_recording, as left */
	const void *map;	/* names and rings; NULL until a reader needs it */
};

/**
 * device_open - open /dev/cowscope and ask what it is
 * @d: filled in
 *
 * If nobody has told the module the rule in force, finds it by experiment and
 * tells; if that does not show it, .info.rule stays what the module was built for.
 * Returns 0, or a negative errno of which device_error() makes a sentence.
 */
int device_open(struct device *d);

/**
 * device_close - undo device_open(); what belongs to the open file goes too
 * @d: the device
 */
void device_close(struct device *d);

/**
 * device_error - why the device could not be opened and what to do about it
 * @err: what device_open() returned
 *
 * The text is valid until the next call.
 */
const char *device_error(int err);

/**
 * kernel_supported - is the running kernel of a series that cowscope is for?
 */
bool kernel_supported(void);

/**
 * kernel_list - the supported series, separated by blanks
 */
const char *kernel_list(void);

/**
 * device_ioctl - one ioctl, with errors as they are
 * @d: the device
 * @command: COWSCOPE_*
 * @arg: its struct, .size set
 *
 * Returns 0 or a negative errno. Repeats what a signal interrupted.
 */
int device_ioctl(const struct device *d, unsigned long command, void *arg);

/**
 * device_map - map the names and rings, which readers do by themselves
 * @d: the device
 *
 * Returns 0 or a negative errno.
 */
int device_map(struct device *d);

/**
 * device_control - switch recording, filter by process, or tell the rule
 * @d: the device; the filter lasts as long as it is open
 * @op: COWSCOPE_CONTROL_*
 * @value: the pid of COWSCOPE_CONTROL_FOLLOW, the rule of COWSCOPE_CONTROL_RULE,
 *	   else 0
 *
 * Returns 0 or a negative errno.
 */
int device_control(const struct device *d, enum cowscope_control_op op, u32 value);

#define KPROBES_ENABLED "/sys/kernel/debug/kprobes/enabled"

/* Has somebody switched off all kprobes? The module is not told. */
bool kprobes_off(void);

/**
 * device_switch - switch recording, if that is not how it is
 * @d: the device; .info.enabled is what to switch back to
 * @to: enum cowscope_recording
 *
 * Returns 0, or an exit status after saying why not: also if that is how it is, but
 * kprobes are off.
 */
int device_switch(struct device *d, unsigned int to);

/**
 * device_mark - write a text into the trace
 * @d: the device
 * @text: at most 48 bytes are taken
 *
 * Returns 0 or a negative errno.
 */
int device_mark(const struct device *d, const char *text);

/**
 * device_stats - the module's counters as text, "name value" a line
 * @d: the device
 *
 * Returns a string to be freed, or NULL with errno set.
 */
char *device_stats(const struct device *d);

/**
 * stats_sum - add up counters
 * @stats: as device_stats() returned it
 * @name: of one counter, or ".suffix" for all that end so
 */
u64 stats_sum(const char *stats, const char *name);

/**
 * stats_missed - events that happened and could not be recorded
 * @stats: as device_stats() returned it
 */
u64 stats_missed(const char *stats);

/**
 * device_task - what is known of the thread that made a record
 * @d: the device, a reader of which is open
 * @pid: as the record has it
 * @task: filled in; .comm is always terminated
 *
 * Returns false if the name is not known.
 */
bool device_task(const struct device *d, u32 pid, struct cowscope_task *task);

/* Reads all rings of a device in order of time. */
struct reader {
	struct reader_lane *lane;	/* one for each ring */
	unsigned int lanes;
	u64 horizon;
};

/* As a horizon: whatever is there. */
#define READER_ALL	(~0ULL)

enum reader_from {
	READER_OLDEST,			/* start at what the rings still hold */
	READER_NOW,			/* start after what they hold */
};

/**
 * reader_open - begin to read the rings
 * @r: filled in
 * @d: the device; stays the caller's and must stay open
 * @from: where to begin
 *
 * Returns 0 or a negative errno.
 */
int reader_open(struct reader *r, struct device *d, enum reader_from from);

/**
 * reader_close - undo reader_open()
 * @r: the reader
 */
void reader_close(struct reader *r);

/**
 * reader_seek - go on from somewhere else
 * @r: the reader
 * @from: from where
 */
void reader_seek(struct reader *r, enum reader_from from);

/**
 * reader_batch - look at what has been written since the last batch
 * @r: the reader
 * @horizon: no record after this time (CLOCK_MONOTONIC, ns), or READER_ALL
 *
 * reader_next() then gives the records of this batch. Batches that end at a
 * horizon of reader_horizon() follow each other in order of time. With the same horizon
 * again, before the batch is at its end, nothing changes but that what has been written
 * meanwhile is safe: a reader takes it out of the rings.
 */
void reader_batch(struct reader *r, u64 horizon);

/**
 * monotonic_ns - the time, by the clock of the records
 */
u64 monotonic_ns(void);

/**
 * reader_horizon - a time before which every record should be in its ring
 *
 * A producer takes the time, then writes the record; this lies so far back that
 * all that took an earlier time have written by now.
 */
u64 reader_horizon(void);

/**
 * reader_next - the oldest record of the batch
 * @r: the reader
 * @record: filled in
 *
 * Returns false at the end of the batch.
 */
bool reader_next(struct reader *r, struct cowscope_record *record);

/**
 * reader_lost - how many records were overwritten before they were read
 * @r: the reader
 */
u64 reader_lost(const struct reader *r);

/* A list of records. */
struct records {
	struct cowscope_record *record;
	size_t count;
	size_t room;
};

/* A process and its descendants, by thread group. */
struct family {
	u32 *tgid;
	size_t count;
	size_t room;
};

/**
 * family_add - begin a family with a process, or add one
 * @f: the family, all zero at first
 * @pid: a process, in the initial pid namespace
 *
 * Returns 0 or -ENOMEM.
 */
int family_add(struct family *f, u32 pid);

/**
 * reader_collect - everything since the position that concerns a family
 * @r: the reader; its position is after that then
 * @d: its device
 * @f: what its members did, or what was done to their memory, is taken;
 *     children that were forked meanwhile are added
 * @out: the records are appended to it, in order of time
 *
 * Returns 0 or -ENOMEM.
 */
int reader_collect(struct reader *r, const struct device *d, struct family *f,
		   struct records *out);

#endif
