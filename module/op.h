/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Operations under way: a fork, a clear_refs, an UFFDIO_WRITEPROTECT or a
 * PAGEMAP_SCAN goes through several probed functions, and the inner ones add to what the outer
 * one reports. One a task at a time; found by the current task.
 */
#ifndef COWSCOPE_OP_H
#define COWSCOPE_OP_H

#include <linux/cache.h>
#include <linux/cowscope.h>
#include <linux/types.h>

struct op {
	enum cowscope_event event;
	u64 began;		/* CLOCK_MONOTONIC, ns */
	u64 start, end;
	u32 target, seen, changed, pinned, held;
	u32 wrongly_left, wrongly_cleared, soft_dirty;	/* clear_refs */
	const char __user *text;	/* clear_refs: what is being written */
	size_t length;
	u8 arg, lock, flags;
	bool pass;		/* the filter lets it through */
} ____cacheline_aligned;

/* Takes a place for an operation of the current task; NULL if all are taken. */
struct op *op_begin(enum cowscope_event event);

/* The current task's operation, if it is of that kind. */
struct op *op_find(enum cowscope_event event);

/* Writes its record, with @error, and gives the place back. */
void op_end(struct op *op, int error);

/* Gives the place back without a record. */
void op_abandon(struct op *op);

/* Forgets all; when no probe is armed. */
void op_reset(void);

#endif
