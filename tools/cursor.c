// SPDX-License-Identifier: GPL-2.0
/* Reading one ring while its only producer may be overwriting it. */
#include "cursor.h"

#define WORDS	(sizeof(struct cowscope_record) / sizeof(u64))

u64 ring_head(const struct cowscope_ring *ring)
{
	return __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
}

u64 ring_oldest(u64 head, u64 size)
{
	/* The place of the one before may be being written right now. */
	return head < size ? 0 : head + 1 - size;
}

/* Word by word and atomic, so that a torn copy is only wrong, not undefined. */
static void copy(struct cowscope_record *to, const struct cowscope_record *from)
{
	const u64 *source = (const u64 *)from;
	u64 word[WORDS];
	size_t i;

	for (i = 0; i < WORDS; i++)
		word[i] = __atomic_load_n(&source[i], __ATOMIC_RELAXED);
	memcpy(to, word, sizeof(word));
}

bool ring_read(struct ring_cursor *c, u64 end, struct cowscope_record *record)
{
	u64 head = ring_head(c->ring);

	for (;;) {
		u64 oldest = ring_oldest(head, c->size);

		if (c->pos < oldest) {
			c->lost += oldest - c->pos;
			c->pos = oldest;
		}
		if (c->pos >= end || c->pos >= head)
			return false;

		copy(record, &c->record[c->pos & (c->size - 1)]);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		head = __atomic_load_n(&c->ring->head, __ATOMIC_RELAXED);
		if (c->pos >= ring_oldest(head, c->size)) {
			c->pos++;
			return true;
		}
	}
}
