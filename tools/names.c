// SPDX-License-Identifier: GPL-2.0
/* Names of threads by pid: a hash table with linear probing. */
#include "names.h"

#include <errno.h>
#include <stdlib.h>

static struct cowscope_task *place(const struct names *n, u32 pid)
{
	size_t i = (pid * 2654435761U) & (n->room - 1);

	while (n->task[i].pid && n->task[i].pid != pid)
		i = (i + 1) & (n->room - 1);
	return &n->task[i];
}

static int grow(struct names *n)
{
	struct names bigger = { .room = n->room ? 2 * n->room : 64, .count = n->count };
	size_t i;

	bigger.task = calloc(bigger.room, sizeof(*bigger.task));
	if (!bigger.task)
		return -ENOMEM;
	for (i = 0; i < n->room; i++)
		if (n->task[i].pid)
			*place(&bigger, n->task[i].pid) = n->task[i];
	free(n->task);
	*n = bigger;
	return 0;
}

int names_put(struct names *n, const struct cowscope_task *task)
{
	struct cowscope_task *t;

	if (2 * n->count >= n->room && grow(n))
		return -ENOMEM;
	t = place(n, task->pid);
	n->count += !t->pid;
	*t = *task;
	t->comm[sizeof(t->comm) - 1] = '\0';
	return 0;
}

const struct cowscope_task *names_get(const struct names *n, u32 pid)
{
	const struct cowscope_task *t = n->room ? place(n, pid) : NULL;

	return t && t->pid == pid ? t : NULL;
}

const char *names_comm(const struct names *n, u32 pid)
{
	const struct cowscope_task *t = names_get(n, pid);

	return t && *t->comm ? t->comm : NULL;
}

void names_free(struct names *n)
{
	free(n->task);
	*n = (struct names){ 0 };
}
