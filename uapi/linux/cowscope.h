/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * cowscope: the interface of /dev/cowscope, which this header specifies.
 *
 * Words. A *reference* is a page reference taken with FOLL_GET, a *pin* one
 * taken with FOLL_PIN. To *write-protect* is to clear the write bit of a PTE
 * in place. *Copy*, *reuse* and *unshare* are what a write fault did.
 * *Exclusive* is PageAnonExclusive (since Linux 5.19).
 *
 * The device
 * ----------
 * /dev/cowscope is a misc device of mode 0600; open() needs CAP_SYS_ADMIN, as
 * page frame numbers are shown (EPERM). All state made through an open
 * file (references, pins, mirrors, the filter) belongs to that open file: it follows
 * dup(), fork() and SCM_RIGHTS and goes when the last descriptor is closed and
 * the last mapping of the rings made through it is gone, also by SIGKILL. An
 * open file keeps the module loaded.
 *
 * Every ioctl takes a pointer to a struct whose first field is
 * `__u32 size`: the size that the caller was compiled with. A shorter struct
 * means zero for the missing fields; a longer one is accepted as long as what
 * the module does not know is zero. All structs have the same layout for 32
 * and 64 bit callers. Fields marked [in] are read, [out] written, [in/out]
 * both. Whatever is not marked is padding and must be zero.
 *
 * Errors of every ioctl:
 *   ENOTTY  unknown command
 *   EINVAL  size smaller than the first version of the struct, unknown flag
 *           or operation, padding that is not zero
 *   E2BIG   size larger than the module's and the tail is not zero, or size
 *           larger than a page
 *   EFAULT  a pointer that cannot be read or written
 *   EINTR   a fatal signal arrived while waiting for a lock
 * On any error nothing has changed, unless said otherwise below.
 *
 * Records
 * -------
 * Each event is a struct cowscope_record of 64 bytes in the ring of the CPU on
 * which it ended. mmap() of the device, read-only, at offset 0 and of the
 * length that COWSCOPE_INFO returns as map_size, shows
 *
 *   offset 0                   struct cowscope_task[tasks]    names of tasks
 *   rings_offset + cpu * ring_stride
 *                              struct cowscope_ring           one page
 *   ... + ring_data_offset     struct cowscope_record[ring_records]
 *
 * for cpu = 0 .. cpus - 1. A ring has one producer and overwrites its oldest
 * record. Record number n (counted from 0 since the module was loaded) is at
 * index n & (ring_records - 1). To read record n without a lock:
 *
 *   1. h = load-acquire(ring->head); if n >= h it is not there yet, if
 *      n + ring_records <= h it was overwritten: h + 1 - ring_records is the
 *      oldest that can still be read;
 *   2. copy the record;
 *   3. read barrier; h = load(ring->head); if n + ring_records <= h the copy
 *      may be torn: throw it away and count it as lost.
 *
 * So a reader knows from the heads exactly how many records it did not get.
 * Any number of readers may do so, each with its own position. mmap() of a
 * writable mapping: EPERM; beyond map_size: EINVAL.
 *
 * Names: task[pid & (tasks - 1)] holds the name last seen for a thread that
 * made an event, if its pid is the one looked for; another thread may have
 * taken the place, then the name is not known. Read pid, then comm, then pid
 * again, with read barriers between; use comm if both are the pid looked for.
 *
 * poll() reports POLLIN when a record was written since this open file's last
 * poll() that reported it.
 *
 * Recording is global: everybody reads the same rings. Loading the module
 * starts it (unless enable=0 was given).
 */
#ifndef _UAPI_LINUX_COWSCOPE_H
#define _UAPI_LINUX_COWSCOPE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* What a record is. */
enum cowscope_event {
	COWSCOPE_EVENT_COW_FAULT = 1,	/* a write fault was decided: on a page
					 * present, or swapped in and reused
					 */
	COWSCOPE_EVENT_FORK,		/* a fork ended, seen from the parent */
	COWSCOPE_EVENT_FORK_RANGE,	/* one VMA was copied during a fork */
	COWSCOPE_EVENT_EARLY_COPY,	/* fork copied a page at once: pinned */
	COWSCOPE_EVENT_CLEAR_REFS,	/* a write to /proc/PID/clear_refs ended */
	COWSCOPE_EVENT_UFFD_WP,		/* an UFFDIO_WRITEPROTECT ended */
	COWSCOPE_EVENT_PAGEMAP_SCAN,	/* a PAGEMAP_SCAN that write-protects ended */
	COWSCOPE_EVENT_WRPROTECT,	/* a page that somebody holds beyond its
					 * mappings was write-protected in place
					 */
	COWSCOPE_EVENT_PIN,		/* PIN, HOLD or MIRROR */
	COWSCOPE_EVENT_UNPIN,		/* ... was undone */
	COWSCOPE_EVENT_PIN_LOST,	/* a holder known to cowscope lost a page */
	COWSCOPE_EVENT_MIRROR,		/* a mirror was told to let go of a range */
	COWSCOPE_EVENT_MARK,		/* a text, from COWSCOPE_MARK */
	COWSCOPE_EVENTS
};

