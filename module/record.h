/* SPDX-License-Identifier: GPL-2.0 */
/* Filling the fields that records about a page share. */
#ifndef COWSCOPE_RECORD_H
#define COWSCOPE_RECORD_H

#include "rules.h"

static inline void record_page(struct cowscope_record *r, u64 addr, u64 before,
			       const struct cowscope_counts *c)
{
	r->addr = addr;
	r->before = before;
	r->refcount = c->refcount;
	r->mapcount = c->mapcount;
	r->state = c->state;
	r->holder = c->holder;
}

#endif
