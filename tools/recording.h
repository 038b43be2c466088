/* SPDX-License-Identifier: GPL-2.0 */
/* A recording: a file as <linux/cowscope.h> describes it. */
#ifndef COWSCOPE_RECORDING_H
#define COWSCOPE_RECORDING_H

#include <stdio.h>

#include "names.h"
#include "pure.h"
#include <linux/cowscope.h>

/* A recording being written: under another name until it is complete. */
struct recording_out {
	FILE *file;
	char *path;
	char *temporary;
	struct cowscope_file_header header;
};

/**
 * recording_create - begin a recording
 * @out: filled in
 * @path: its name, once it is finished
 * @rule: enum cowscope_rule in force
 *
 * Returns 0 or a negative errno.
 */
int recording_create(struct recording_out *out, const char *path, u32 rule);

/**
 * recording_put - add a record
 * @out: the recording
 * @r: not older than the one before
 *
 * Returns 0 or a negative errno.
 */
int recording_put(struct recording_out *out, const struct cowscope_record *r);

/**
 * recording_finish - complete the recording and give it its name
 * @out: the recording; gone after this, whatever is returned
 * @names: of the threads in it; those without a name are left out
 * @lost: for the header
 * @missed: for the header
 *
 * Returns 0 or a negative errno; then there is no file.
 */
int recording_finish(struct recording_out *out, const struct names *names, u64 lost, u64 missed);

/**
 * recording_discard - give up: no file is left
 * @out: the recording
 */
void recording_discard(struct recording_out *out);

/* A recording being read. */
struct recording_in {
	FILE *file;
	struct cowscope_file_header header;
	struct names names;
	u64 records;		/* that are in the file */
	u64 next;		/* number of the next one */
	struct cowscope_record *block;	/* read ahead... */
	size_t ready;		/* ... so many, ... */
	size_t used;		/* ... of which so many were given out */
	char error[160];	/* what is wrong with the file, or "" */
};

/**
 * recording_open - open a recording and read all but the records
 * @in: filled in
 * @path: the file
 *
 * Returns false if no record can be read; @in->error says why. If it returns
 * true, @in->error may tell of damage further on.
 */
bool recording_open(struct recording_in *in, const char *path);

/**
 * recording_next - read the next record
 * @in: the recording
 *
 * Valid until the next call. Returns NULL at the end; then @in->error is "" if
 * that is where it should be.
 */
const struct cowscope_record *recording_next(struct recording_in *in);

/**
 * recording_close - undo recording_open()
 * @in: the recording, also one that could not be opened
 */
void recording_close(struct recording_in *in);

#endif
