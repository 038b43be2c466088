// SPDX-License-Identifier: GPL-2.0
/* Reading a recording: as far as it goes, whatever is in it. */
#include "recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cowscope.h"
#include "text.h"

/* Records are read so many at a time. */
#define BLOCK	1024

static bool wrong(struct recording_in *in, const char *format, ...) __printf(2, 3);

static bool wrong(struct recording_in *in, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(in->error, sizeof(in->error), format, args);
	va_end(args);
	return false;
}

/* Is the header one of ours? */
static bool check_header(struct recording_in *in, u64 size)
{
	struct cowscope_file_header *h = &in->header;

	if (size < sizeof(*h)) {
		if (size < sizeof(h->magic) || h->magic != COWSCOPE_FILE_MAGIC)
			return wrong(in, "no recording of cowscope: too short, %llu bytes",
				     (unsigned long long)size);
		return wrong(in, "truncated in the header, at offset %llu",
			     (unsigned long long)size);
	}
	if (h->magic != COWSCOPE_FILE_MAGIC)
		return wrong(in, "no recording of cowscope: wrong magic number at offset 0");
	if (h->header_size != sizeof(*h))
		return wrong(in, "header size %u at offset 8: damaged, or of a newer cowscope",
			     h->header_size);
	if (h->record_size != sizeof(struct cowscope_record))
		return wrong(in, "record size %u at offset 12: damaged, or of a newer cowscope",
			     h->record_size);
	h->release[sizeof(h->release) - 1] = '\0';
	h->version[sizeof(h->version) - 1] = '\0';
	text_make_safe(h->release);
	text_make_safe(h->version);
	return true;
}

/* The names come last but are needed first. */
static void read_names(struct recording_in *in, u64 offset)
{
	struct cowscope_task task;
	u64 i;

	if (fseeko(in->file, offset, SEEK_SET))
		return;
	for (i = 0; i < in->header.tasks; i++)
		if (fread(&task, sizeof(task), 1, in->file) != 1 ||
		    (task.pid && names_put(&in->names, &task)))
			break;
}

bool recording_open(struct recording_in *in, const char *path)
{
	struct cowscope_file_header *h = &in->header;
	struct stat st;
	u64 left, room;
	int fd;

	*in = (struct recording_in){ 0 };
	/* Of a pipe: not until somebody writes to it. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	in->file = fd < 0 ? NULL : fdopen(fd, "r");
	if (!in->file || fstat(fd, &st))
		return wrong(in, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return wrong(in, "not a regular file");
	if (fread(h, 1, sizeof(*h), in->file) < sizeof(*h) && ferror(in->file))
		return wrong(in, "cannot be read: %s", strerror(errno));
	if (!check_header(in, st.st_size))
		return false;

	in->block = malloc(BLOCK * sizeof(*in->block));
	if (!in->block)
		return wrong(in, "out of memory");
	left = st.st_size - sizeof(*h);
	room = left / sizeof(struct cowscope_record);
	in->records = h->records;
	if (h->records == ~0ULL) {
		in->records = room;
		h->tasks = 0;
		wrong(in, "the recording did not end: it goes up to offset %llu, names and losses are not known",
		      (unsigned long long)(sizeof(*h) + room * sizeof(struct cowscope_record)));
	} else if (h->records > room) {
		in->records = room;
		wrong(in, "truncated at offset %llu: %llu of %llu records are there",
		      (unsigned long long)st.st_size, (unsigned long long)room,
		      (unsigned long long)h->records);
	} else {
		left -= h->records * sizeof(struct cowscope_record);
		if (h->tasks > left / sizeof(struct cowscope_task))
			wrong(in, "truncated at offset %llu: names of threads are missing",
			      (unsigned long long)st.st_size);
		else if (left > h->tasks * sizeof(struct cowscope_task))
			wrong(in, "unknown data after offset %llu",
			      (unsigned long long)(st.st_size - left) +
			      h->tasks * sizeof(struct cowscope_task));
		read_names(in, st.st_size - left);
	}
	if (fseeko(in->file, sizeof(*h), SEEK_SET))
		return wrong(in, "cannot be read: %s", strerror(errno));
	return true;
}

/* Where the next record is in the file. */
static unsigned long long next_offset(const struct recording_in *in)
{
	return sizeof(in->header) + in->next * sizeof(*in->block);
}

static bool read_block(struct recording_in *in)
{
	u64 left = in->records - in->next;

	in->used = 0;
	in->ready = fread(in->block, sizeof(*in->block), left < BLOCK ? left : BLOCK, in->file);
	return in->ready || wrong(in, "cannot be read at offset %llu: %s", next_offset(in),
				  ferror(in->file) ? strerror(errno) : "it became shorter");
}

const struct cowscope_record *recording_next(struct recording_in *in)
{
	const struct cowscope_record *r;

	if (in->next == in->records)
		return NULL;
	if (in->used == in->ready && !read_block(in)) {
		in->records = in->next;
		return NULL;
	}
	r = &in->block[in->used];
	if (!r->type || r->type >= COWSCOPE_EVENTS) {
		in->records = in->next;
		wrong(in, "damaged at offset %llu: a record of type %u", next_offset(in), r->type);
		return NULL;
	}
	in->used++;
	in->next++;
	return r;
}

void recording_close(struct recording_in *in)
{
	if (in->file)
		fclose(in->file);
	free(in->block);
	names_free(&in->names);
	in->block = NULL;
	in->file = NULL;
}
