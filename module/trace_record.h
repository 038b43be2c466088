/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWSCOPE_TRACE_RECORD_H
#define COWSCOPE_TRACE_RECORD_H

#include <linux/cowscope.h>
#include <linux/tracepoint-defs.h>

/* Is tracepoint_enabled(cow_fault)? To spare most records the call. */
DECLARE_TRACEPOINT(cow_fault);

/* Hands a record to the trace event of its type; a patched-out branch if off. */
void trace_record(const struct cowscope_record *r);

#endif
