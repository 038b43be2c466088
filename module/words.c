// SPDX-License-Identifier: GPL-2.0
#include "rules.h"
#include "words.h"

#define NAME(table, value)						\
	((value) < ARRAY_SIZE(table) && (table)[value] ? (table)[value] : "?")

static const char *const event_names[COWSCOPE_EVENTS] = {
	[COWSCOPE_EVENT_COW_FAULT] = "cow_fault",
	[COWSCOPE_EVENT_FORK] = "fork",
	[COWSCOPE_EVENT_FORK_RANGE] = "fork_range",
	[COWSCOPE_EVENT_EARLY_COPY] = "early_copy",
	[COWSCOPE_EVENT_CLEAR_REFS] = "clear_refs",
	[COWSCOPE_EVENT_UFFD_WP] = "uffd_wp",
	[COWSCOPE_EVENT_PAGEMAP_SCAN] = "pagemap_scan",
	[COWSCOPE_EVENT_WRPROTECT] = "wrprotect",
	[COWSCOPE_EVENT_PIN] = "pin",
	[COWSCOPE_EVENT_UNPIN] = "unpin",
	[COWSCOPE_EVENT_PIN_LOST] = "pin_lost",
	[COWSCOPE_EVENT_MIRROR] = "mirror",
	[COWSCOPE_EVENT_MARK] = "mark",
};

static const char *const level_names[COWSCOPE_LEVELS] = {
	[COWSCOPE_LEVEL_NONE] = "-",
	[COWSCOPE_LEVEL_PTE] = "pte",
	[COWSCOPE_LEVEL_PMD] = "pmd",
	[COWSCOPE_LEVEL_HUGETLB] = "hugetlb",
};

static const char *const kind_names[COWSCOPE_KINDS] = {
	[COWSCOPE_KIND_UNKNOWN] = "unknown",
	[COWSCOPE_KIND_ANON] = "anon",
	[COWSCOPE_KIND_KSM] = "ksm",
	[COWSCOPE_KIND_FILE] = "file",
	[COWSCOPE_KIND_SHMEM] = "shmem",
	[COWSCOPE_KIND_HUGETLB] = "hugetlb",
	[COWSCOPE_KIND_ZERO] = "zero",
	[COWSCOPE_KIND_PFN] = "pfn",
};

static const char *const decision_names[COWSCOPE_DECISIONS] = {
	[COWSCOPE_DECISION_NONE] = "-",
	[COWSCOPE_COPY] = "copy",
	[COWSCOPE_REUSE] = "reuse",
	[COWSCOPE_UNSHARE] = "unshare",
	[COWSCOPE_UFFD] = "uffd",
	[COWSCOPE_SPLIT] = "split",
	[COWSCOPE_RACED] = "raced",
	[COWSCOPE_RETRY] = "retry",
	[COWSCOPE_FAILED] = "failed",
	[COWSCOPE_EITHER] = "either",
};

static const char *const verdict_names[COWSCOPE_VERDICTS] = {
	[COWSCOPE_VERDICT_NONE] = "-",
	[COWSCOPE_VERDICT_LEAK] = "leak",
	[COWSCOPE_VERDICT_PIN_LOST] = "pin_lost",
	[COWSCOPE_VERDICT_MAYBE_LOST] = "maybe_lost",
	[COWSCOPE_VERDICT_NEEDED] = "needed",
	[COWSCOPE_VERDICT_SUPERFLUOUS] = "superfluous",
	[COWSCOPE_VERDICT_FINE] = "fine",
	[COWSCOPE_VERDICT_UNKNOWN] = "unknown",
};

static const char *const rule_names[COWSCOPE_RULES] = {
	[COWSCOPE_RULE_MAPCOUNT] = "mapcount",
	[COWSCOPE_RULE_PAGE_COUNT] = "page_count",
	[COWSCOPE_RULE_EXCLUSIVE] = "exclusive",
};

static const char *const tri_names[] = {
	[COWSCOPE_NA] = "-",
	[COWSCOPE_NO] = "no",
	[COWSCOPE_YES] = "yes",
};

static const char *const source_names[COWSCOPE_SOURCES] = {
	[COWSCOPE_SOURCE_NONE] = "-",
	[COWSCOPE_SOURCE_CLEAR_REFS] = "clear_refs",
	[COWSCOPE_SOURCE_UFFD_WP] = "uffd_wp",
	[COWSCOPE_SOURCE_MPROTECT] = "mprotect",
	[COWSCOPE_SOURCE_PAGEMAP_SCAN] = "pagemap_scan",
	[COWSCOPE_SOURCE_NUMA] = "numa",
};

static const char *const invalidation_names[COWSCOPE_INVALIDATIONS] = {
	[COWSCOPE_INVALIDATION_NONE] = "-",
	[COWSCOPE_INVALIDATION_UNMAP] = "unmap",
	[COWSCOPE_INVALIDATION_CLEAR] = "clear",
	[COWSCOPE_INVALIDATION_PROTECTION_VMA] = "protection_vma",
	[COWSCOPE_INVALIDATION_PROTECTION_PAGE] = "protection_page",
	[COWSCOPE_INVALIDATION_SOFT_DIRTY] = "soft_dirty",
	[COWSCOPE_INVALIDATION_RELEASE] = "release",
	[COWSCOPE_INVALIDATION_MIGRATE] = "migrate",
	[COWSCOPE_INVALIDATION_EXCLUSIVE] = "exclusive",
};

static const char *const lock_names[COWSCOPE_LOCKS] = {
	[COWSCOPE_LOCK_UNKNOWN] = "-",
	[COWSCOPE_LOCK_READ] = "read",
	[COWSCOPE_LOCK_WRITE] = "write",
};

static const char *const detection_names[COWSCOPE_DETECTIONS] = {
	[COWSCOPE_TRUE_POSITIVE] = "true_positive",
	[COWSCOPE_TRUE_NEGATIVE] = "true_negative",
	[COWSCOPE_FALSE_POSITIVE] = "false_positive",
	[COWSCOPE_FALSE_POSITIVE_FOLIO] = "false_positive_folio",
	[COWSCOPE_FALSE_NEGATIVE] = "false_negative",
	[COWSCOPE_FALSE_NEGATIVE_GET] = "false_negative_get",
	[COWSCOPE_UNVERIFIED_PINNED] = "unverified_pinned",
	[COWSCOPE_UNVERIFIED] = "unverified",
};

/* What may be written to /proc/PID/clear_refs. */
static const char *const clear_refs_names[] = {
	[1] = "all",
	[2] = "anon",
	[3] = "file",
	[4] = "soft_dirty",
	[5] = "hiwater_rss",
};

static const char *const uffd_wp_names[] = { "unprotect", "protect" };

#define DEFINE_NAME(what)						\
	const char *cowscope_##what##_name(unsigned int what)		\
	{								\
		return NAME(what##_names, what);			\
	}

DEFINE_NAME(event)
DEFINE_NAME(level)
DEFINE_NAME(kind)
DEFINE_NAME(decision)
DEFINE_NAME(verdict)
DEFINE_NAME(rule)
DEFINE_NAME(tri)
DEFINE_NAME(source)
DEFINE_NAME(invalidation)
DEFINE_NAME(lock)
DEFINE_NAME(detection)
DEFINE_NAME(clear_refs)
DEFINE_NAME(uffd_wp)
