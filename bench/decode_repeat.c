// SPDX-License-Identifier: GPL-2.0
/*
 * A long recording from a real one: its records again and again, each time later,
 * until there are COUNT of them.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <linux/cowscope.h>

static void *read_whole(const char *path, size_t *size)
{
	FILE *file = fopen(path, "re");
	struct stat st;
	void *data;

	if (!file || fstat(fileno(file), &st))
		err(EXIT_FAILURE, "%s", path);
	*size = st.st_size;
	data = malloc(*size + 1);
	if (!data || fread(data, 1, *size, file) != *size)
		err(EXIT_FAILURE, "%s", path);
	fclose(file);
	return data;
}

static void put(FILE *out, const void *data, size_t size, const char *path)
{
	if (size && fwrite(data, size, 1, out) != 1)
		err(EXIT_FAILURE, "%s", path);
}

int main(int argc, char **argv)
{
	__u64 count = argc == 4 ? strtoull(argv[3], NULL, 10) : 0, span, records, i;
	struct cowscope_file_header *header;
	struct cowscope_record *record;
	size_t size;
	FILE *out;

	if (!count)
		errx(2, "usage: decode_repeat RECORDING OUTPUT COUNT");
	header = read_whole(argv[1], &size);
	if (size < sizeof(*header) || header->magic != COWSCOPE_FILE_MAGIC ||
	    header->record_size != sizeof(*record) || !header->records ||
	    size != sizeof(*header) + header->records * sizeof(*record) +
		    header->tasks * sizeof(struct cowscope_task))
		errx(EXIT_FAILURE, "%s: no complete recording", argv[1]);
	record = (void *)(header + 1);
	records = header->records;
	span = record[records - 1].ts - record[0].ts + 1000;

	out = fopen(argv[2], "we");
	if (!out)
		err(EXIT_FAILURE, "%s", argv[2]);
	header->records = count;
	put(out, header, sizeof(*header), argv[2]);
	for (i = 0; i < count; i++) {
		put(out, &record[i % records], sizeof(*record), argv[2]);
		record[i % records].ts += span;
	}
	put(out, record + records, header->tasks * sizeof(struct cowscope_task), argv[2]);
	if (fclose(out))
		err(EXIT_FAILURE, "%s", argv[2]);
	return EXIT_SUCCESS;
}
