/* SPDX-License-Identifier: GPL-2.0 */
/* The table of probe points. */
#ifndef COWSCOPE_PROBES_H
#define COWSCOPE_PROBES_H

#include <linux/cowscope.h>
#include <linux/kprobes.h>
#include "compat/ftrace.h"

enum probe_id {
	PROBE_COW_FAULT,
	PROBE_COW_FAULT_PMD,
	PROBE_COW_FAULT_HUGETLB,
	PROBE_COW_FAULT_UFFD,
	PROBE_SWAP_IN,
	PROBE_FORK,
	PROBE_FORK_RANGE,
	PROBE_EARLY_COPY,
	PROBE_EARLY_COPY_HUGETLB,
	PROBE_FORK_SPLIT,
	PROBE_CLEAR_REFS,
	PROBE_CLEAR_REFS_RANGE,
	PROBE_UFFD_WP,
	PROBE_WRPROTECT,
	PROBE_PAGEMAP_SCAN,
	PROBE_PAGEMAP_SCAN_RANGE,
	PROBE_PAGEMAP_SCAN_HUGETLB,
	PROBE_NUMA,
	PROBES
};

/**
 * struct probe - one probe point
 * @id: names its counters in struct stats
 * @name: in stats and debugfs
 * @sees: what goes unseen without it, in words
 * @symbols: candidates, tried in turn, up to a NULL
 * @event: enum cowscope_event that nobody sees without it
 * @core: without it the module is of no use
 * @hot: so many calls that its entry is hooked through ftrace itself where the
 *	kernel allows that; to disarm it waits until every task has slept
 * @first: sees each call before anything is set up for its return, if not NULL; if
 *	that is wanted, it ends with probe_enter(). Returns 0
 * @entry: handler of the entry; nonzero: no return wanted for this call. NULL for
 *	a probe that does without the return
 * @ret: handler of the return
 * @data_size: bytes that @entry hands to @ret
 * @symbol: the candidate that is armed, or NULL
 * @error: why none is, or 0
 * @missed: by earlier arming
 * @cut_off: calls that were under way when it was disarmed; their returns are
 *	never seen
 * @hooked: by @ops; the kprobe is disabled, and only there for address and return
 *
 * Handlers run with preemption off; they count each call in struct stats. What is
 * counted and told of a probe is read without the lock that it is switched under.
 */
struct probe {
	enum probe_id id;
	const char *name;
	const char *sees;
	const char *const *symbols;
	enum cowscope_event event;
	bool core;
	bool hot;
	kprobe_pre_handler_t first;
	kretprobe_handler_t entry;
	kretprobe_handler_t ret;
	size_t data_size;

	const char *symbol;
	int error;
	u64 missed;
	u64 cut_off;
	bool hooked;
	kprobe_pre_handler_t set_up;	/* what the kernel gave @rp */
	struct compat_ftrace_ops ops;
	union {
		struct kprobe kp;
		struct kretprobe rp;
	};
};

/* Sets up the return of a call that @first has seen, once @entry agrees; returns 0. */
static inline int probe_enter(struct kprobe *kp, struct pt_regs *regs)
{
	return container_of(kp, struct probe, kp)->set_up(kp, regs);
}

extern struct probe probe_cow_fault;
extern struct probe probe_cow_fault_pmd;
extern struct probe probe_cow_fault_hugetlb;
extern struct probe probe_cow_fault_uffd;
extern struct probe probe_swap_in;
extern struct probe probe_fork;
extern struct probe probe_fork_range;
extern struct probe probe_early_copy;
extern struct probe probe_early_copy_hugetlb;
extern struct probe probe_fork_split;
extern struct probe probe_clear_refs;
extern struct probe probe_clear_refs_range;
extern struct probe probe_uffd_wp;
extern struct probe probe_wrprotect;
extern struct probe probe_pagemap_scan;
extern struct probe probe_pagemap_scan_range;
extern struct probe probe_pagemap_scan_hugetlb;
extern struct probe probe_numa;

extern struct probe *const probes[PROBES];

/**
 * probes_switch - switch recording
 * @to: enum cowscope_recording
 *
 * Arms every probe point that this kernel has, or disarms them: when it returns
 * after OFF no handler runs any more. Switching to what it is already is no
 * error. Returns the error of a core probe that cannot be armed; then none is.
 * Sleeps.
 */
int probes_switch(enum cowscope_recording to);

enum cowscope_recording probes_recording(void);

/* Calls that did not reach the handler, as the kernel counts them. */
u64 probe_missed(const struct probe *p);

/* 1 << enum cowscope_event for each event that can be seen. */
u32 probes_events(void);

#endif
