/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One telling of a scenario: its story runs in a process group of its own, is
 * written down in memory that its processes share, and is judged afterwards.
 */
#ifndef COWSCOPE_STORY_H
#define COWSCOPE_STORY_H

#include "device.h"
#include "scenario.h"

#define STORY_STEPS	256
#define STORY_AREAS	64
#define STORY_TEXT	4096
#define STORY_SAW	16

/* One primitive that did something, with the line that called it. */
struct story_step {
	u32 pid;
	char text[100];			/* the line of the scenario */
	char got[STORY_SAW + 1];	/* what was read, if it read something */
	u64 end;			/* CLOCK_MONOTONIC, ns; 0: it did not end */
	struct cowscope_page page;	/* that page after it; .pte 0: not known */
	struct cowscope_page held;	/* what the holder has; likewise */
};

enum story_end {
	STORY_UNFINISHED,		/* killed, or out of time */
	STORY_TOLD,
	STORY_SKIPPED,			/* something is missing here */
	STORY_BROKEN,			/* an error in the script or of a primitive */
};

/* What the processes of a story write down; begins as zeros. */
struct story_log {
	u32 end;			/* enum story_end */
	u32 steps;
	u32 areas;
	u32 checks_failed;
	bool has_saw;
	bool has_fault;
	char saw[STORY_SAW + 1];	/* what story() returned */
	struct cowscope_record fault;	/* the last that the last write made */
	struct {
		u64 start;
		u64 end;
	} area[STORY_AREAS];		/* what map() gave */
	struct story_step step[STORY_STEPS];
	u32 text_length;
	char text[STORY_TEXT];		/* what went wrong, and notes; lines */
};

enum result { RESULT_OK, RESULT_NOT_OK, RESULT_SKIP, RESULTS };

/* A story that was told. */
struct outcome {
	const struct scenario *scenario;
	const struct variant *variant;
	enum result result;
	u32 pid;			/* its first process */
	unsigned int rule;		/* enum cowscope_rule in force */
	const char *expect;		/* under that rule, or NULL */
	struct story_log *log;
	struct records records;		/* of its processes, on its memory */
	char why[STORY_TEXT];		/* not ok, skip: lines that say why */
};

/**
 * story_run - tell a story and judge it
 * @o: filled in, to be released with outcome_free()
 * @s: the scenario
 * @v: with which holder
 * @d: the device, for reading; a story opens its own
 * @timeout: seconds that it may take
 *
 * Returns 0 or a negative errno if it could not be begun at all.
 */
int story_run(struct outcome *o, const struct scenario *s, const struct variant *v,
	      struct device *d, unsigned int timeout);

/**
 * outcome_free - release what story_run() filled in
 * @o: the outcome
 */
void outcome_free(struct outcome *o);

/**
 * outcome_observed - what is judged, also for printing
 * @o: the outcome
 */
struct observed outcome_observed(const struct outcome *o);

/**
 * outcome_steps - how many steps of the story were written down
 * @o: the outcome
 */
u32 outcome_steps(const struct outcome *o);

/**
 * outcome_step - the step that a record, a mark, begins
 * @o: the outcome
 * @r: one of its records
 *
 * Returns NULL if it is another event or some other mark.
 */
const struct story_step *outcome_step(const struct outcome *o, const struct cowscope_record *r);

#endif
