// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include "op.h"
#include "probes.h"
#include "ring.h"
#include "rivals.h"
#include "stats.h"

static unsigned int maxactive = 1024;
module_param(maxactive, uint, 0444);
MODULE_PARM_DESC(maxactive, "calls of one probed function that can be followed at once (default 1024); those beyond are counted as missed");

static char *hide;
module_param(hide, charp, 0444);
MODULE_PARM_DESC(hide, "a function that this kernel is to be taken not to have, for tests (default none)");

struct probe *const probes[PROBES] = {
	[PROBE_COW_FAULT]	= &probe_cow_fault,
	[PROBE_COW_FAULT_PMD]	= &probe_cow_fault_pmd,
	[PROBE_COW_FAULT_HUGETLB] = &probe_cow_fault_hugetlb,
	[PROBE_COW_FAULT_UFFD]	= &probe_cow_fault_uffd,
	[PROBE_SWAP_IN]		= &probe_swap_in,
	[PROBE_FORK]		= &probe_fork,
	[PROBE_FORK_RANGE]	= &probe_fork_range,
	[PROBE_EARLY_COPY]	= &probe_early_copy,
	[PROBE_EARLY_COPY_HUGETLB] = &probe_early_copy_hugetlb,
	[PROBE_FORK_SPLIT]	= &probe_fork_split,
	[PROBE_CLEAR_REFS]	= &probe_clear_refs,
	[PROBE_CLEAR_REFS_RANGE] = &probe_clear_refs_range,
	[PROBE_UFFD_WP]		= &probe_uffd_wp,
	[PROBE_WRPROTECT]	= &probe_wrprotect,
	[PROBE_PAGEMAP_SCAN]	= &probe_pagemap_scan,
	[PROBE_PAGEMAP_SCAN_RANGE] = &probe_pagemap_scan_range,
	[PROBE_PAGEMAP_SCAN_HUGETLB] = &probe_pagemap_scan_hugetlb,
	[PROBE_NUMA]		= &probe_numa,
};

static DEFINE_MUTEX(probes_lock);
static enum cowscope_recording recording;

/* No handler calls a function that is hooked, so this cannot recurse. */
static void notrace on_ftrace(unsigned long ip, unsigned long parent_ip,
			      struct compat_ftrace_ops *ops, struct compat_ftrace_regs *fregs)
{
	struct probe *p = container_of(ops, struct probe, ops);

	preempt_disable_notrace();
	p->kp.pre_handler(&p->kp, compat_ftrace_pt_regs(fregs));
	preempt_enable_notrace();
}

static void unregister(struct probe *p)
{
	if (p->entry)
		unregister_kretprobe(&p->rp);
	else
		unregister_kprobe(&p->kp);
}

/*
 * Registration gives a kretprobe a handler of the kernel's own, which takes an
 * instance, calls @entry and hooks the return. It may as well be called from an
 * ftrace_ops, which costs a quarter of what a kprobe does until it is here. The
 * kprobe then stays disabled. For a call that is left out that handler is most of
 * the cost, so @first comes before it.
 */
static int arm_symbol(struct probe *p, const char *symbol)
{
	int err;

	/* Registration changes the struct, so it is filled anew each time. */
	p->rp = (struct kretprobe){
		.kp.symbol_name = symbol,
		.kp.pre_handler = p->first,
		.kp.flags = KPROBE_FLAG_DISABLED,
		.entry_handler = p->entry,
		.handler = p->ret,
		.data_size = p->data_size,
		.maxactive = clamp(maxactive, 1u, 65536u),
	};
	err = p->entry ? register_kretprobe(&p->rp) : register_kprobe(&p->kp);
	if (err)
		return err;
	p->set_up = p->kp.pre_handler;
	if (p->first)
		p->kp.pre_handler = p->first;
	p->hooked = p->hot && p->kp.flags & KPROBE_FLAG_FTRACE &&
		    (!p->entry || COMPAT_HOOK_AND_RETURN);
	if (p->hooked)
		err = compat_hook(&p->ops, on_ftrace, (unsigned long)p->kp.addr);
	else
		err = enable_kprobe(&p->kp);
	if (err)
		unregister(p);
	return err;
}