/* At which page-table level. */
enum cowscope_level {
	COWSCOPE_LEVEL_NONE,
	COWSCOPE_LEVEL_PTE,
	COWSCOPE_LEVEL_PMD,
	COWSCOPE_LEVEL_HUGETLB,
	COWSCOPE_LEVELS
};

/* What a page is. */
enum cowscope_kind {
	COWSCOPE_KIND_UNKNOWN,
	COWSCOPE_KIND_ANON,
	COWSCOPE_KIND_KSM,
	COWSCOPE_KIND_FILE,	/* page cache, mapped privately or shared */
	COWSCOPE_KIND_SHMEM,	/* tmpfs, memfd, shared anonymous memory */
	COWSCOPE_KIND_HUGETLB,
	COWSCOPE_KIND_ZERO,	/* the zero page */
	COWSCOPE_KIND_PFN,	/* no struct page to look at: device memory */
	COWSCOPE_KINDS
};

/* What the kernel did, or is predicted to do. */
enum cowscope_decision {
	COWSCOPE_DECISION_NONE,	/* not known */
	COWSCOPE_COPY,		/* the PTE points to a new page now */
	COWSCOPE_REUSE,		/* the PTE was made writable in place */
	COWSCOPE_UNSHARE,	/* a FAULT_FLAG_UNSHARE fault, made for a
				 * read-only pin; before and after tell whether
				 * the page was copied
				 */
	COWSCOPE_UFFD,		/* left to a userfaultfd write-protect handler */
	COWSCOPE_SPLIT,		/* a huge mapping was split, PTE faults follow */
	COWSCOPE_RACED,		/* somebody else changed the PTE meanwhile, this
				 * fault did nothing; as a prediction: wrong, as
				 * the page changed between look and decision
				 */
	COWSCOPE_RETRY,		/* the fault is retried, nothing was decided */
	COWSCOPE_FAILED,	/* out of memory, SIGBUS, poisoned page */
	COWSCOPE_EITHER,	/* as a prediction only: it hangs on what cannot
				 * be read (whose LRU cache, a swap slot's users,
				 * a filesystem's page_mkwrite), or on the rule
				 * in force, until that is told (CONTROL's RULE)
				 */
	COWSCOPE_DECISIONS
};

/* What the decision meant: the first row that holds. */
enum cowscope_verdict {
	COWSCOPE_VERDICT_NONE,		/* nothing copied, nothing reused */
	COWSCOPE_VERDICT_LEAK,		/* reuse while another process than the
					 * writer certainly holds a reference
					 */
	COWSCOPE_VERDICT_PIN_LOST,	/* copy while a reference or pin taken
					 * through the writer's own mapping is
					 * certainly held
					 */
	COWSCOPE_VERDICT_MAYBE_LOST,	/* copy, references are unexplained */
	COWSCOPE_VERDICT_NEEDED,	/* copy of a page that another process
					 * maps or certainly holds, or of KSM, the
					 * zero page or a file; nothing unexplained
					 */
	COWSCOPE_VERDICT_SUPERFLUOUS,	/* copy, though nobody else maps the page
					 * and every reference is explained
					 */
	COWSCOPE_VERDICT_FINE,		/* reuse that harmed nobody */
	COWSCOPE_VERDICT_UNKNOWN,	/* not enough was read to say, as with a copy
					 * of a page in the swap cache: others may
					 * have it by its swap entry
					 */
	COWSCOPE_VERDICTS
};

/* The rules that have shipped. */
enum cowscope_rule {
	COWSCOPE_RULE_MAPCOUNT,		/* up to 5.8 */
	COWSCOPE_RULE_PAGE_COUNT,	/* 5.9 to 5.18 */
	COWSCOPE_RULE_EXCLUSIVE,	/* 5.19 on */
	COWSCOPE_RULES
};

/* When a PTE-mapped large folio that is not exclusive is reused. */
enum cowscope_large_rule {
	COWSCOPE_LARGE_AS_SMALL,	/* by the folio's references: 5.19 on */
	COWSCOPE_LARGE_NEVER,		/* 6.7 on */
	COWSCOPE_LARGE_MAPPINGS,	/* if all references are mappings of the
					 * writer's own mm: 6.15 on
					 */
	COWSCOPE_LARGE_RULES
};

enum cowscope_tri {
	COWSCOPE_NA,			/* does not exist here, or not read */
	COWSCOPE_NO,
	COWSCOPE_YES,
};

/* Which operation write-protected a page. */
enum cowscope_source {
	COWSCOPE_SOURCE_NONE,
	COWSCOPE_SOURCE_CLEAR_REFS,
	COWSCOPE_SOURCE_UFFD_WP,
	COWSCOPE_SOURCE_MPROTECT,
	COWSCOPE_SOURCE_PAGEMAP_SCAN,
	COWSCOPE_SOURCE_NUMA,	/* made PROT_NONE for a NUMA hinting fault */
	COWSCOPE_SOURCES
};

