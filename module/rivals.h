/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Faults of several threads on one page: one decides, the others find that done
 * and drop their copies. Since VM_FAULT_WRITE is gone (6.2) the kernel does not
 * say which one did what; whoever returns first is taken to have done it. So the
 * count of copies is right, the thread need not be.
 */
#ifndef COWSCOPE_RIVALS_H
#define COWSCOPE_RIVALS_H

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

/**
 * rivals_join - a fault on a page begins
 * @r: stays where it is until rivals_leave() or rivals_close()
 * @mm: whose fault it is
 * @addr: the page's address
 * @pfn: the page
 *
 * In a probe handler; takes a lock if others use the mm.
 */
void rivals_join(struct rival *r, struct mm_struct *mm, unsigned long addr, u64 pfn);

/**
 * rivals_leave - it ends
 * @r: joined
 * @decided: the page was copied or reused
 *
 * Returns whether that was another fault's doing. What did not join, or has left,
 * has no rivals.
 */
bool rivals_leave(struct rival *r, bool decided);

/*
 * Before the first probe is disarmed: those of its calls that are under way go
 * then, while handlers of other probes still run. Sleeps.
 */
void rivals_close(void);

/* Forgets all, and opens again; when no probe is armed. */
void rivals_reset(void);

#endif