static void arm(struct probe *p)
{
	const char *const *symbol = p->symbols;
	int err;

	do {
		err = hide && !strcmp(hide, *symbol) ? -ENOENT : arm_symbol(p, *symbol);
	} while (err == -ENOENT && *++symbol);
	WRITE_ONCE(p->symbol, err ? NULL : *symbol);
	WRITE_ONCE(p->error, err);
}

static u64 missed_now(const struct probe *p)
{
	if (!READ_ONCE(p->symbol))
		return 0;
	/* What kprobes of others on the function miss counts for a disabled one, too. */
	return (p->entry ? (u64)READ_ONCE(p->rp.nmissed) : 0) +
	       (READ_ONCE(p->hooked) ? 0 : READ_ONCE(p->kp.nmissed));
}

static void disarm(struct probe *p)
{
	if (!p->symbol)
		return;
	if (p->hooked)
		compat_unhook(&p->ops);
	unregister(p);
	WRITE_ONCE(p->missed, p->missed + missed_now(p));
	WRITE_ONCE(p->cut_off, p->cut_off + stats_in_flight(p));
	WRITE_ONCE(p->symbol, NULL);
}

static void disarm_all(void)
{
	int i;

	rivals_close();
	for (i = PROBES - 1; i >= 0; i--)
		disarm(probes[i]);
	op_reset();
	rivals_reset();
}

/*
 * Can recording go on without a probe that has this error? It can if the kernel
 * has no such function, or none to be probed: that is told by debugfs. It is
 * busy if ftrace is switched off, and no kprobe on it would see a call.
 */
static bool tolerable(const struct probe *p)
{
	return !p->error || (!p->core && p->error != -EBUSY && p->error != -ENOMEM);
}

static int arm_all(void)
{
	int i;

	/* Inner ones first: an operation then misses none of its parts. */
	for (i = PROBES - 1; i >= 0; i--) {
		arm(probes[i]);
		if (!tolerable(probes[i])) {
			pr_err_ratelimited("%s cannot be probed (error %d)\n",
					   probes[i]->symbols[0], probes[i]->error);
			disarm_all();
			return probes[i]->error;
		}
	}
	return 0;
}

int probes_switch(enum cowscope_recording to)
{
	int err = 0;

	mutex_lock(&probes_lock);
	if (to == recording)
		goto out;
	if (to == COWSCOPE_RECORDING_OFF)
		disarm_all();
	/* Before the first call is seen. While off, what no probe sees is recorded. */
	ring_record(to != COWSCOPE_RECORDING_COUNT);
	if (recording == COWSCOPE_RECORDING_OFF)
		err = arm_all();
	if (err)
		ring_record(true);
	else
		WRITE_ONCE(recording, to);
out:
	mutex_unlock(&probes_lock);
	return err;
}

enum cowscope_recording probes_recording(void)
{
	return READ_ONCE(recording);
}

u64 probe_missed(const struct probe *p)
{
	return READ_ONCE(p->missed) + missed_now(p);
}

u32 probes_events(void)
{
	u32 events = 1u << COWSCOPE_EVENT_PIN | 1u << COWSCOPE_EVENT_UNPIN |
		     1u << COWSCOPE_EVENT_MARK;
	int i;

	if (IS_ENABLED(CONFIG_MMU_NOTIFIER))
		events |= 1u << COWSCOPE_EVENT_MIRROR;
	for (i = 0; i < PROBES; i++)
		if (!READ_ONCE(probes[i]->error))
			events |= 1u << probes[i]->event;
	if (!READ_ONCE(probe_cow_fault.error))
		events |= 1u << COWSCOPE_EVENT_PIN_LOST;
	if (!READ_ONCE(probe_clear_refs_range.error) || !READ_ONCE(probe_pagemap_scan_range.error))
		events |= 1u << COWSCOPE_EVENT_WRPROTECT;
	return events;
}