/* Why a mirror was told: enum mmu_notifier_event of the kernel. */
enum cowscope_invalidation {
	COWSCOPE_INVALIDATION_NONE,	/* one that this version does not know */
	COWSCOPE_INVALIDATION_UNMAP,	/* munmap, mremap */
	COWSCOPE_INVALIDATION_CLEAR,	/* entries go: a copy, MADV_DONTNEED, KSM */
	COWSCOPE_INVALIDATION_PROTECTION_VMA,	/* mprotect, UFFDIO_WRITEPROTECT */
	COWSCOPE_INVALIDATION_PROTECTION_PAGE,	/* fork, writeback */
	COWSCOPE_INVALIDATION_SOFT_DIRTY,	/* clear_refs: all addresses */
	COWSCOPE_INVALIDATION_RELEASE,	/* the memory goes with its last process */
	COWSCOPE_INVALIDATION_MIGRATE,	/* to or from a device's own memory */
	COWSCOPE_INVALIDATION_EXCLUSIVE,	/* a device's atomic access */
	COWSCOPE_INVALIDATIONS
};

/* How the mmap_lock of the target was held. */
enum cowscope_lock {
	COWSCOPE_LOCK_UNKNOWN,
	COWSCOPE_LOCK_READ,
	COWSCOPE_LOCK_WRITE,
	COWSCOPE_LOCKS
};

/*
 * A PTE (.before, .after, .pte below): the pfn in the low 40 bits, what else
 * was read of it in the upper 24. One that was not read is 0; one that was
 * read and is not present is COWSCOPE_PTE_READ with pfn 0.
 */
#define COWSCOPE_PTE_PFN(p)	((p) & ((1ULL << 40) - 1))
#define COWSCOPE_PTE_PRESENT	(1ULL << 40)
#define COWSCOPE_PTE_WRITE	(1ULL << 41)
#define COWSCOPE_PTE_DIRTY	(1ULL << 42)
#define COWSCOPE_PTE_SOFT_DIRTY	(1ULL << 43)
#define COWSCOPE_PTE_UFFD_WP	(1ULL << 44)
#define COWSCOPE_PTE_SPECIAL	(1ULL << 45)
#define COWSCOPE_PTE_PROTNONE	(1ULL << 46)
#define COWSCOPE_PTE_YOUNG	(1ULL << 47)
#define COWSCOPE_PTE_HUGE	(1ULL << 48)	/* a PMD or PUD maps it */
#define COWSCOPE_PTE_READ	(1ULL << 63)	/* it was read at all */

/*
 * A page's state: kind in bits 0-3, order of its folio in 4-8, level in 9-10,
 * exclusive in 11-12 and pinned in 13-14 (both enum cowscope_tri), then single
 * bits. "pinned" is the kernel's own guess, page_maybe_dma_pinned(): 1024 or
 * more references on a small page, a count of pins shared by the whole folio
 * on a large one.
 */
#define COWSCOPE_STATE_LEVEL_SHIFT	9
#define COWSCOPE_STATE_ORDER_SHIFT	4
#define COWSCOPE_STATE_EXCLUSIVE_SHIFT	11
#define COWSCOPE_STATE_PINNED_SHIFT	13
#define COWSCOPE_STATE_KIND(s)		((s) & 0xf)
#define COWSCOPE_STATE_ORDER(s)		((s) >> COWSCOPE_STATE_ORDER_SHIFT & 0x1f)
#define COWSCOPE_STATE_LEVEL(s)		((s) >> COWSCOPE_STATE_LEVEL_SHIFT & 3)
#define COWSCOPE_STATE_EXCLUSIVE(s)	((s) >> COWSCOPE_STATE_EXCLUSIVE_SHIFT & 3)
#define COWSCOPE_STATE_PINNED(s)	((s) >> COWSCOPE_STATE_PINNED_SHIFT & 3)
#define COWSCOPE_STATE_SWAPCACHE	(1U << 15)
#define COWSCOPE_STATE_LRU		(1U << 16)
#define COWSCOPE_STATE_LOCKED		(1U << 17)
#define COWSCOPE_STATE_WRITEBACK	(1U << 18)
#define COWSCOPE_STATE_PRIVATE		(1U << 19)	/* fs data: one reference */
#define COWSCOPE_STATE_MAPPING		(1U << 20)	/* in the page cache */
#define COWSCOPE_STATE_SHARED_VMA	(1U << 21)	/* a MAP_SHARED mapping */
#define COWSCOPE_STATE_MM_PINNED	(1U << 22)	/* the mm ever used FOLL_PIN */
#define COWSCOPE_STATE_REMOTE		(1U << 23)	/* fault on another's behalf */
#define COWSCOPE_STATE_MM_SHARED	(1U << 24)	/* large folio: the kernel says
							 * that several mms map it
							 */
#define COWSCOPE_STATE_SWAPIN		(1U << 25)	/* do_swap_page() decided */

/*
 * In a cow_fault that copied or reused a private page, bits 26-28 of the state
 * are the verdict on the other decision: enum cowscope_verdict, of a copy if the
 * page was reused, of a reuse if it was copied.
 */
