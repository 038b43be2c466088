/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One ring, read without a lock as <linux/cowscope.h> describes. Knows nothing
 * of the device, so that it can be tested on ordinary memory.
 */
#ifndef COWSCOPE_CURSOR_H
#define COWSCOPE_CURSOR_H

#include "pure.h"
#include <linux/cowscope.h>

/* A reader's place in one ring. */
struct ring_cursor {
	const struct cowscope_ring *ring;
	const struct cowscope_record *record;	/* the ring's array... */
	u64 size;				/* ... of so many, a power of two */
	u64 pos;				/* the next record's number */
	u64 lost;				/* overwritten before they were read */
};

/**
 * ring_head - how many records have been written
 * @ring: the ring
 *
 * All of them can be read, as far as they have not been overwritten.
 */
u64 ring_head(const struct cowscope_ring *ring);

/**
 * ring_oldest - the number of the oldest record that can still be read
 * @head: of the ring
 * @size: of the ring
 */
u64 ring_oldest(u64 head, u64 size);

/**
 * ring_read - copy the record at the cursor, or the oldest left after it
 * @c: the cursor; goes on to after that record; counts what was lost
 * @end: the number of the first record that is not wanted
 * @record: filled in
 *
 * Returns false if there is none before @end.
 */
bool ring_read(struct ring_cursor *c, u64 end, struct cowscope_record *record);

#endif
