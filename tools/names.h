/* SPDX-License-Identifier: GPL-2.0 */
/* Names of threads by pid. */
#ifndef COWSCOPE_NAMES_H
#define COWSCOPE_NAMES_H

#include "pure.h"
#include <linux/cowscope.h>

/* A hash table; all zero is an empty one. */
struct names {
	struct cowscope_task *task;	/* a pid of 0 is a free place */
	size_t room;			/* a power of two */
	size_t count;
};

/**
 * names_put - remember a name, instead of an older one of the same pid
 * @n: the table
 * @task: what is known of the thread; its pid is not 0
 *
 * Returns 0 or -ENOMEM.
 */
int names_put(struct names *n, const struct cowscope_task *task);

/**
 * names_get - find a thread
 * @n: the table
 * @pid: its pid
 *
 * Returns NULL if it is not known.
 */
const struct cowscope_task *names_get(const struct names *n, u32 pid);

/**
 * names_comm - the name of a thread
 * @n: the table
 * @pid: its pid
 *
 * Returns NULL if it is not known.
 */
const char *names_comm(const struct names *n, u32 pid);

/**
 * names_free - forget all
 * @n: the table; empty again
 */
void names_free(struct names *n);

#endif