#define COWSCOPE_STATE_OTHERWISE_SHIFT	26
#define COWSCOPE_STATE_OTHERWISE(s)	((s) >> COWSCOPE_STATE_OTHERWISE_SHIFT & 7)
#define COWSCOPE_STATE_CACHED_ONCE	(1U << 29)	/* the page cache holds one
							 * reference on the folio, not
							 * one a page: hugetlb up to 6.6
							 */

/* A count that this kernel does not keep, or that was not read. */
#define COWSCOPE_COUNT_NA		(-1)

/*
 * One event. Which fields hold follows from type:
 *
 * cow_fault    addr, before, after, refcount, mapcount, state, holder,
 *              duration, ret, outcome, rules, verdict
 * early_copy   addr, before, refcount, mapcount, state, holder of the parent's
 *              page; after: the pfn of the child's copy
 * wrprotect    addr, before, refcount, mapcount, state, holder, source, lock
 * pin, unpin   holder (the id), flags (COWSCOPE_PIN_*), pages; addr, before,
 *              refcount, mapcount, state of the first page
 * pin_lost     holder, flags; addr; before: the page that the holder keeps,
 *              after: the page with which the process goes on
 * mirror       start, end: what the kernel invalidates; mirror: the id; target;
 *              arg: enum cowscope_invalidation; seen: pages that the mirror had
 *              mapped in there, changed: those that it dropped, held: those that
 *              it keeps all the same; op_duration; error: EAGAIN if it was asked
 *              not to sleep and had to, then it dropped nothing and is asked again
 * fork, fork_range, clear_refs, uffd_wp, pagemap_scan
 *              the fields of op
 *              wrongly_left: pages that clear_refs left writable and soft-dirty
 *              as if pinned, though nobody can have pinned them: so many of the
 *              references of a small page, or all pins of a large folio, are
 *              known to be something else;
 *              wrongly_cleared: pages that lost the soft-dirty bit though
 *              pinned, so what a device writes next goes unseen. Pinned by
 *              cowscope, or by others as the kernel's count of pins says: one
 *              page a pin where a huge entry maps the folio, none where PTEs map
 *              it, as it cannot be known which page is meant
 * mark         text, zero padded, not terminated where it fills the field
 *
 * At level pmd and hugetlb one entry maps a whole folio: addr is its first
 * address, the pfns are those of its first page, and who holds any of its pages
 * holds it. A split leaves no entry to read: after is 0. pin_lost names a holder
 * once there, with the first page that it lost.
 *
 * refcount, mapcount and state belong to the page of .before and were read with
 * it, less the references that a hugetlb fault itself holds meanwhile. A cow_fault with COWSCOPE_STATE_SWAPIN had no page before: they are those
 * of the page of .after when do_swap_page() returned, the new mapping included.
 * mapcount counts the mappings of that very page, or is COWSCOPE_COUNT_NA
 * where the kernel does not count single pages. holder is 0 or the id of one
 * reference or pin of cowscope's on that page, of the faulting process's own
 * ones first.
 */
struct cowscope_record {
	__u64 ts;		/* CLOCK_MONOTONIC, ns, at the end of the event */
	__u32 pid;		/* the thread, in the initial pid namespace */
	__u16 cpu;
	__u8 type;		/* enum cowscope_event */
	__u8 verdict;		/* enum cowscope_verdict */
	union {
		struct {
			__u64 addr;
			__u64 before;		/* COWSCOPE_PTE_* */
			__s32 refcount;
			__s32 mapcount;
			__u32 state;		/* COWSCOPE_STATE_* */
			__u32 holder;
			union {
				__u64 after;	/* COWSCOPE_PTE_* */
				__u64 pages;
			};
			union {
				__u32 duration;	/* ns, at most 2^32 - 1 */
				__u32 flags;	/* COWSCOPE_PIN_* */
				struct {
					__u8 source;	/* enum cowscope_source */
					__u8 lock;	/* enum cowscope_lock */
				};
			};
			__u16 ret;		/* vm_fault_t, the low 16 bits */
			__u8 outcome;		/* COWSCOPE_OUTCOME() */
			__u8 rules;		/* COWSCOPE_RULES_WOULD() */
		};
		struct {
			union {
				struct {
					__u64 start;	/* the addresses [start, end) */
					__u64 end;
				};
				struct {	/* clear_refs: pages ... */
					__u32 wrongly_left;
					__u32 wrongly_cleared;
					__u32 soft_dirty;	/* ... afterwards */
					__u32 op_pad;
				};
			};
			__u64 op_duration; /* ns */
			__u32 target;	/* tgid whose memory it is, 0 if that is not
					 * known (another process's, on a kernel
					 * without CONFIG_MEMCG); fork: the
					 * child's pid; fork_range: 0
					 */
			__u32 seen;	/* pages looked at, none when uffd_wp
					 * unprotects; fork, fork_range: pages that
					 * the child got, shared or copied
					 */
			__u32 changed;	/* clear_refs, pagemap_scan: pages that lost
					 * their write bit; uffd_wp: entries that the
					 * kernel rewrote, whether or not a bit
					 * differed; fork, fork_range: pages copied
					 * at once
					 */
			union {
				__u32 pinned;	/* clear_refs: skipped, as
						 * pinned; uffd_wp, pagemap_scan:
						 * write-protected though pinned;
						 * fork, fork_range: huge mappings
						 * of the parent that were split
						 */
				__u32 mirror;	/* its id */
			};
			__u32 held;	/* with unexplained references or pins;
					 * fork: VMAs copied
					 */
			__u8 arg;	/* clear_refs: the number written;
					 * uffd_wp: 1 protect, 0 unprotect;
					 * mirror: enum cowscope_invalidation
					 */
			__u8 op_lock;	/* enum cowscope_lock */
			__u8 op_flags;	/* COWSCOPE_OP_* */
			__s8 error;	/* 0 or a negative errno, at least -127 */
		};
		char text[48];
	};
};

