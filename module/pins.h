/* SPDX-License-Identifier: GPL-2.0 */
/* References, pins and mirrors that open files hold, by their ids. */
#ifndef COWSCOPE_PINS_H
#define COWSCOPE_PINS_H

#include <linux/cowscope.h>
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

/*
 * The ioctls; see the UAPI header. Flags say what is taken, also SPECULATIVE or
 * MIRROR; the caller has checked that they may be given.
 */
int pins_take(struct pin_set *set, struct cowscope_pin *arg);
int pins_return(struct pin_set *set, u32 id);
int pins_copy(struct pin_set *set, const struct cowscope_rw *arg, bool write);
int pins_state(struct pin_set *set, struct cowscope_pin_state *arg);

/* All that is held, for a person. */
int pins_show(struct seq_file *m, void *unused);

#endif
