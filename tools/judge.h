/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a story showed, against what its scenario expects. Pure.
 *
 * An expectation is text in the words of the trace:
 *
 *   SAW DECISION [VERDICT] [KEY=VALUE]... [EVENT]... [or ...]
 *
 * SAW is what the holder read in the end, "-" for nothing. DECISION is what the
 * story's last write did: "none" if it did not fault, else a decision's name.
 * KEY=VALUE is a field of that cow_fault. EVENT must have been recorded on the
 * story's memory; early_copy must not if it is not named. What is left out is
 * not compared.
 */
#ifndef COWSCOPE_JUDGE_H
#define COWSCOPE_JUDGE_H

#include "pure.h"
#include <linux/cowscope.h>

struct observed {
	const char *saw;			/* NULL: nothing */
	const struct cowscope_record *fault;	/* of the last write, or NULL */
	u32 events;				/* 1 << enum cowscope_event */
};

/**
 * judge_syntax - is this an expectation?
 * @expect: text
 *
 * Returns NULL, or what is wrong; the text is valid until the next call.
 */
const char *judge_syntax(const char *expect);

/**
 * judge - does it hold?
 * @expect: an expectation
 * @o: what was seen
 */
bool judge(const char *expect, const struct observed *o);

/**
 * judge_text - what was seen, in the words of an expectation
 * @buf: where to
 * @size: room there
 * @o: what was seen
 */
void judge_text(char *buf, size_t size, const struct observed *o);

/**
 * judge_decision, judge_verdict - their names, "none" and "-" without a fault
 * @fault: a cow_fault or NULL
 */
const char *judge_decision(const struct cowscope_record *fault);
const char *judge_verdict(const struct cowscope_record *fault);

#endif
