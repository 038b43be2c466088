/* SPDX-License-Identifier: GPL-2.0 */
/* The records as trace events, for perf, trace-cmd and bpftrace. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM cowscope

#if !defined(COWSCOPE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define COWSCOPE_TRACE_H

#include <linux/cowscope.h>
#include <linux/tracepoint.h>

#include "trace_names.h"

DECLARE_EVENT_CLASS(cowscope_page,
	TP_PROTO(const struct cowscope_record *r),
	TP_ARGS(r),
	TP_STRUCT__entry(
		__field(u64, addr)
		__field(u64, pfn)
		__field(u64, pfn_after)
		__field(s32, refcount)
		__field(s32, mapcount)
		__field(u32, state)
		__field(u32, holder)
		__field(u8, level)
		__field(u8, kind)
		__field(u8, exclusive)
		__field(u8, pinned)
	),
	TP_fast_assign(
		__entry->addr = r->addr;
		__entry->pfn = COWSCOPE_PTE_PFN(r->before);
		__entry->pfn_after = COWSCOPE_PTE_PFN(r->after);
		__entry->refcount = r->refcount;
		__entry->mapcount = r->mapcount;
		__entry->state = r->state;
		__entry->holder = r->holder;
		__entry->level = COWSCOPE_STATE_LEVEL(r->state);
		__entry->kind = COWSCOPE_STATE_KIND(r->state);
		__entry->exclusive = COWSCOPE_STATE_EXCLUSIVE(r->state);
		__entry->pinned = COWSCOPE_STATE_PINNED(r->state);
	),
	TP_printk("level=%s addr=0x%llx pfn=0x%llx->0x%llx kind=%s order=%u refcount=%d mapcount=%d exclusive=%s pinned=%s holder=%u",
		  show_level(__entry->level), __entry->addr, __entry->pfn,
		  __entry->pfn_after, show_kind(__entry->kind),
		  (__entry->state >> 4) & 0x1f, __entry->refcount, __entry->mapcount,
		  show_tri(__entry->exclusive), show_tri(__entry->pinned),
		  __entry->holder)
);

DEFINE_EVENT(cowscope_page, early_copy,
	TP_PROTO(const struct cowscope_record *r), TP_ARGS(r));
DEFINE_EVENT(cowscope_page, pin_lost,
	TP_PROTO(const struct cowscope_record *r), TP_ARGS(r));

TRACE_EVENT(cow_fault,
	TP_PROTO(const struct cowscope_record *r),
	TP_ARGS(r),
	TP_STRUCT__entry(
		__field(u64, addr)
		__field(u64, pfn)
		__field(u64, pfn_after)
		__field(s32, refcount)
		__field(s32, mapcount)
		__field(u32, state)
		__field(u32, holder)
		__field(u32, ns)
		__field(u16, ret)
		__field(u8, level)
		__field(u8, kind)
		__field(u8, exclusive)
		__field(u8, pinned)
		__field(u8, decision)
		__field(u8, predicted)
		__field(u8, verdict)
		__field(u8, otherwise)
		__field(u8, mapcount_rule)
		__field(u8, page_count_rule)
		__field(u8, exclusive_rule)
	),
	TP_fast_assign(
		__entry->addr = r->addr;
		__entry->pfn = COWSCOPE_PTE_PFN(r->before);
		__entry->pfn_after = COWSCOPE_PTE_PFN(r->after);
		__entry->refcount = r->refcount;
		__entry->mapcount = r->mapcount;
		__entry->state = r->state;
		__entry->holder = r->holder;
		__entry->ns = r->duration;
		__entry->ret = r->ret;
		__entry->level = COWSCOPE_STATE_LEVEL(r->state);
		__entry->kind = COWSCOPE_STATE_KIND(r->state);
		__entry->exclusive = COWSCOPE_STATE_EXCLUSIVE(r->state);
		__entry->pinned = COWSCOPE_STATE_PINNED(r->state);
		__entry->decision = COWSCOPE_OUTCOME_DECISION(r->outcome);
		__entry->predicted = COWSCOPE_OUTCOME_PREDICTED(r->outcome);
		__entry->verdict = r->verdict;
		__entry->otherwise = COWSCOPE_STATE_OTHERWISE(r->state);
		__entry->mapcount_rule =
			COWSCOPE_RULES_WOULD(r->rules, COWSCOPE_RULE_MAPCOUNT);
		__entry->page_count_rule =
			COWSCOPE_RULES_WOULD(r->rules, COWSCOPE_RULE_PAGE_COUNT);
		__entry->exclusive_rule =
			COWSCOPE_RULES_WOULD(r->rules, COWSCOPE_RULE_EXCLUSIVE);
	),
	TP_printk("level=%s addr=0x%llx pfn=0x%llx->0x%llx kind=%s order=%u refcount=%d mapcount=%d exclusive=%s pinned=%s decision=%s predicted=%s verdict=%s otherwise=%s holder=%u mapcount_rule=%s page_count_rule=%s exclusive_rule=%s ret=0x%x ns=%u",
		  show_level(__entry->level), __entry->addr, __entry->pfn,
		  __entry->pfn_after, show_kind(__entry->kind),
		  (__entry->state >> 4) & 0x1f, __entry->refcount, __entry->mapcount,
		  show_tri(__entry->exclusive), show_tri(__entry->pinned),
		  show_decision(__entry->decision), show_decision(__entry->predicted),
		  show_verdict(__entry->verdict), show_verdict(__entry->otherwise),
		  __entry->holder, show_decision(__entry->mapcount_rule),
		  show_decision(__entry->page_count_rule),
		  show_decision(__entry->exclusive_rule), __entry->ret, __entry->ns)
);

TRACE_EVENT(wrprotect,
	TP_PROTO(const struct cowscope_record *r),
	TP_ARGS(r),
	TP_STRUCT__entry(
		__field(u64, addr)
		__field(u64, pfn)
		__field(s32, refcount)
		__field(s32, mapcount)
		__field(u32, state)
		__field(u32, holder)
		__field(u8, level)
		__field(u8, kind)
		__field(u8, exclusive)
		__field(u8, pinned)
		__field(u8, source)
		__field(u8, lock)
	),
	TP_fast_assign(
		__entry->addr = r->addr;
		__entry->pfn = COWSCOPE_PTE_PFN(r->before);
		__entry->refcount = r->refcount;
		__entry->mapcount = r->mapcount;
		__entry->state = r->state;
		__entry->holder = r->holder;
		__entry->level = COWSCOPE_STATE_LEVEL(r->state);
		__entry->kind = COWSCOPE_STATE_KIND(r->state);
		__entry->exclusive = COWSCOPE_STATE_EXCLUSIVE(r->state);
		__entry->pinned = COWSCOPE_STATE_PINNED(r->state);
		__entry->source = r->source;
		__entry->lock = r->lock;
	),
	TP_printk("level=%s addr=0x%llx pfn=0x%llx kind=%s order=%u refcount=%d mapcount=%d exclusive=%s pinned=%s source=%s mmap_lock=%s holder=%u",
		  show_level(__entry->level), __entry->addr, __entry->pfn,
		  show_kind(__entry->kind), (__entry->state >> 4) & 0x1f,
		  __entry->refcount, __entry->mapcount, show_tri(__entry->exclusive),
		  show_tri(__entry->pinned), show_source(__entry->source),
		  show_lock(__entry->lock), __entry->holder)
);

DECLARE_EVENT_CLASS(cowscope_holder,
	TP_PROTO(const struct cowscope_record *r),
	TP_ARGS(r),
	TP_STRUCT__entry(
		__field(u64, addr)
		__field(u64, pfn)
		__field(u64, pages)
		__field(u32, holder)
		__field(u32, flags)
	),
	TP_fast_assign(
		__entry->addr = r->addr;
		__entry->pfn = COWSCOPE_PTE_PFN(r->before);
		__entry->pages = r->pages;
		__entry->holder = r->holder;
		__entry->flags = r->flags;
	),
	TP_printk("id=%u addr=0x%llx pfn=0x%llx pages=%llu flags=%s", __entry->holder,
		  __entry->addr, __entry->pfn, __entry->pages,
		  __print_flags(__entry->flags, ",", { COWSCOPE_PIN_FOLL_PIN, "pin" },
				{ COWSCOPE_PIN_WRITE, "write" },
				{ COWSCOPE_PIN_LONGTERM, "longterm" },
				{ COWSCOPE_PIN_FAST, "fast" },
				{ COWSCOPE_PIN_SPECULATIVE, "speculative" },
				{ COWSCOPE_PIN_MIRROR, "mirror" },
				{ COWSCOPE_PIN_MIRROR_GET, "get" },
				{ COWSCOPE_PIN_MIRROR_KEEP, "keep" }))
);

DEFINE_EVENT(cowscope_holder, pin,
	TP_PROTO(const struct cowscope_record *r), TP_ARGS(r));
DEFINE_EVENT(cowscope_holder, unpin,
	TP_PROTO(const struct cowscope_record *r), TP_ARGS(r));

DECLARE_EVENT_CLASS(cowscope_op,
	TP_PROTO(const struct cowscope_record *r),
	TP_ARGS(r),
	TP_STRUCT__entry(
		__field(u64, start)
		__field(u64, end)
		__field(u64, ns)
		__field(u32, target)
		__field(u32, seen)
		__field(u32, changed)
		__field(u32, pinned)
		__field(u32, held)
		__field(u8, arg)
		__field(u8, lock)
		__field(u8, flags)
		__field(s8, error)
	),
	TP_fast_assign(
		__entry->start = r->start;
		__entry->end = r->end;
		__entry->ns = r->op_duration;
		__entry->target = r->target;
		__entry->seen = r->seen;
		__entry->changed = r->changed;
		__entry->pinned = r->pinned;
		__entry->held = r->held;
		__entry->arg = r->arg;
		__entry->lock = r->op_lock;
		__entry->flags = r->op_flags;
		__entry->error = r->error;
	),
	TP_printk("child=%u vmas=%u pages=%u shared=%u copied=%u splits=%u error=%d ns=%llu",
		  __entry->target, __entry->held, __entry->seen,
		  __entry->seen - __entry->changed, __entry->changed, __entry->pinned,
		  __entry->error, __entry->ns)
);

/* A fork's text is that of the class, the others have their own. */
DEFINE_EVENT(cowscope_op, fork,
	TP_PROTO(const struct cowscope_record *r), TP_ARGS(r));

