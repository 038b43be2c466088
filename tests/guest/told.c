// SPDX-License-Identifier: GPL-2.0
/*
 * Predictions go by the rule that was told last, from the next fault on, also where
 * a fault is in all else like the one before. Loads the module by itself: telling
 * it rules by which the kernel does not decide, it makes it count wrong predictions.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kit.h"
#include "tap.h"

#define ROUNDS	20

static int fd;
static struct rings rings;

/* A write to a page of our own that a pipe holds, made read-only in place. */
static bool write_held(char *mem, struct cowscope_record *fault)
{
	struct iovec iov = { mem, 1 };
	struct cowscope_record r;
	int pair[2], faults = 0;

	poke(mem, 'A');
	drain();
	if (pipe(pair) || vmsplice(pair[1], &iov, 1, 0) != 1)
		tap_bail("vmsplice: %s", strerror(errno));
	if (!write_file("/proc/self/clear_refs", "4"))
		tap_bail("clear_refs: %s", strerror(errno));
	rings_seek_end(&rings);
	poke(mem, 'B');
	while (rings_next(&rings, &r)) {
		if (r.type != COWSCOPE_EVENT_COW_FAULT || r.addr != (uintptr_t)mem)
			continue;
		*fault = r;
		faults++;
	}
	close(pair[0]);
	close(pair[1]);
	return faults == 1 && fault->refcount == 2 && fault->mapcount == 1;
}

static void told(const char *parameters)
{
	static const unsigned int says[] = {
		[COWSCOPE_RULE_MAPCOUNT] = COWSCOPE_REUSE,
		[COWSCOPE_RULE_PAGE_COUNT] = COWSCOPE_COPY,
		[COWSCOPE_RULE_EXCLUSIVE] = COWSCOPE_REUSE,
	};
	unsigned int rules = kernel_has(5, 19) ? COWSCOPE_RULES : COWSCOPE_RULE_EXCLUSIVE;
	unsigned int i, asked = 0, right = 0, decisions = 0;
	char *mem = map_anon(PAGE);

	if (module_load(parameters))
		tap_bail("the module cannot be loaded");
	fd = dev_open();
	rings_open(fd, &rings);
	for (i = 0; i < ROUNDS * rules; i++) {
		unsigned int rule = i % rules;
		struct cowscope_record r;

		if (dev_control(fd, COWSCOPE_CONTROL_RULE, rule))
			tap_bail("CONTROL_RULE");
		if (!write_held(mem, &r))
			continue;
		asked++;
		decisions |= 1U << COWSCOPE_OUTCOME_DECISION(r.outcome);
		right += COWSCOPE_OUTCOME_PREDICTED(r.outcome) == says[rule];
	}
	tap_ok(asked >= ROUNDS * rules / 2, "%s: %u faults on a page that a pipe holds",
	       parameters, asked);
	tap_eq(right, asked, "each is predicted by the rule told before it");
	tap_ok(decisions == 1U << COWSCOPE_COPY || decisions == 1U << COWSCOPE_REUSE,
	       "the kernel decides in one way, whatever is told");
	tap_ok(stat_now(fd, "predicted.wrong") > 0, "where that is another one it counts as wrong");
	tap_eq(stat_now(fd, "precedent.wrong"), 0, "none is wrongly taken to be like another");
	rings_close(&rings);
	close(fd);
	tap_eq(module_unload(), 0, "unloaded");
	munmap(mem, PAGE);
}

int main(void)
{
	tap_begin();
	/* Others come between, so only one that keeps several remembers the last. */
	told("verify=0");
	told("verify=1");
	return tap_end();
}
