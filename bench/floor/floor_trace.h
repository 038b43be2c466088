/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM floor

#if !defined(FLOOR_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define FLOOR_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(floor,
	TP_PROTO(unsigned int value),
	TP_ARGS(value),
	TP_STRUCT__entry(__field(unsigned int, value)),
	TP_fast_assign(__entry->value = value;),
	TP_printk("%u", __entry->value)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE floor_trace
#include <trace/define_trace.h>