DEFINE_EVENT_PRINT(cowscope_op, fork_range,
	TP_PROTO(const struct cowscope_record *r), TP_ARGS(r),
	TP_printk("addr=0x%llx-0x%llx pages=%u shared=%u copied=%u splits=%u error=%d ns=%llu",
		  __entry->start, __entry->end, __entry->seen,
		  __entry->seen - __entry->changed, __entry->changed, __entry->pinned,
		  __entry->error, __entry->ns));

DEFINE_EVENT_PRINT(cowscope_op, uffd_wp,
	TP_PROTO(const struct cowscope_record *r), TP_ARGS(r),
	TP_printk("target=%u type=%u addr=0x%llx-0x%llx pages=%u changed=%u pinned=%u held=%u partial=%u mmap_lock=%s error=%d ns=%llu",
		  __entry->target, __entry->arg, __entry->start, __entry->end,
		  __entry->seen, __entry->changed, __entry->pinned, __entry->held,
		  __entry->flags & COWSCOPE_OP_PARTIAL, show_lock(__entry->lock),
		  __entry->error, __entry->ns));

DEFINE_EVENT_PRINT(cowscope_op, pagemap_scan,
	TP_PROTO(const struct cowscope_record *r), TP_ARGS(r),
	TP_printk("target=%u addr=0x%llx-0x%llx pages=%u wrprotected=%u pinned=%u held=%u partial=%u mmap_lock=%s error=%d ns=%llu",
		  __entry->target, __entry->start, __entry->end, __entry->seen,
		  __entry->changed, __entry->pinned, __entry->held,
		  __entry->flags & COWSCOPE_OP_PARTIAL, show_lock(__entry->lock),
		  __entry->error, __entry->ns));

