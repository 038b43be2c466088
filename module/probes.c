// SPDX-License-Identifier: GPL-2.0
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include "op.h"
#include "probes.h"
#include "stats.h"

static unsigned int maxactive = 1024;
module_param(maxactive, uint, 0444);
MODULE_PARM_DESC(maxactive, "calls of one probed function that can be followed at once (default 1024); those beyond are counted as missed");

struct probe *const probes[PROBES] = {
	[PROBE_COW_FAULT]	= &probe_cow_fault,
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
static bool armed;

/* Registration changes the struct, so it is filled anew each time. */
static int arm_symbol(struct probe *p, const char *symbol)
{
	if (p->pre) {
		p->kp = (struct kprobe){
			.symbol_name = symbol,
			.pre_handler = p->pre,
		};
		return register_kprobe(&p->kp);
	}
	p->rp = (struct kretprobe){
		.kp.symbol_name = symbol,
		.entry_handler = p->entry,
		.handler = p->ret,
		.data_size = p->data_size,
		.maxactive = clamp(maxactive, 1u, 65536u),
	};
	return register_kretprobe(&p->rp);
}

static void arm(struct probe *p)
{
	const char *const *symbol;

	for (symbol = p->symbols; *symbol; symbol++) {
		p->error = arm_symbol(p, *symbol);
		if (!p->error) {
			p->symbol = *symbol;
			return;
		}
	}
}

static u64 missed_now(const struct probe *p)
{
	if (!p->symbol)
		return 0;
	return p->pre ? p->kp.nmissed : (u64)p->rp.nmissed + p->rp.kp.nmissed;
}

static void disarm(struct probe *p)
{
	if (!p->symbol)
		return;
	if (p->pre)
		unregister_kprobe(&p->kp);
	else
		unregister_kretprobe(&p->rp);
	p->missed += missed_now(p);
	p->cut_off += stats_in_flight(p);
	p->symbol = NULL;
}

static void disarm_all(void)
{
	int i;

	for (i = PROBES - 1; i >= 0; i--)
		disarm(probes[i]);
	op_reset();
}

int probes_arm(void)
{
	int i, err = 0;

	mutex_lock(&probes_lock);
	if (armed)
		goto out;
	/* Inner ones first: an operation then misses none of its parts. */
	for (i = PROBES - 1; i >= 0; i--) {
		arm(probes[i]);
		if (probes[i]->core && probes[i]->error)
			err = probes[i]->error;
	}
	if (err)
		disarm_all();
	else
		armed = true;
out:
	mutex_unlock(&probes_lock);
	return err;
}

void probes_disarm(void)
{
	mutex_lock(&probes_lock);
	if (armed)
		disarm_all();
	armed = false;
	mutex_unlock(&probes_lock);
}

bool probes_armed(void)
{
	return READ_ONCE(armed);
}

u64 probe_missed(const struct probe *p)
{
	return p->missed + missed_now(p);
}

u32 probes_events(void)
{
	u32 events = 1u << COWSCOPE_EVENT_PIN | 1u << COWSCOPE_EVENT_UNPIN |
		     1u << COWSCOPE_EVENT_MARK;
	int i;

	for (i = 0; i < PROBES; i++)
		if (!probes[i]->error)
			events |= 1u << probes[i]->event;
	if (!probe_cow_fault.error)
		events |= 1u << COWSCOPE_EVENT_PIN_LOST;
	if (!probe_clear_refs_range.error || !probe_pagemap_scan_range.error)
		events |= 1u << COWSCOPE_EVENT_WRPROTECT;
	return events;
}
