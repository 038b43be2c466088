// SPDX-License-Identifier: GPL-2.0
/*
 * What a probe costs that does nothing: a kretprobe that only counts, or that
 * also writes the smallest trace event there is. What cowscope adds is compared
 * with this.
 */
#include <linux/kprobes.h>
#include <linux/module.h>

#define CREATE_TRACE_POINTS
#include "floor_trace.h"

static char *symbol = "do_wp_page";
module_param(symbol, charp, 0444);
MODULE_PARM_DESC(symbol, "the function to probe (default do_wp_page)");

static bool event;
module_param(event, bool, 0444);
MODULE_PARM_DESC(event, "write a trace event at each return (default N)");

/* For one processor: an instruction, so that the count can be checked. */
static unsigned long hits;
module_param(hits, ulong, 0444);
MODULE_PARM_DESC(hits, "returns seen");

static int at_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return 0;
}

static int at_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	hits++;
	return 0;
}

static int at_return_event(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	hits++;
	trace_floor(1);
	return 0;
}

static struct kretprobe probe = { .entry_handler = at_entry };

static int __init floor_init(void)
{
	probe.kp.symbol_name = symbol;
	probe.handler = event ? at_return_event : at_return;
	return register_kretprobe(&probe);
}

static void __exit floor_exit(void)
{
	unregister_kretprobe(&probe);
}

module_init(floor_init);
module_exit(floor_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A probe that does nothing, to measure what a probe costs");