DEFINE_EVENT_PRINT(cowscope_op, mirror,
	TP_PROTO(const struct cowscope_record *r), TP_ARGS(r),
	TP_printk("id=%u reason=%s target=%u addr=0x%llx-0x%llx pages=%u dropped=%u kept=%u error=%d ns=%llu",
		  __entry->pinned, show_invalidation(__entry->arg), __entry->target,
		  __entry->start, __entry->end, __entry->seen, __entry->changed,
		  __entry->held, __entry->error, __entry->ns));

TRACE_EVENT(clear_refs,
	TP_PROTO(const struct cowscope_record *r),
	TP_ARGS(r),
	TP_STRUCT__entry(
		__field(u64, ns)
		__field(u32, target)
		__field(u32, seen)
		__field(u32, changed)
		__field(u32, pinned)
		__field(u32, held)
		__field(u32, wrongly_left)
		__field(u32, wrongly_cleared)
		__field(u32, soft_dirty)
		__field(u8, arg)
		__field(u8, lock)
		__field(u8, flags)
		__field(s8, error)
	),
	TP_fast_assign(
		__entry->ns = r->op_duration;
		__entry->target = r->target;
		__entry->seen = r->seen;
		__entry->changed = r->changed;
		__entry->pinned = r->pinned;
		__entry->held = r->held;
		__entry->wrongly_left = r->wrongly_left;
		__entry->wrongly_cleared = r->wrongly_cleared;
		__entry->soft_dirty = r->soft_dirty;
		__entry->arg = r->arg;
		__entry->lock = r->op_lock;
		__entry->flags = r->op_flags;
		__entry->error = r->error;
	),
	TP_printk("target=%u type=%u pages=%u wrprotected=%u skipped_pinned=%u held=%u wrongly_left=%u wrongly_cleared=%u soft_dirty=%u partial=%u mmap_lock=%s error=%d ns=%llu",
		  __entry->target, __entry->arg, __entry->seen, __entry->changed,
		  __entry->pinned, __entry->held, __entry->wrongly_left,
		  __entry->wrongly_cleared, __entry->soft_dirty,
		  __entry->flags & COWSCOPE_OP_PARTIAL, show_lock(__entry->lock),
		  __entry->error, __entry->ns)
);

TRACE_EVENT(mark,
	TP_PROTO(const struct cowscope_record *r),
	TP_ARGS(r),
	TP_STRUCT__entry(
		__array(char, text, 49)
	),
	TP_fast_assign(
		memcpy(__entry->text, r->text, sizeof(r->text));
		__entry->text[sizeof(r->text)] = 0;
	),
	TP_printk("%s", __entry->text)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
