/* SPDX-License-Identifier: GPL-2.0 */
/* References and pins that open files hold, and who holds a page. */
#ifndef COWSCOPE_PINS_H
#define COWSCOPE_PINS_H

#include <linux/cowscope.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>

/* What one open file holds. */
struct pin_set {
	struct mutex lock;
	struct list_head pins;
	unsigned int count;
};

void pin_set_init(struct pin_set *set);
/* Returns everything. Sleeps. */
void pin_set_release(struct pin_set *set);

/* The ioctls; see the UAPI header. Structs are checked but for what is said. */
int pins_take(struct pin_set *set, struct cowscope_pin *arg);
int pins_return(struct pin_set *set, u32 id);
int pins_copy(struct pin_set *set, const struct cowscope_rw *arg, bool write);
int pins_state(struct pin_set *set, struct cowscope_pin_state *arg);

/*
 * For others who get pages: flags are COWSCOPE_PIN_*. All sleep.
 * charge: ENOSPC or ENOMEM as of COWSCOPE_PIN; charge_end of as many undoes it.
 * gup: as many pages as one call gives, or an error; takes mmap_lock only with
 * COWSCOPE_PIN_FAST, without it the caller holds it for reading.
 * put: marks them dirty if COWSCOPE_PIN_WRITE is set.
 */
int pins_charge(struct mm_struct *mm, unsigned long pages);
void pins_charge_end(struct mm_struct *mm, unsigned long pages);
long pins_gup(u32 flags, unsigned long addr, unsigned long count, struct page **pages);
void pins_put(u32 flags, struct page **pages, unsigned long count);

/* All that is held, for a person. */
int pins_show(struct seq_file *m, void *unused);

#endif
