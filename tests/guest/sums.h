/* SPDX-License-Identifier: GPL-2.0 */
/* cowscope's sums next to the kernel's own. */
#ifndef COWSCOPE_TEST_SUMS_H
#define COWSCOPE_TEST_SUMS_H

#include "account.h"

struct sums {
	struct stats stats;
	long long reuse;		/* pgreuse */
	/* Of a kprobe event on each probed function, with those missed. */
	long long hits[PROBES_MOST], all_hits;
	long long written;		/* heads of the rings */
};

/* Makes and removes the kprobe events, one for each probe that is armed now. */
void sums_begin(int fd);
void sums_end(void);

/* Reads all when nobody faults any more. */
void sums_read(int fd, const struct rings *rings, struct sums *s);

long long sums_delta(const struct sums *start, const struct sums *end, const char *name);

/* The checks; @lossy: probes were made to miss calls. */
void sums_check(int fd, const struct sums *start, const struct sums *end, bool lossy);

#endif
