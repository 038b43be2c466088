/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a write fault turned out to be, on its way into counters and ring. Only for
 * fault.c and precedent.c: the same for both, however the judgement was come by.
 */
#ifndef COWSCOPE_JUDGED_H
#define COWSCOPE_JUDGED_H

#include "fault.h"
#include "filter.h"
#include "ring.h"
#include "stats.h"
#include "stopwatch.h"
#include "trace_record.h"

/* What follows from a fault, of itself. */
struct judged {
	struct stats_fault counters;
	/* As in the record, where parts that follow each other are copied as one. */
	struct judged_page {
		s32 refcount;
		s32 mapcount;
		u32 state;
		u32 holder;
	} page;
	struct judged_end {
		u16 ret;
		u8 outcome;
		u8 rules;
	} end;
	u8 verdict;
	bool lasts;		/* it follows from the look, the decision and the rule
				 * alone
				 */
};

/* Counts it, and the end of a call of its probe. */
static __always_inline void judged_count(const struct judged *j, enum probe_id probe)
{
	unsigned int i;

#pragma GCC unroll 8
	for (i = 0; i < STATS_OF_FAULT; i++)
		++*j->counters.counter[i];
	stats_inc(probe[probe].ended);
}

/* Are records written at all, and, with a filter, this one? Counts it if not. */
static inline bool judged_wanted(const struct judged *j, unsigned long addr, unsigned long size)
{
	if (READ_ONCE(ring_recording) && filter_pass_decided(addr, size, j->verdict))
		return true;
	stats_inc(unrecorded[COWSCOPE_EVENT_COW_FAULT]);
	return false;
}

/* The same as far as the verdict tells. */
static __always_inline bool judged_maybe_wanted(const struct judged *j)
{
	if (likely(READ_ONCE(ring_recording)) && filter_pass_verdict(j->verdict))
		return true;
	stats_inc(unrecorded[COWSCOPE_EVENT_COW_FAULT]);
	return false;
}

/* @now: CLOCK_MONOTONIC; @began: stopwatch_start(); @before, @after: packed. */
static __always_inline void judged_record(const struct judged *j, u64 now, u64 began, u64 addr,
					  u64 before, u64 after)
{
	struct task_struct *task = current;
	u32 pid = task->pid;
	struct ring *ring = this_cpu_ptr(&rings);
	struct cowscope_record *r = ring_reserve(ring);
	struct judged_page page = j->page;
	struct judged_end last = j->end;

	if (!r)
		return;
	ring_fill_head(r, now, pid, COWSCOPE_EVENT_COW_FAULT, j->verdict);
	r->addr = addr;
	r->before = before;
	r->refcount = page.refcount;
	r->mapcount = page.mapcount;
	r->state = page.state;
	r->holder = page.holder;
	r->after = after;
	r->duration = stopwatch_stop(began, now);
	r->ret = last.ret;
	r->outcome = last.outcome;
	r->rules = last.rules;
	stats_inc(recorded[COWSCOPE_EVENT_COW_FAULT]);
	ring_see_task(task, pid);
	ring_publish(ring);
	if (tracepoint_enabled(cow_fault))
		trace_record(r);
	ring_done(ring);
}

/**
 * fault_judge - what a fault turned out to be
 * @j: filled
 * @f: looked at, not plain any more
 * @k: the rule in force
 * @decision: what the kernel did
 * @after: the entry now, packed, or 0
 * @copied: @after maps another page
 * @ret: what the probed function returned
 *
 * Holders that lose the page have their records then. Preemption is off.
 */
void fault_judge(struct judged *j, struct fault *f, const struct cowscope_rule_in_force *k,
		 enum cowscope_decision decision, u64 after, bool copied, vm_fault_t ret);

/* Counts it and, if it is wanted, records it. */
void fault_tell(const struct fault *f, const struct judged *j, enum probe_id probe, u64 after);

/* A plain fault becomes like any other: what was put off is done. */
void fault_settle(struct fault *f);

#endif
