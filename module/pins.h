/* SPDX-License-Identifier: GPL-2.0 */
/* References and pins that open files hold, and who holds a page. */
#ifndef COWSCOPE_PINS_H
#define COWSCOPE_PINS_H

#include <linux/cowscope.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include "rules.h"

/* What one open file holds. */
struct pin_set {
	struct mutex lock;
	struct list_head pins;
	unsigned int count;
};

int pins_init(void);
void pins_exit(void);

void pin_set_init(struct pin_set *set);
/* Returns everything. Sleeps. */
void pin_set_release(struct pin_set *set);

/* The ioctls; see the UAPI header. Structs are checked but for what is said. */
int pins_take(struct pin_set *set, struct cowscope_pin *arg);
int pins_return(struct pin_set *set, u32 id);
int pins_copy(struct pin_set *set, const struct cowscope_rw *arg, bool write);
int pins_state(struct pin_set *set, struct cowscope_pin_state *arg);

/**
 * pins_look - fill in who of cowscope's holds a page
 * @c: its held_* and holder fields are set
 * @pfn: of the page; holders of other pages of its folio count in held_refs
 * @mm: holders through this one are the writer's own
 *
 * Any context; a few loads while nobody holds anything.
 */
void pins_look(struct cowscope_counts *c, unsigned long pfn, struct mm_struct *mm);

/**
 * pins_lost - note that a process goes on with another page
 * @mm: the process
 * @addr: the page's address there
 * @before: PTE before, packed
 * @after: PTE now, packed
 *
 * Writes a pin_lost record for each holder of the page before that took it
 * through @mm and returns how many there are. In a probe handler.
 */
unsigned int pins_lost(struct mm_struct *mm, u64 addr, u64 before, u64 after);

/* Reads a page of a process as struct cowscope_page has it. Sleeps not. */
void pins_page(struct cowscope_page *page, struct mm_struct *mm, u64 addr,
	       unsigned long vm_flags);

/* All that is held, for a person. */
int pins_show(struct seq_file *m, void *unused);

#endif
