// SPDX-License-Identifier: GPL-2.0
#include <linux/hash.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include "op.h"
#include "ring.h"
#include "stats.h"

#define OP_BITS	8
#define OP_TRY	16	/* places that a task may be found in */

/* Whose each place is, apart, so that filling one never lets go of it. */
static struct task_struct *owners[(1 << OP_BITS) + OP_TRY];
static struct op ops[ARRAY_SIZE(owners)];

struct op *op_begin(enum cowscope_event event)
{
	unsigned int first = hash_ptr(current, OP_BITS), i;

	for (i = first; i < first + OP_TRY; i++) {
		if (READ_ONCE(owners[i]) || cmpxchg(&owners[i], NULL, current))
			continue;
		ops[i] = (struct op){
			.event = event,
			.began = ktime_get_mono_fast_ns(),
		};
		return &ops[i];
	}
	return NULL;
}

struct op *op_find(enum cowscope_event event)
{
	unsigned int first = hash_ptr(current, OP_BITS), i;

	for (i = first; i < first + OP_TRY; i++)
		if (READ_ONCE(owners[i]) == current && ops[i].event == event)
			return &ops[i];
	return NULL;
}

void op_abandon(struct op *op)
{
	smp_store_release(&owners[op - ops], NULL);	/* pairs with cmpxchg() in op_begin() */
}

void op_end(struct op *op, int error)
{
	struct cowscope_record *r = ring_begin(op->event);

	if (r) {
		if (op->event == COWSCOPE_EVENT_CLEAR_REFS) {
			r->wrongly_left = op->wrongly_left;
			r->wrongly_cleared = op->wrongly_cleared;
			r->soft_dirty = op->soft_dirty;
		} else {
			r->start = op->start;
			r->end = op->end;
		}
		r->op_duration = r->ts - op->began;
		r->target = op->target;
		r->seen = op->seen;
		r->changed = op->changed;
		r->pinned = op->pinned;
		r->held = op->held;
		r->arg = op->arg;
		r->op_lock = op->lock;
		r->op_flags = op->flags;
		/* -ERESTART* does not fit: a signal came first. */
		r->error = error < -127 ? -EINTR : error;
		ring_commit(r);
	}
	op_abandon(op);
}

void op_reset(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(owners); i++)
		WRITE_ONCE(owners[i], NULL);
}
