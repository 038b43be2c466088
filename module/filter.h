/* SPDX-License-Identifier: GPL-2.0 */
/* Recording only some processes and their descendants. */
#ifndef COWSCOPE_FILTER_H
#define COWSCOPE_FILTER_H

#include <linux/mm_types.h>
#include <linux/types.h>

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

/* Records everything again, if @owner has set the filter; else -EBUSY. */
int filter_clear(const void *owner);

bool filter_active(void);

/**
 * filter_pass - is an event of the current task in @mm to be recorded?
 * @mm: whose memory it is about, or NULL for the current task's own
 *
 * Any context; takes no lock.
 */
bool filter_pass(struct mm_struct *mm);

/* The tgid whose memory it is, 0 if not known. Any context. */
u32 filter_mm_tgid(struct mm_struct *mm);

#endif
