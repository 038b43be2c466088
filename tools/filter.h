/* SPDX-License-Identifier: GPL-2.0 */
/* The options that say which events are wanted; alike in all subcommands. */
#ifndef COWSCOPE_TOOL_FILTER_H
#define COWSCOPE_TOOL_FILTER_H

#include "device.h"
#include "match.h"

#define FILTER_WHOSE_HELP							\
	"  --comm=NAME        only threads of that name\n"			\
	"  --addr=RANGE       only what touches START-END (END not included) or\n" \
	"                     START+LENGTH: 0x7f0000000000+16K\n"

#define FILTER_HELP								\
	FILTER_WHOSE_HELP							\
	"  --event=NAME,...   only these events: cow_fault, fork, ...\n"	\
	"  --verdict=NAME,... only faults of these verdicts: pin_lost, maybe_lost, ...;\n" \
	"                     and no other events, unless --event names them\n"

/* --comm, --addr, --event and --verdict; each needs a value. */
enum { FILTER_COMM = 0x200, FILTER_ADDR, FILTER_EVENT, FILTER_VERDICT };

/* All zero at first, which lets everything pass. */
struct filter {
	struct cowscope_filter wanted;
	struct cowscope_match match;
	bool on;
};

/**
 * filter_option - take an option, if it is one of these
 * @f: the filter
 * @opt: from next_option()
 *
 * Returns false if it is another one. Does not return on a wrong value.
 */
bool filter_option(struct filter *f, int opt);

/**
 * filter_begin - have the module record only what passes
 * @f: with all its options
 * @d: the device; the filter lasts as long as it is open
 *
 * Returns 0, or an exit status after saying why not.
 */
int filter_begin(struct filter *f, const struct device *d);

/**
 * filter_error - why a filter, or a process to follow, could not be set
 * @err: negative errno
 *
 * Says it and returns an exit status.
 */
int filter_error(int err);

/**
 * filter_passes - would the module have recorded this?
 * @f: with all its options
 * @r: the record
 * @comm: the name of its thread, NULL if it is not known
 */
bool filter_passes(struct filter *f, const struct cowscope_record *r, const char *comm);

#endif
