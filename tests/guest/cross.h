/* SPDX-License-Identifier: GPL-2.0 */
/*
 * PAGE_STATE against what the kernel itself says of the same pages: pagemap,
 * kpagecount, kpageflags; and against what is known of how they were made.
 */
#ifndef COWSCOPE_TEST_CROSS_H
#define COWSCOPE_TEST_CROSS_H

#include "kit.h"

#define CROSS_PAGES	16384UL		/* at most, in one check */

/* What is known beforehand of every present page; 0 if it is not. */
struct known {
	unsigned int kind, level, exclusive;
	unsigned int pages;		/* of its folio */
	int mapcount;
	int refcount;			/* when in no LRU cache */
	unsigned int write, dirty, young, protnone;	/* enum cowscope_tri */
	unsigned int shared;		/* a MAP_SHARED mapping */
};

/* Before all else: starts another process that checks as well. */
void cross_begin(void);
void cross_end(void);

/*
 * Compares each page of a range of this process, here and from the other
 * process: one line each. The pages rest meanwhile.
 */
void cross_check(const char *what, const void *mem, size_t pages, struct known k);

/* ... of process @pid, here. */
void cross_check_of(const char *what, pid_t pid, const void *mem, size_t pages, struct known k);

/* Pages compared and found present so far; of those checked from elsewhere too. */
unsigned long cross_compared(void);

/*
 * Takes a reference or pin, or returns one, and keeps account of the pages:
 * the check expects them held. 0 or a negative errno.
 */
struct hold {
	int id;
	unsigned int flags;		/* COWSCOPE_PIN_* */
	size_t pages;
	uint64_t *pfn;
};
int cross_hold(struct hold *h, int fd, unsigned int flags, const void *mem, size_t pages);
void cross_release(struct hold *h, int fd);

/* Write-protects; what pagemap says of soft-dirty is of PTEs alone from here on. */
void forget_writes(pid_t pid);

/* oracle's populations, one file a concern. */
void anonymous(void);
void files(void);
void huge(void);
void held(void);

#endif
