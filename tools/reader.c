// SPDX-License-Identifier: GPL-2.0
/* All rings of the device, merged in order of time. */
#include "device.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* From taking the time to having written the record, with a wide margin. */
#define WRITE_NS	5000000ULL

/* One ring in a merge. */
struct reader_lane {
	struct ring_cursor cursor;
	u64 end;			/* of the batch */
	struct cowscope_record next;	/* what this ring has to offer... */
	bool ready;			/* ... if it has */
};

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
	}
	reader_seek(r, from);
	return 0;
}

void reader_close(struct reader *r)
{
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
		lane->ready = false;
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
	for (i = 0; i < r->lanes; i++)
		r->lane[i].end = ring_head(r->lane[i].cursor.ring);
}

bool reader_next(struct reader *r, struct cowscope_record *record)
{
	struct reader_lane *first = NULL;
	unsigned int i;

	for (i = 0; i < r->lanes; i++) {
		struct reader_lane *lane = &r->lane[i];

		if (!lane->ready)
			lane->ready = ring_read(&lane->cursor, lane->end, &lane->next);
		if (lane->ready && (!first || lane->next.ts < first->next.ts))
			first = lane;
	}
	if (!first || first->next.ts > r->horizon)
		return false;
	*record = first->next;
	first->ready = false;
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
