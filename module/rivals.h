/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Faults of several threads on one page: one decides, the others find that done
 * and drop their copies. Since VM_FAULT_WRITE is gone (6.2) the kernel does not
 * say which one did what; whoever returns first is taken to have done it. So the
 * count of copies is right, the thread need not be.
 */
#ifndef COWSCOPE_RIVALS_H
#define COWSCOPE_RIVALS_H

#include <linux/atomic.h>
#include <linux/mm_types.h>

struct rival {
	struct hlist_node node;
	struct mm_struct *mm;
	unsigned long addr;
	u64 pfn;
	bool open;		/* between join and leave */
	bool listed;
	bool beaten;		/* another one has decided */
};

void rivals_list(struct rival *r);
bool rivals_settle(struct rival *r, bool decided);

/**
 * rivals_join - a fault on a page begins
 * @r: stays where it is until rivals_leave() or rivals_close()
 * @mm: whose fault it is
 * @addr: the page's address
 * @pfn: the page
 *
 * In a probe handler; takes a lock if others use the mm.
 */
static __always_inline void rivals_join(struct rival *r, struct mm_struct *mm,
					unsigned long addr, u64 pfn)
{
	r->mm = mm;
	r->addr = addr;
	r->pfn = pfn;
	r->beaten = false;
	r->open = true;
	r->listed = false;
	/* A thread alone has none but who writes on its behalf: see below. */
	if (atomic_read(&mm->mm_users) > 1)
		rivals_list(r);
}

/**
 * rivals_leave - it ends
 * @r: joined
 * @decided: the page was copied or reused
 *
 * Returns whether that was another fault's doing. What did not join, or has left,
 * has no rivals.
 */
static __always_inline bool rivals_leave(struct rival *r, bool decided)
{
	if (!r->open)
		return false;
	r->open = false;
	/* ptrace and the like may have come meanwhile. */
	if (!r->listed && atomic_read(&r->mm->mm_users) <= 1)
		return false;
	return rivals_settle(r, decided);
}

/*
 * Before the first probe is disarmed: those of its calls that are under way go
 * then, while handlers of other probes still run. Sleeps.
 */
void rivals_close(void);

/* Forgets all, and opens again; when no probe is armed. */
void rivals_reset(void);

#endif
