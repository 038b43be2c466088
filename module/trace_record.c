// SPDX-License-Identifier: GPL-2.0
#include "trace_record.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

void trace_record(const struct cowscope_record *r)
{
	/* By far the most. */
	if (likely(r->type == COWSCOPE_EVENT_COW_FAULT))
		return trace_cow_fault(r);
	switch (r->type) {
	case COWSCOPE_EVENT_FORK:
		return trace_fork(r);
	case COWSCOPE_EVENT_FORK_RANGE:
		return trace_fork_range(r);
	case COWSCOPE_EVENT_EARLY_COPY:
		return trace_early_copy(r);
	case COWSCOPE_EVENT_CLEAR_REFS:
		return trace_clear_refs(r);
	case COWSCOPE_EVENT_UFFD_WP:
		return trace_uffd_wp(r);
	case COWSCOPE_EVENT_PAGEMAP_SCAN:
		return trace_pagemap_scan(r);
	case COWSCOPE_EVENT_WRPROTECT:
		return trace_wrprotect(r);
	case COWSCOPE_EVENT_PIN:
		return trace_pin(r);
	case COWSCOPE_EVENT_UNPIN:
		return trace_unpin(r);
	case COWSCOPE_EVENT_PIN_LOST:
		return trace_pin_lost(r);
	case COWSCOPE_EVENT_MIRROR:
		return trace_mirror(r);
	case COWSCOPE_EVENT_MARK:
		return trace_mark(r);
	}
}