#define COWSCOPE_OUTCOME(decision, predicted)	((decision) | (predicted) << 4)
#define COWSCOPE_OUTCOME_DECISION(o)		((o) & 0xf)
#define COWSCOPE_OUTCOME_PREDICTED(o)		((o) >> 4)

/*
 * What a rule would have decided by its criterion, two bits each: COWSCOPE_COPY
 * (at level pmd: split and then copy), COWSCOPE_REUSE, or 0 where what it goes
 * by is not known on this kernel, of shared mappings, and of a page swapped in,
 * which is read after its swap entry and with that the decision's reason is gone.
 */
#define COWSCOPE_RULES_WOULD(r, rule)		((r) >> 2 * (rule) & 3)

#define COWSCOPE_OP_PARTIAL	(1U << 0)	/* not all pages were looked at */

/* First page of the ring of one CPU; records follow at ring_data_offset. */
struct cowscope_ring {
	__u64 head;		/* records written since the module was loaded */
};

/* The name of a thread; see "Names" above. */
struct cowscope_task {
	__u32 pid;
	__u32 tgid;
	char comm[16];
	__u64 pad;
};

/*
 * A recording: this header, then records in the order of time, then tasks
 * named by them. All numbers are little endian.
 */
#define COWSCOPE_FILE_MAGIC	0x65706f6373776f63ULL	/* "cowscope" */
struct cowscope_file_header {
	__u64 magic;
	__u32 header_size;	/* sizeof(struct cowscope_file_header) */
	__u32 record_size;	/* sizeof(struct cowscope_record) */
	__u64 records;		/* number of records that follow, or 2^64 - 1 if
				 * the recording did not end: read to its end
				 */
	__u64 tasks;		/* number of struct cowscope_task after them */
	__u64 lost;		/* records overwritten before they were read */
	__u64 missed;		/* events that the kernel could not record */
	__u32 rule;		/* enum cowscope_rule in force */
	__u32 pad;
	char release[64];	/* kernel release */
	char version[16];	/* of cowscope */
};

enum cowscope_recording {
	COWSCOPE_RECORDING_OFF,
	COWSCOPE_RECORDING_ON,
	COWSCOPE_RECORDING_COUNT,	/* counters only */
};

/*
 * COWSCOPE_INFO: what the module is and where the rings are. Never fails but
 * for the errors of every ioctl.
 */
struct cowscope_info {
	__u32 size;		/* [in] */
	__u32 cpus;		/* [out] rings */
	__u32 ring_records;	/* [out] records in a ring, a power of two */
	__u32 tasks;		/* [out] entries of the table of names, likewise */
	__u64 map_size;		/* [out] bytes to map from offset 0 */
	__u64 rings_offset;	/* [out] bytes */
	__u64 ring_stride;	/* [out] bytes from ring to ring */
	__u32 ring_data_offset;	/* [out] bytes from a ring to its records */
	__u32 rule;		/* [out] enum cowscope_rule in force here, as far
				 * as is known
				 */
	__u32 events;		/* [out] 1 << enum cowscope_event for each that
				 * this kernel lets cowscope see
				 */
	__u32 enabled;		/* [out] enum cowscope_recording */
	__u32 large_rule;	/* [out] enum cowscope_large_rule in force here */
	__u32 rule_found;	/* [out] how `rule` is known. 0: kernels of this
				 * version go by it; 1: told by CONTROL
				 */
	char version[16];	/* [out] of the module */
};

