/* SPDX-License-Identifier: GPL-2.0 */
/* Counters, one set per CPU; they count also what is not recorded. */
#ifndef COWSCOPE_STATS_H
#define COWSCOPE_STATS_H

#include <linux/cowscope.h>
#include <linux/percpu.h>
#include "probes.h"
#include "rules.h"

/*
 * What became of each call of a probed function that reached its handler:
 * entered = filtered + declined + ended + cut off + in flight. What did not
 * reach the handler is counted by the kernel (probe_missed()).
 */
struct probe_stats {
	u64 entered;
	u64 filtered;	/* left out before anything was read */
	u64 declined;	/* of no interest, a thread's clone for example */
	u64 ended;
	u64 skipped;	/* ended, but without a place to keep its state */
};

struct stats {
	struct probe_stats probe[PROBES];
	u64 recorded[COWSCOPE_EVENTS];		/* written into a ring */
	u64 unrecorded[COWSCOPE_EVENTS];	/* left out: by the filter, or only counting */
	u64 fault[COWSCOPE_LEVELS][COWSCOPE_DECISIONS][COWSCOPE_VERDICTS][COWSCOPE_KINDS];
	/* What each rule would have meant; NONE: hangs on what is not known. */
	u64 ruled[COWSCOPE_RULES][COWSCOPE_VERDICTS];
	u64 detect[COWSCOPE_DETECTIONS];
	u64 predicted_right;
	u64 predicted_either;
	u64 predicted_raced;		/* the page changed before the decision */
	u64 predicted_wrong;
	u64 unpredicted;
	u64 wrprotect_unwalked;		/* pages that were not looked at */
	u64 precedent_right;		/* only counted with verify=1 */
	u64 precedent_wrong;
	u64 nowhere;			/* what a fault does not count in elsewhere */
	u64 lost_unlisted;		/* pages of holders beyond those one fault lists */
};

/* Allocated, as a module's static per-CPU memory is scarce. */
extern struct stats __percpu *cowscope_stats;

/* Calls that entered and did not come to an end yet. */
u64 stats_in_flight(const struct probe *p);

int stats_init(void);
void stats_exit(void);

#define stats_inc(field)	this_cpu_inc(cowscope_stats->field)
#define stats_add(field, n)	this_cpu_add(cowscope_stats->field, n)

#define STATS_OF_FAULT	(3 + COWSCOPE_RULES)

/* Counters of this CPU that a fault adds one to; no handler interrupts another. */
struct stats_fault {
	u64 *counter[STATS_OF_FAULT];
};

/**
 * stats_of_fault - which counters a fault's outcome adds to
 * @of: filled: what was decided, whether the kernel's test for pins was right, how
 *	it was predicted, and what each rule would have made of it
 *
 * Preemption is off.
 */
void stats_of_fault(struct stats_fault *of, const struct cowscope_counts *c,
		    enum cowscope_decision decision, enum cowscope_decision predicted,
		    const struct cowscope_meaning *m);

/* Counts whether the kernel's own test for pins was right about a page. */
void stats_detect(const struct cowscope_counts *c);

/**
 * stats_each - every counter by its name
 * @put: called once a counter
 * @ctx: handed through
 *
 * Sleeps not. Counters are read one after the other while they may change.
 */
void stats_each(void (*put)(void *ctx, const char *name, u64 value), void *ctx);

#endif
