// SPDX-License-Identifier: GPL-2.0
/* Does an event pass a filter? Pure C: the module and the command compile this. */
#include "match.h"

#define COWSCOPE_PAGE	4096ull
#define EVENTS_ALL	((1u << COWSCOPE_EVENTS) - 2)	/* there is no event 0 */
#define VERDICTS_ALL	((1u << COWSCOPE_VERDICTS) - 1)

/* Zero padded, and no longer than what the kernel keeps. */
static bool init_comm(struct cowscope_match *m, const char *comm)
{
	char name[16] = "", mask[16] = "";
	size_t i, length;

	for (length = 0; length < sizeof(name) - 1 && comm[length]; length++)
		name[length] = comm[length];
	for (i = length; i < sizeof(name) - 1; i++)
		if (comm[i])
			return false;
	if (length < sizeof(name) - 1 && comm[sizeof(name) - 1])
		return false;
	if (length)
		memset(mask, 0xff, length + 1);
	memcpy(m->comm, name, sizeof(name));
	memcpy(m->mask, mask, sizeof(mask));
	return true;
}

bool cowscope_match_init(struct cowscope_match *m, const struct cowscope_filter *f)
{
	if (f->pad || f->events & ~EVENTS_ALL || f->verdicts & ~VERDICTS_ALL)
		return false;
	if ((f->start || f->end) && f->start >= f->end)
		return false;
	if (!init_comm(m, f->comm))
		return false;
	m->events = f->events ? f->events : EVENTS_ALL;
	m->verdicts = f->verdicts ? f->verdicts : VERDICTS_ALL;
	m->first = f->start & -COWSCOPE_PAGE;
	m->size = f->end ? ((f->end - 1) | (COWSCOPE_PAGE - 1)) - m->first + 1 : ~0ull;
	if (!m->size)	/* the whole address space */
		m->size = ~0ull;
	return true;
}

/* Of what the entry maps; a huge one whose page could not be read maps a PMD's. */
static unsigned int order(const struct cowscope_record *r)
{
	unsigned int level = COWSCOPE_STATE_LEVEL(r->state);

	if (level != COWSCOPE_LEVEL_PMD && level != COWSCOPE_LEVEL_HUGETLB)
		return 0;
	return COWSCOPE_STATE_ORDER(r->state) ? COWSCOPE_STATE_ORDER(r->state) : 9;
}

/* [*from, *to) of a record; false if it has none. */
static bool range(const struct cowscope_record *r, u64 *from, u64 *to)
{
	switch (r->type) {
	case COWSCOPE_EVENT_PIN_LOST:
		*from = r->addr;
		*to = r->addr + COWSCOPE_PAGE;
		return true;
	case COWSCOPE_EVENT_COW_FAULT:
	case COWSCOPE_EVENT_EARLY_COPY:
	case COWSCOPE_EVENT_WRPROTECT:
		*from = r->addr;
		*to = (r->addr | ((COWSCOPE_PAGE << order(r)) - 1)) + 1;
		return true;
	case COWSCOPE_EVENT_PIN:
	case COWSCOPE_EVENT_UNPIN:
		*from = r->addr;
		*to = r->addr + r->pages * COWSCOPE_PAGE;
		return true;
	case COWSCOPE_EVENT_FORK_RANGE:
	case COWSCOPE_EVENT_UFFD_WP:
	case COWSCOPE_EVENT_PAGEMAP_SCAN:
	case COWSCOPE_EVENT_MIRROR:
		*from = r->start;
		*to = r->end;
		return true;
	}
	return false;
}

/* A number of a forged file may be any. */
static bool has(u32 bits, unsigned int n)
{
	return n < 32 && bits >> n & 1;
}

bool cowscope_match_record(const struct cowscope_match *m, const struct cowscope_record *r,
			   const char *comm)
{
	u64 from, to;

	if (!has(m->events, r->type))
		return false;
	if (r->type == COWSCOPE_EVENT_COW_FAULT && !has(m->verdicts, r->verdict))
		return false;
	if (range(r, &from, &to) && !cowscope_match_range(m, from, to - from))
		return false;
	return cowscope_match_comm(m, comm);
}