/*
 * COWSCOPE_CONTROL: switch recording, filter by process.
 *
 * ENABLE and DISABLE arm and disarm every probe; they sleep. COUNT arms them
 * too, but only counters are kept: no record is written, not of PIN, HOLD,
 * MIRROR or MARK either, which are recorded while probes are disarmed. Each may be
 * given twice, and after any other. ENABLE and COUNT fail with the error of the core
 * probe (ENOENT, EINVAL) if that cannot be armed, see debugfs cowscope/probes, and with
 * EBUSY if kernel.ftrace_enabled is 0, which the kernel refuses to set while they are armed;
 * with ENOMEM if there is no memory to arm one of them. Then none is armed.
 *
 * FOLLOW records only what the process of thread `pid` (in the caller's pid
 * namespace) and its descendants do, or what is done to their memory; given
 * again, it adds another. What others do is counted as filtered. FOLLOW_ALL
 * follows nobody any more; what FILTER set stays. The filter belongs to the open
 * file that set it. ESRCH: no such process. EBUSY: another open file has set one.
 * EOPNOTSUPP: this kernel has no sched_process_fork tracepoint to follow.
 *
 * RULE tells by which `rule` the kernel's do_wp_page() decides, as somebody has
 * found by experiment: a kernel may be patched. Predictions go by it from now on,
 * of whichever open file and until the module is unloaded; told again, the last
 * one counts. EINVAL: no such rule, or COWSCOPE_RULE_EXCLUSIVE on a kernel without
 * PageAnonExclusive.
 */
enum cowscope_control_op {
	COWSCOPE_CONTROL_ENABLE = 1,
	COWSCOPE_CONTROL_DISABLE,
	COWSCOPE_CONTROL_FOLLOW,
	COWSCOPE_CONTROL_FOLLOW_ALL,
	COWSCOPE_CONTROL_COUNT,
	COWSCOPE_CONTROL_RULE,
};

struct cowscope_control {
	__u32 size;		/* [in] */
	__u32 op;		/* [in] enum cowscope_control_op */
	union {
		__u32 pid;	/* [in] of FOLLOW */
		__u32 rule;	/* [in] of RULE: enum cowscope_rule */
	};			/* else 0 */
	__u32 pad;
};

/*
 * COWSCOPE_FILTER: which events are recorded, in addition to CONTROL's FOLLOW;
 * an event is recorded if it passes every part. Sets all parts at once; all
 * zero records everything. The filter belongs to the open file that set it,
 * together with that of FOLLOW. EBUSY: another open file has set a filter.
 * EINVAL: a bit of no event or verdict, start not below end, a comm that is not
 * zero padded.
 *
 * What `events`, `start` and `comm` leave out of cow_fault is left out at the
 * fault's entry, counts as filtered there and takes no return probe. The rest
 * is counted as ever and not written: "unrecorded.EVENT" in the counters. The
 * probe of cow_fault sees pin_lost, too: `events` leaves a fault out at its entry
 * only if neither is wanted.
 */
struct cowscope_filter {
	__u32 size;		/* [in] */
	__u32 events;		/* [in] 1 << enum cowscope_event each, 0: all */
	__u32 verdicts;		/* [in] 1 << enum cowscope_verdict each, of
				 * cow_fault; 0: all
				 */
	__u32 pad;
	__u64 start;		/* [in] only what touches [start, end), by whole */
	__u64 end;		/* [in] pages; what has no address passes; both 0:
				 * all
				 */
	char comm[16];		/* [in] only threads of that name, zero padded, cut
				 * to 15 characters as the kernel does; empty: all
				 */
};

/*
 * COWSCOPE_STATS: the counters as text, one "name value" a line, the same as
 * debugfs cowscope/stats. Names are dotted and stable; there may be more in
 * later versions. Writes at most `len` bytes and sets `len` to the length of
 * the whole text, so a caller that got more than it gave room for calls again.
 */
struct cowscope_stats {
	__u32 size;		/* [in] */
	__u32 pad;
	__u64 buf;		/* [in] pointer */
	__u64 len;		/* [in/out] bytes */
};

/*
 * COWSCOPE_PIN: take a reference or pin on every page of a range of the
 * caller's memory, as a driver would; faults pages in. Not partial: all or
 * nothing.
 *
 * flags: COWSCOPE_PIN_FOLL_PIN takes pins (pin_user_pages), without it
 * references (get_user_pages). _WRITE: for writing by the holder (FOLL_WRITE).
 * _LONGTERM: FOLL_LONGTERM, only with FOLL_PIN; the kernel may migrate the page
 * first. _FAST: pin_user_pages_fast() or get_user_pages_fast() instead of the
 * path under mmap_lock.
 *
 * The pages count against RLIMIT_MEMLOCK of the caller's process unless it
 * has CAP_IPC_LOCK, until they are returned.
 *
 * EINVAL: addr or length not a multiple of the page size, length 0, LONGTERM
 * without FOLL_PIN. ENOMEM: over RLIMIT_MEMLOCK, or out of memory. EFAULT: not
 * all of the range can be had. ENOSPC: over 1024 pins in this open file, over
 * 2^20 pages in all, or one page over some 4000 times, as the zero page is in memory
 * that was never written: a fault looks at each holder of its page. Others as of
 * get_user_pages(9). Sleeps, takes mmap_lock of the caller for reading.
 */
#define COWSCOPE_PIN_FOLL_PIN	(1U << 0)
#define COWSCOPE_PIN_WRITE	(1U << 1)
#define COWSCOPE_PIN_LONGTERM	(1U << 2)
#define COWSCOPE_PIN_FAST	(1U << 3)
/* Not for PIN: in records and in PIN_STATE they say what else it is. */
#define COWSCOPE_PIN_SPECULATIVE (1U << 4)	/* of HOLD */
#define COWSCOPE_PIN_MIRROR	(1U << 5)	/* of MIRROR; then also these two: */
#define COWSCOPE_PIN_MIRROR_GET	(1U << 6)
#define COWSCOPE_PIN_MIRROR_KEEP (1U << 7)

