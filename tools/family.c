// SPDX-License-Identifier: GPL-2.0
/* The records of one process and of those it forked. */
#include "device.h"

#include <errno.h>
#include <stdlib.h>

/* An array with room for one more; NULL if there is no memory for it. */
static void *grow(void *array, size_t *room, size_t count, size_t element)
{
	size_t more = *room ? 2 * *room : 64;

	if (count < *room)
		return array;
	array = realloc(array, more * element);
	if (array)
		*room = more;
	return array;
}

static bool is_member(const struct family *f, u32 tgid)
{
	size_t i;

	for (i = 0; i < f->count; i++)
		if (f->tgid[i] == tgid)
			return true;
	return false;
}

int family_add(struct family *f, u32 pid)
{
	u32 *tgid;

	if (is_member(f, pid))
		return 0;
	tgid = grow(f->tgid, &f->room, f->count, sizeof(*tgid));
	if (!tgid)
		return -ENOMEM;
	tgid[f->count++] = pid;
	f->tgid = tgid;
	return 0;
}

static bool concerns(const struct family *f, const struct device *d,
		     const struct cowscope_record *r)
{
	struct cowscope_task task;

	if (is_member(f, r->pid))
		return true;
	if (device_task(d, r->pid, &task) && is_member(f, task.tgid))
		return true;
	return (r->type == COWSCOPE_EVENT_CLEAR_REFS || r->type == COWSCOPE_EVENT_UFFD_WP) &&
	       is_member(f, r->target);
}

static int append(struct records *out, const struct cowscope_record *r)
{
	struct cowscope_record *record = grow(out->record, &out->room, out->count, sizeof(*r));

	if (!record)
		return -ENOMEM;
	record[out->count++] = *r;
	out->record = record;
	return 0;
}

/* A child may fault before the parent's fork has ended: find all children first. */
int reader_collect(struct reader *r, const struct device *d, struct family *f,
		   struct records *out)
{
	struct records all = { 0 };
	struct cowscope_record record;
	size_t i;
	int err = 0;

	reader_batch(r, READER_ALL);
	while (!err && reader_next(r, &record))
		err = append(&all, &record);

	for (i = 0; !err && i < all.count; i++) {
		const struct cowscope_record *fork = &all.record[i];

		if (fork->type == COWSCOPE_EVENT_FORK && fork->target && concerns(f, d, fork))
			err = family_add(f, fork->target);
	}
	for (i = 0; !err && i < all.count; i++)
		if (concerns(f, d, &all.record[i]))
			err = append(out, &all.record[i]);
	free(all.record);
	return err;
}
