/* SPDX-License-Identifier: GPL-2.0 */
/* Whether cowscope's counters add up, each call that a probe saw among them. */
#ifndef COWSCOPE_TEST_ACCOUNT_H
#define COWSCOPE_TEST_ACCOUNT_H

#include "kit.h"

/* One probe: its name in the counters, and what debugfs probes says of it. */
struct probe_seen {
	char name[32], symbol[64], event[32];
	bool armed;
};

#define PROBES_MOST	64
struct probes_seen {
	int n;
	struct probe_seen probe[PROBES_MOST];
};

/* All that debugfs probes lists; each of them has counters, and none else has. */
void probes_read(const struct stats *s, struct probes_seen *out);

long long probe_stat(const struct stats *s, const struct probe_seen *p, const char *what);

/* Sum of the counters of write faults, cow_fault.LEVEL.DECISION.VERDICT. */
long long faults_sum(const struct stats *s, const char *decision);	/* NULL: all */

/* What else there may be, after what a test did. */
#define ACCOUNT_CUT_OFF		1	/* switched off while calls were under way */

/*
 * True if all adds up, else @why says what does not. Waits until the counters
 * come to rest.
 */
bool accounted(int fd, unsigned int allow, char *why, size_t size);

/* The same as one check. */
void account_check(int fd, unsigned int allow, const char *when);

#endif