struct cowscope_pin {
	__u32 size;		/* [in] */
	__u32 flags;		/* [in] COWSCOPE_PIN_* */
	__u64 addr;		/* [in] */
	__u64 length;		/* [in] bytes */
	__u32 id;		/* [out] names it from now on, never 0 nor reused
				 * while the module is loaded
				 */
	__u32 pad;
};

/*
 * COWSCOPE_HOLD: take a reference as a look-up that passes by does
 * (get_page_unless_zero()), on every page that the caller's page tables map in
 * a range. That is not GUP: nothing is faulted in, no mmu notifier and no LRU
 * cache hears of it, and nobody asks for access. Not partial.
 *
 * READ, PIN_STATE and UNPIN take its id, WRITE says EPERM. Its reference is
 * explained, but who passes by loses nothing: it is not among the `holders` of
 * struct cowscope_page and in no record's `holder`, there is no pin_lost of it,
 * and a copy that nothing else speaks for is superfluous. Limits and accounting
 * are those of PIN.
 *
 * Errors are those of PIN; EFAULT: a page is not present, or has none that can be
 * counted: the zero page, whose references the kernel does not keep count of on
 * all versions, or device memory without a struct page. Takes mmap_lock of the
 * caller for reading.
 */
struct cowscope_hold {
	__u32 size;		/* [in] */
	__u32 pad;
	__u64 addr;		/* [in] */
	__u64 length;		/* [in] bytes */
	__u32 id;		/* [out] as of PIN */
	__u32 pad2;
};

/*
 * COWSCOPE_MIRROR: a secondary MMU, as of a GPU: maps a range of the caller's
 * memory into a device that is not there, and has an mmu_interval_notifier tell it
 * what happens to that range. Faults pages in. All or nothing.
 *
 * READ and WRITE with its id are accesses of the device. What is not mapped (any
 * more) the device faults in again through the page tables of that process,
 * whoever calls, and so sees what the process sees. UNPIN removes it.
 *
 * flags: COWSCOPE_MIRROR_WRITE maps for writing (FOLL_WRITE). Without others the
 * mirror holds no reference: it puts that of its look-up at once, and the notifier
 * alone keeps it right. COWSCOPE_MIRROR_GET: it holds a FOLL_GET reference on
 * each page that it maps, and drops it when told. COWSCOPE_MIRROR_KEEP, only with
 * GET: it goes on with page and reference whatever it is told, as a driver
 * that drops mappings late, until RELEASE.
 *
 * Each time it is told there is a `mirror` record. A reference that is dropped when
 * told is explained, but as it is dropped before another page takes the place of
 * this one, a copy cannot leave it behind: it is not among `holders`, as with HOLD,
 * and a copy is judged by who holds the page when that is done. Should it be there
 * still, that is pin_lost, as it is of one with KEEP, which is a holder as of PIN.
 *
 * The memory may go before the mirror does (exit, exec): it drops everything, READ
 * and WRITE say ESRCH, PIN_STATE COWSCOPE_NA. Limits and accounting are those of
 * PIN.
 *
 * EOPNOTSUPP: a kernel without CONFIG_MMU_NOTIFIER. EINVAL: KEEP without GET.
 * EINTR: also of a signal that is not fatal, as the first mirror of a process takes
 * all locks of its mm. Others as of PIN. READ and WRITE also: EFAULT: the page cannot be had, or not to
 * write, or only by a userfaultfd handler, for which no device waits here. ENOSPC: it
 * is held too often already. EPERM: WRITE without COWSCOPE_MIRROR_WRITE. Sleeps, takes mmap_lock of the caller
 * for writing, then of the mirrored memory for reading.
 */
#define COWSCOPE_MIRROR_WRITE	COWSCOPE_PIN_WRITE
#define COWSCOPE_MIRROR_GET	COWSCOPE_PIN_MIRROR_GET
#define COWSCOPE_MIRROR_KEEP	COWSCOPE_PIN_MIRROR_KEEP

struct cowscope_mirror {
	__u32 size;		/* [in] */
	__u32 flags;		/* [in] COWSCOPE_MIRROR_* */
	__u64 addr;		/* [in] */
	__u64 length;		/* [in] bytes */
	__u32 id;		/* [out] as of PIN */
	__u32 pad;
};

/*
 * COWSCOPE_UNPIN: return what PIN or HOLD took, remove what MIRROR made. ENOENT:
 * this open file has no such id.
 */
struct cowscope_unpin {
	__u32 size;		/* [in] */
	__u32 id;		/* [in] */
};

/*
 * COWSCOPE_READ, COWSCOPE_WRITE: as a device would, through the pages that
 * are held and not through the page tables. WRITE marks them dirty. A mirror
 * faults, see there.
 *
 * ENOENT: no such id. ENOMEM. EINVAL: not all of [offset, offset + length) is held.
 * EPERM: WRITE through what was not taken with COWSCOPE_PIN_WRITE. On EFAULT
 * a part may have been copied. Sleeps.
 */
