/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The words of enum values in trace events. Tools read the format file, where an
 * enum is a name that means nothing to them: TRACE_DEFINE_ENUM() has the kernel
 * put its value there. Part of trace.h, read as often as that is.
 */
#undef COWSCOPE_LEVEL_WORDS
#define COWSCOPE_LEVEL_WORDS \
	W(COWSCOPE_LEVEL_NONE, "-") \
	W(COWSCOPE_LEVEL_PTE, "pte") \
	W(COWSCOPE_LEVEL_PMD, "pmd") \
	LAST(COWSCOPE_LEVEL_HUGETLB, "hugetlb")

#undef COWSCOPE_KIND_WORDS
#define COWSCOPE_KIND_WORDS \
	W(COWSCOPE_KIND_UNKNOWN, "unknown") \
	W(COWSCOPE_KIND_ANON, "anon") \
	W(COWSCOPE_KIND_KSM, "ksm") \
	W(COWSCOPE_KIND_FILE, "file") \
	W(COWSCOPE_KIND_SHMEM, "shmem") \
	W(COWSCOPE_KIND_HUGETLB, "hugetlb") \
	W(COWSCOPE_KIND_ZERO, "zero") \
	LAST(COWSCOPE_KIND_PFN, "pfn")

#undef COWSCOPE_DECISION_WORDS
#define COWSCOPE_DECISION_WORDS \
	W(COWSCOPE_DECISION_NONE, "-") \
	W(COWSCOPE_COPY, "copy") \
	W(COWSCOPE_REUSE, "reuse") \
	W(COWSCOPE_UNSHARE, "unshare") \
	W(COWSCOPE_UFFD, "uffd") \
	W(COWSCOPE_SPLIT, "split") \
	W(COWSCOPE_RACED, "raced") \
	W(COWSCOPE_RETRY, "retry") \
	W(COWSCOPE_FAILED, "failed") \
	LAST(COWSCOPE_EITHER, "either")

#undef COWSCOPE_VERDICT_WORDS
#define COWSCOPE_VERDICT_WORDS \
	W(COWSCOPE_VERDICT_NONE, "-") \
	W(COWSCOPE_VERDICT_LEAK, "leak") \
	W(COWSCOPE_VERDICT_PIN_LOST, "pin_lost") \
	W(COWSCOPE_VERDICT_MAYBE_LOST, "maybe_lost") \
	W(COWSCOPE_VERDICT_NEEDED, "needed") \
	W(COWSCOPE_VERDICT_SUPERFLUOUS, "superfluous") \
	W(COWSCOPE_VERDICT_FINE, "fine") \
	LAST(COWSCOPE_VERDICT_UNKNOWN, "unknown")

#undef COWSCOPE_TRI_WORDS
#define COWSCOPE_TRI_WORDS \
	W(COWSCOPE_NA, "-") \
	W(COWSCOPE_NO, "no") \
	LAST(COWSCOPE_YES, "yes")

#undef COWSCOPE_SOURCE_WORDS
#define COWSCOPE_SOURCE_WORDS \
	W(COWSCOPE_SOURCE_NONE, "-") \
	W(COWSCOPE_SOURCE_CLEAR_REFS, "clear_refs") \
	W(COWSCOPE_SOURCE_UFFD_WP, "uffd_wp") \
	W(COWSCOPE_SOURCE_MPROTECT, "mprotect") \
	W(COWSCOPE_SOURCE_PAGEMAP_SCAN, "pagemap_scan") \
	LAST(COWSCOPE_SOURCE_NUMA, "numa")

#undef COWSCOPE_LOCK_WORDS
#define COWSCOPE_LOCK_WORDS \
	W(COWSCOPE_LOCK_UNKNOWN, "-") \
	W(COWSCOPE_LOCK_READ, "read") \
	LAST(COWSCOPE_LOCK_WRITE, "write")

#undef W
#undef LAST
#define W(value, word)	TRACE_DEFINE_ENUM(value);
#define LAST(value, word)	TRACE_DEFINE_ENUM(value);

COWSCOPE_LEVEL_WORDS
COWSCOPE_KIND_WORDS
COWSCOPE_DECISION_WORDS
COWSCOPE_VERDICT_WORDS
COWSCOPE_TRI_WORDS
COWSCOPE_SOURCE_WORDS
COWSCOPE_LOCK_WORDS

#undef W
#undef LAST
#define W(value, word)	{ value, word },
#define LAST(value, word)	{ value, word }

#undef show_level
#define show_level(v)	__print_symbolic(v, COWSCOPE_LEVEL_WORDS)
#undef show_kind
#define show_kind(v)	__print_symbolic(v, COWSCOPE_KIND_WORDS)
#undef show_decision
#define show_decision(v)	__print_symbolic(v, COWSCOPE_DECISION_WORDS)
#undef show_verdict
#define show_verdict(v)	__print_symbolic(v, COWSCOPE_VERDICT_WORDS)
#undef show_tri
#define show_tri(v)	__print_symbolic(v, COWSCOPE_TRI_WORDS)
#undef show_source
#define show_source(v)	__print_symbolic(v, COWSCOPE_SOURCE_WORDS)
#undef show_lock
#define show_lock(v)	__print_symbolic(v, COWSCOPE_LOCK_WORDS)
