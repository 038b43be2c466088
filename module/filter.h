/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Recording only some events: of some processes and their descendants
 * (CONTROL's FOLLOW), and what a struct cowscope_filter lets through.
 */
#ifndef COWSCOPE_FILTER_H
#define COWSCOPE_FILTER_H

#include <linux/bitops.h>
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/mm_types.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/types.h>
#include <linux/cowscope.h>
#include "match.h"

int filter_init(void);
void filter_exit(void);

/**
 * filter_follow - record only this process and its descendants; adds to what
 * is followed already
 * @owner: the open file; another owner's filter is -EBUSY
 * @pid: of any thread of it, in the caller's pid namespace
 *
 * Descendants that exist are found now, later ones as they are forked. Sleeps.
 */
int filter_follow(const void *owner, u32 pid);

/* Follows nobody any more; -EBUSY if another owner has set a filter. Sleeps. */
int filter_follow_all(const void *owner);

/**
 * filter_set - record only what passes this, too
 * @owner: the open file; another owner's filter is -EBUSY
 * @f: all parts at once; -EINVAL if one breaks a rule of the UAPI header
 *
 * When it returns no event passes by what was set before. Sleeps.
 */
int filter_set(const void *owner, const struct cowscope_filter *f);

/* Everything that @owner has set goes. Sleeps. */
void filter_release(const void *owner);

/* The filter in force, one part a line, for a person. */
int filter_show(struct seq_file *m, void *unused);

/* Only for the functions below. */
struct filter {
	bool follow;
	bool match_faults;	/* what it matches may leave one out, besides its verdict */
	struct cowscope_match match;
} ____cacheline_aligned;

/* What is in force, NULL if everything is recorded; see filter.c. */
extern struct filter __rcu *filter_in_force;
/* The same, NULL too if every fault passes at its entry. */
extern struct filter __rcu *filter_at_entry;
extern unsigned long *filter_followed;	/* by tgid */

static inline bool filter_active(void)
{
	return unlikely(rcu_access_pointer(filter_in_force));
}

bool filter_passes_followed(struct mm_struct *mm);
bool filter_passes_fault(struct mm_struct *mm, unsigned long addr, unsigned long size);
bool filter_passes_decided(unsigned long addr, unsigned long size, unsigned int verdict);
bool filter_passes_record(const struct cowscope_record *r);

/**
 * filter_pass - is an event of the current task in @mm one of those followed?
 * @mm: whose memory it is about, or NULL for the current task's own
 *
 * Preemption is off; takes no lock. So for the two below.
 */
static inline bool filter_pass(struct mm_struct *mm)
{
	return !filter_active() || filter_passes_followed(mm);
}

/**
 * filter_pass_fault - may a write fault of the current task pass?
 * @mm: whose memory is written
 * @addr: the first address that the entry maps
 * @size: bytes that it maps
 *
 * By all that is known when it begins.
 */
static inline bool filter_pass_fault(struct mm_struct *mm, unsigned long addr,
				     unsigned long size)
{
	return !unlikely(rcu_access_pointer(filter_at_entry)) ||
	       filter_passes_fault(mm, addr, size);
}

/* Will each one of the current task, whatever it writes to? False if that is not sure. */
static __always_inline bool filter_pass_all_faults(void)
{
	const struct filter *f = rcu_dereference_sched(filter_at_entry);

	return likely(!f) || (!f->match_faults && test_bit(current->tgid, filter_followed));
}

/* May one with that verdict pass? */
static __always_inline bool filter_pass_verdict(unsigned int verdict)
{
	const struct filter *f = rcu_dereference_sched(filter_in_force);

	return likely(!f) || cowscope_match_verdict(&f->match, verdict);
}

/* Does one that passed at entry, now that its verdict is known, too? */
static inline bool filter_pass_decided(unsigned long addr, unsigned long size,
				       unsigned int verdict)
{
	return !filter_active() || filter_passes_decided(addr, size, verdict);
}

/* Does a complete record of the current task pass? What is followed was asked before. */
static inline bool filter_pass_record(const struct cowscope_record *r)
{
	return !filter_active() || filter_passes_record(r);
}

/*
 * The tgid whose memory it is; 0 if not known, as another process's is on a kernel
 * without CONFIG_MEMCG. Any context.
 */
u32 filter_mm_tgid(struct mm_struct *mm);

#endif