struct cowscope_rw {
	__u32 size;		/* [in] */
	__u32 id;		/* [in] */
	__u64 offset;		/* [in] bytes from the start of what is held */
	__u64 length;		/* [in] bytes */
	__u64 data;		/* [in] pointer to copy to or from */
};

/*
 * A page as it is now. Read without stopping anybody: each count is true of
 * some moment during the call, and all were read within one go.
 */
struct cowscope_page {
	__u64 addr;
	__u64 pte;		/* COWSCOPE_PTE_* */
	__u32 state;		/* COWSCOPE_STATE_* */
	__s32 refcount;		/* of the folio */
	__s32 mapcount;		/* of this page; COWSCOPE_COUNT_NA: not counted */
	__s32 folio_mapcount;	/* of all pages of the folio; likewise */
	__s32 pincount;		/* of a large folio; likewise */
	__u32 holders;		/* references and pins of cowscope's on it that
				 * a copy would leave behind
				 */
	__s32 explained;	/* references that are explained: by mappings, swap
				 * cache, page cache, fs data, an LRU cache and
				 * cowscope's own; COWSCOPE_COUNT_NA: not known
				 */
	__u32 holder;		/* id of one of the holders, or 0 */
};

/*
 * COWSCOPE_PIN_STATE: does the holder still hold what the process maps?
 *
 * coherent is COWSCOPE_YES if the page held at `offset` is the one mapped at
 * its address in the process that took it, COWSCOPE_NO if another page or
 * none is mapped there, COWSCOPE_NA if that process is gone, or a mirror has
 * nothing mapped there (then held.pte is COWSCOPE_PTE_READ).
 * ENOENT: no such id. EINVAL: offset outside. Takes the mmap_lock of that
 * process for reading.
 */
struct cowscope_pin_state {
	__u32 size;		/* [in] */
	__u32 id;		/* [in] */
	__u64 offset;		/* [in] bytes */
	__u32 coherent;		/* [out] enum cowscope_tri */
	__u32 flags;		/* [out] COWSCOPE_PIN_* */
	struct cowscope_page held;	/* [out] .pte: pfn, READ and PRESENT only */
	struct cowscope_page mapped;	/* [out] */
};

/*
 * COWSCOPE_PAGE_STATE: the pages at addr, addr + page size, ... of a process.
 * pid 0 is the caller; another process needs CAP_SYS_PTRACE. Nothing is
 * faulted in.
 *
 * count: room in `pages` in, entries written out. Pages outside any mapping
 * get an entry too, with COWSCOPE_PTE_READ alone. EINVAL: addr not a multiple
 * of the page size, or the range wraps. ESRCH: no such process, or one without
 * memory. EPERM. Takes the mmap_lock of that process for reading, in turns.
 */
struct cowscope_page_state {
	__u32 size;		/* [in] */
	__u32 pid;		/* [in] */
	__u64 addr;		/* [in] */
	__u64 count;		/* [in/out] */
	__u64 pages;		/* [in] pointer to struct cowscope_page */
};

/* COWSCOPE_MARK: writes a record with a text; goes through the filter. */
struct cowscope_mark {
	__u32 size;		/* [in] */
	__u32 pad;
	char text[48];		/* [in] zero padded, printable; others become '?' */
};

#define COWSCOPE_IOC		0xc5
#define COWSCOPE_INFO		_IOWR(COWSCOPE_IOC, 0, struct cowscope_info)
#define COWSCOPE_CONTROL	_IOW(COWSCOPE_IOC, 1, struct cowscope_control)
#define COWSCOPE_STATS		_IOWR(COWSCOPE_IOC, 2, struct cowscope_stats)
#define COWSCOPE_PIN		_IOWR(COWSCOPE_IOC, 3, struct cowscope_pin)
#define COWSCOPE_UNPIN		_IOW(COWSCOPE_IOC, 4, struct cowscope_unpin)
#define COWSCOPE_READ		_IOW(COWSCOPE_IOC, 5, struct cowscope_rw)
#define COWSCOPE_WRITE		_IOW(COWSCOPE_IOC, 6, struct cowscope_rw)
#define COWSCOPE_PIN_STATE	_IOWR(COWSCOPE_IOC, 7, struct cowscope_pin_state)
#define COWSCOPE_PAGE_STATE	_IOWR(COWSCOPE_IOC, 8, struct cowscope_page_state)
#define COWSCOPE_MARK		_IOW(COWSCOPE_IOC, 9, struct cowscope_mark)
#define COWSCOPE_FILTER		_IOW(COWSCOPE_IOC, 10, struct cowscope_filter)
#define COWSCOPE_HOLD		_IOWR(COWSCOPE_IOC, 11, struct cowscope_hold)
#define COWSCOPE_MIRROR		_IOWR(COWSCOPE_IOC, 12, struct cowscope_mirror)

#endif /* _UAPI_LINUX_COWSCOPE_H */
