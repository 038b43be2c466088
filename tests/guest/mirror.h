/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of HOLD and MIRROR share. */
#ifndef MIRROR_H
#define MIRROR_H

#include "kit.h"

#define PAGES	4
#define SIZE	(PAGES * PAGE)
#define NONE	0
#define GET	COWSCOPE_MIRROR_GET
#define KEEP	(COWSCOPE_MIRROR_GET | COWSCOPE_MIRROR_KEEP)
#define WRITE	COWSCOPE_MIRROR_WRITE

/* What was recorded of a mirror, and of the page that it begins with. */
struct told {
	int events[COWSCOPE_INVALIDATIONS];
	int mirror, lost, faults, wrong;
	unsigned int verdict;		/* of the last fault */
	struct cowscope_record last[COWSCOPE_INVALIDATIONS];
};

extern int fd;
extern struct rings rings;
extern bool by_mapcount, by_page_count;	/* the rule in force */

const char *mode(unsigned int flags);

/* Memory of small pages, filled with 'A'. */
char *fresh(void);

/* These return an id or a negative errno; taken() ends the test then. */
int mirror(int file, unsigned int flags, const void *at, size_t length);
int hold(int file, const void *at, size_t length);
int taken(int id);

struct cowscope_page page_at(const void *at);

/* References, when no LRU cache has one. */
int refcount(const void *at);

char seen_by(int file, int id, size_t offset);
unsigned int coherent(int id, size_t offset);
struct told told(int id, const char *at);

/* mirror_told.c */
void told_of_acts(unsigned int flags);

/* mirror_ends.c */
void ends_with_memory(unsigned int flags);
void at_the_same_time(void);

#endif
