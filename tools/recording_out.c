// SPDX-License-Identifier: GPL-2.0
/* Writing a recording. */
#include "recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cowscope.h"

#define BUFFER	(256 << 10)	/* bytes: a write for some thousand records */

static int put(struct recording_out *out, const void *data, size_t size)
{
	errno = EIO;
	return fwrite(data, size, 1, out->file) == 1 ? 0 : -errno;
}

void recording_discard(struct recording_out *out)
{
	if (out->file)
		fclose(out->file);
	if (out->temporary)
		unlink(out->temporary);
	free(out->temporary);
	free(out->path);
	*out = (struct recording_out){ 0 };
}

int recording_create(struct recording_out *out, const char *path, u32 rule)
{
	struct cowscope_file_header *h = &out->header;
	struct utsname u;
	struct stat st;
	int fd, err;

	*out = (struct recording_out){ 0 };
	/* The finished file replaces what is there: that must not be a device. */
	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		return -EINVAL;
	out->path = strdup(path);
	if (!out->path || asprintf(&out->temporary, "%s.XXXXXX", path) < 0) {
		out->temporary = NULL;
		recording_discard(out);
		return -ENOMEM;
	}
	fd = mkostemp(out->temporary, O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		free(out->temporary);
		out->temporary = NULL;
		recording_discard(out);
		return err;
	}
	out->file = fdopen(fd, "w");
	if (out->file)
		setvbuf(out->file, NULL, _IOFBF, BUFFER);

	h->magic = COWSCOPE_FILE_MAGIC;
	h->header_size = sizeof(*h);
	h->record_size = sizeof(struct cowscope_record);
	h->records = ~0ULL;
	h->rule = rule;
	if (!uname(&u))
		snprintf(h->release, sizeof(h->release), "%.63s", u.release);
	snprintf(h->version, sizeof(h->version), "%s", COWSCOPE_VERSION);
	err = out->file ? put(out, h, sizeof(*h)) : -errno;
	if (err) {
		if (!out->file)
			close(fd);
		recording_discard(out);
	} else {
		h->records = 0;
	}
	return err;
}

int recording_put(struct recording_out *out, const struct cowscope_record *r)
{
	out->header.records++;
	return put(out, r, sizeof(*r));
}

int recording_finish(struct recording_out *out, const struct names *names, u64 lost, u64 missed)
{
	struct cowscope_file_header *h = &out->header;
	size_t i;
	int err = 0;

	for (i = 0; i < names->room && !err; i++) {
		if (!names->task[i].pid || !*names->task[i].comm)
			continue;
		err = put(out, &names->task[i], sizeof(names->task[i]));
		h->tasks++;
	}
	h->lost = lost;
	h->missed = missed;
	if (!err && fseek(out->file, 0, SEEK_SET))
		err = -errno;
	if (!err)
		err = put(out, h, sizeof(*h));
	if (fclose(out->file) && !err)
		err = -errno;
	out->file = NULL;
	if (!err && rename(out->temporary, out->path))
		err = -errno;
	if (!err) {
		free(out->temporary);
		out->temporary = NULL;
	}
	recording_discard(out);
	return err;
}
