/* SPDX-License-Identifier: GPL-2.0 */
/* cowscope's sums next to the kernel's own. */
#ifndef COWSCOPE_TEST_SUMS_H
#define COWSCOPE_TEST_SUMS_H

#include "kit.h"

#define SUMS_PROBES	5	/* of write faults */

struct sums {
	struct stats stats;
	long long reuse;		/* pgreuse */
	long long hits[SUMS_PROBES];	/* of kprobe events on the probed functions */
	long long written;		/* heads of the rings */
};

/* Makes and removes the kprobe events. */
void sums_begin(void);
void sums_end(void);

/* Reads all when nobody faults any more. */
void sums_read(int fd, const struct rings *rings, struct sums *s);

long long sums_delta(const struct sums *start, const struct sums *end, const char *name);

/* The checks; @lossy: probes were made to miss calls. */
void sums_check(const struct sums *start, const struct sums *end, bool lossy);

#endif
