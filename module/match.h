/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Does an event pass a struct cowscope_filter? Pure: the module asks before it
 * writes a record, the command of the records that it reads.
 */
#ifndef COWSCOPE_MATCH_H
#define COWSCOPE_MATCH_H

#include "pure.h"
#include <linux/cowscope.h>

/* A filter made ready: nothing to tell apart where a part is not set. */
struct cowscope_match {
	u64 comm[2], mask[2];	/* the name and its end; mask 0: any */
	u64 first, size;	/* addresses, whole pages */
	u32 events, verdicts;
};

/**
 * cowscope_match_init - make a filter ready
 * @m: filled
 * @f: as the user gave it
 *
 * Returns false if @f breaks a rule of the UAPI header; then @m is not filled.
 */
bool cowscope_match_init(struct cowscope_match *m, const struct cowscope_filter *f);

/**
 * cowscope_match_comm - is it this thread's name?
 * @m: the filter
 * @comm: 16 bytes, with a zero in them; what follows that does not matter
 */
static inline bool cowscope_match_comm(const struct cowscope_match *m, const char *comm)
{
	u64 head, tail;

	memcpy(&head, comm, sizeof(head));
	memcpy(&tail, comm + sizeof(head), sizeof(tail));
	return !((head ^ m->comm[0]) & m->mask[0]) && !((tail ^ m->comm[1]) & m->mask[1]);
}

/* Does any of so many bytes from @addr on lie in the filter's range? */
static inline bool cowscope_match_range(const struct cowscope_match *m, u64 addr, u64 size)
{
	return addr - m->first < m->size || m->first - addr < size;
}

/**
 * cowscope_match_fault - can a write fault pass, by what its entry tells?
 * @m: the filter
 * @addr: the first address that the entry maps
 * @size: bytes that it maps
 * @comm: as for cowscope_match_comm()
 *
 * The fault may be wanted for its own record or for those of holders that lose
 * the page by it.
 */
static inline bool cowscope_match_fault(const struct cowscope_match *m, u64 addr,
					u64 size, const char *comm)
{
	return m->events & (1u << COWSCOPE_EVENT_COW_FAULT | 1u << COWSCOPE_EVENT_PIN_LOST) &&
	       cowscope_match_range(m, addr, size) && cowscope_match_comm(m, comm);
}

/* Is there one that cannot? */
static inline bool cowscope_match_asks_fault(const struct cowscope_match *m)
{
	return !(m->events & (1u << COWSCOPE_EVENT_COW_FAULT | 1u << COWSCOPE_EVENT_PIN_LOST)) ||
	       m->size != ~0ull || m->mask[0];
}

/* ... and then with that verdict? */
static inline bool cowscope_match_verdict(const struct cowscope_match *m, unsigned int verdict)
{
	return m->events & 1u << COWSCOPE_EVENT_COW_FAULT && m->verdicts >> verdict & 1;
}

/**
 * cowscope_match_record - does a record pass?
 * @m: the filter
 * @r: complete
 * @comm: as for cowscope_match_comm(), of its thread
 */
bool cowscope_match_record(const struct cowscope_match *m, const struct cowscope_record *r,
			   const char *comm);

#endif
