// SPDX-License-Identifier: GPL-2.0
#include <linux/hash.h>
#include <linux/ktime.h>
#include "op.h"
#include "ring.h"
#include "stats.h"

#define OP_BITS	8
#define OP_TRY	16	/* places that a task may be found in */

static struct op ops[(1 << OP_BITS) + OP_TRY];

static struct op *first_place(void)
{
	return &ops[hash_ptr(current, OP_BITS)];
}

struct op *op_begin(enum cowscope_event event)
{
	struct op *op = first_place();
	int i;

	for (i = 0; i < OP_TRY; i++, op++) {
		if (READ_ONCE(op->task) || cmpxchg(&op->task, NULL, current))
			continue;
		*op = (struct op){
			.task = current,
			.event = event,
			.began = ktime_get_mono_fast_ns(),
		};
		return op;
	}
	return NULL;
}

struct op *op_find(enum cowscope_event event)
{
	struct op *op = first_place();
	int i;

	for (i = 0; i < OP_TRY; i++, op++)
		if (READ_ONCE(op->task) == current && op->event == event)
			return op;
	return NULL;
}

void op_abandon(struct op *op)
{
	smp_store_release(&op->task, NULL);	/* pairs with cmpxchg() in op_begin() */
}

void op_end(struct op *op, int error)
{
	struct cowscope_record *r = ring_begin(op->event);

	if (r) {
		r->start = op->start;
		r->end = op->end;
		r->op_duration = r->ts - op->began;
		r->target = op->target;
		r->seen = op->seen;
		r->changed = op->changed;
		r->pinned = op->pinned;
		r->held = op->held;
		r->arg = op->arg;
		r->op_lock = op->lock;
		r->op_flags = op->flags;
		r->error = max(error, -127);
		stats_inc(event[op->event]);
		ring_commit(r);
	}
	op_abandon(op);
}

void op_reset(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		WRITE_ONCE(ops[i].task, NULL);
}
