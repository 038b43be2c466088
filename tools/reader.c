// SPDX-License-Identifier: GPL-2.0
/* All rings of the device, merged in order of time. */
#include "device.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* From taking the time to having written the record, with a wide margin. */
#define WRITE_NS	5000000ULL

/*
 * Records that are too young to be merged wait here, so that they are not overwritten:
 * rings are no place to wait. So many times what the ring itself has room for.
 */
#define QUEUE_RINGS	4

/* One ring in a merge. */
struct reader_lane {
	struct ring_cursor cursor;
	u64 end;			/* of the batch */
	struct cowscope_record *queue;	/* of a power of two, `room`; those from ... */
	u64 room, first, last;		/* ... number `first` to before `last` are there */
};

/*
 * Moves what the batch has into the queue, as far as there is room. An empty queue
 * begins anew, so that no more of it is ever touched than has waited at once.
 */
static void take(struct reader_lane *lane)
{
	if (lane->first == lane->last)
		lane->first = lane->last = 0;
	while (lane->last - lane->first < lane->room &&
	       ring_read(&lane->cursor, lane->end, &lane->queue[lane->last & (lane->room - 1)]))
		lane->last++;
}

static const struct cowscope_record *peek(const struct reader_lane *lane)
{
	return lane->first == lane->last ? NULL : &lane->queue[lane->first & (lane->room - 1)];
}

int reader_open(struct reader *r, struct device *d, enum reader_from from)
{
	const struct cowscope_info *info = &d->info;
	unsigned int i;
	int err;

	err = device_map(d);
	if (err)
		return err;
	r->lane = calloc(info->cpus, sizeof(*r->lane));
	if (!r->lane)
		return -ENOMEM;
	r->lanes = info->cpus;
	for (i = 0; i < r->lanes; i++) {
		const char *ring = (const char *)d->map + info->rings_offset +
				   i * info->ring_stride;

		r->lane[i].cursor.ring = (const void *)ring;
		r->lane[i].cursor.record = (const void *)(ring + info->ring_data_offset);
		r->lane[i].cursor.size = info->ring_records;
		r->lane[i].room = QUEUE_RINGS * (u64)info->ring_records;
		r->lane[i].queue = calloc(r->lane[i].room, sizeof(*r->lane[i].queue));
		if (!r->lane[i].queue) {
			reader_close(r);
			return -ENOMEM;
		}
	}
	reader_seek(r, from);
	return 0;
}

void reader_close(struct reader *r)
{
	unsigned int i;

	for (i = 0; i < r->lanes; i++)
		free(r->lane[i].queue);
	free(r->lane);
	*r = (struct reader){ 0 };
}

void reader_seek(struct reader *r, enum reader_from from)
{
	unsigned int i;

	for (i = 0; i < r->lanes; i++) {
		struct reader_lane *lane = &r->lane[i];
		u64 head = ring_head(lane->cursor.ring);

		lane->cursor.pos = from == READER_NOW ? head :
				   ring_oldest(head, lane->cursor.size);
		lane->cursor.lost = 0;
		lane->first = lane->last;
		lane->end = 0;
	}
	r->horizon = READER_ALL;
}

u64 monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

u64 reader_horizon(void)
{
	return monotonic_ns() - WRITE_NS;
}

void reader_batch(struct reader *r, u64 horizon)
{
	unsigned int i;

	r->horizon = horizon;
	for (i = 0; i < r->lanes; i++) {
		r->lane[i].end = ring_head(r->lane[i].cursor.ring);
		take(&r->lane[i]);
	}
}

bool reader_next(struct reader *r, struct cowscope_record *record)
{
	struct reader_lane *from = NULL;
	const struct cowscope_record *first = NULL;
	unsigned int i;

	for (i = 0; i < r->lanes; i++) {
		const struct cowscope_record *next = peek(&r->lane[i]);

		if (next && (!first || next->ts < first->ts)) {
			first = next;
			from = &r->lane[i];
		}
	}
	if (!first || first->ts > r->horizon)
		return false;
	*record = *first;
	if (++from->first == from->last)
		take(from);
	return true;
}

u64 reader_lost(const struct reader *r)
{
	unsigned int i;
	u64 lost = 0;

	for (i = 0; i < r->lanes; i++)
		lost += r->lane[i].cursor.lost;
	return lost;
}
