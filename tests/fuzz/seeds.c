// SPDX-License-Identifier: GPL-2.0
/*
 * Writes what the fuzzers begin with to DIRECTORY/TARGET/: recordings by the
 * command's own writer, and from them records and rings.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "recording.h"

static const char *top;

static void make_path(char path[256], const char *target, const char *name)
{
	snprintf(path, 256, "%s/%s", top, target);
	mkdir(path, 0700);
	snprintf(path, 256, "%s/%s/%s", top, target, name);
}

static void check(int err)
{
	if (err) {
		fprintf(stderr, "seeds: %s: %s\n", top, strerror(-err));
		exit(EXIT_FAILURE);
	}
}

static void put_file(const char *target, const char *name, const void *data, size_t size)
{
	char path[256];
	FILE *file;

	make_path(path, target, name);
	file = fopen(path, "w");
	if (!file || fwrite(data, size, 1, file) != 1 || fclose(file)) {
		perror(path);
		exit(EXIT_FAILURE);
	}
}

/* A recording cut off at every byte. */
static void put_truncated(const char *name)
{
	char path[256], cut[32], bytes[1024];
	size_t size, n;
	FILE *file;

	make_path(path, "recording", name);
	file = fopen(path, "r");
	size = file ? fread(bytes, 1, sizeof(bytes), file) : 0;
	if (!size) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	fclose(file);
	for (n = 1; n < size; n++) {
		snprintf(cut, sizeof(cut), "%s-%zu", name, n);
		put_file("recording", cut, bytes, n);
	}
}

/* One of each event in turn, with something in every field. */
static struct cowscope_record nth(unsigned int n)
{
	struct cowscope_record r;

	memset(&r, 1 + n, sizeof(r));
	r.type = 1 + n % (COWSCOPE_EVENTS - 1);
	r.ts = 1000000000ULL + 1000 * n;
	r.pid = 100 + n % 3;
	r.cpu = n % 2;
	r.verdict = n % COWSCOPE_VERDICTS;
	if (r.type == COWSCOPE_EVENT_MARK)
		snprintf(r.text, sizeof(r.text), "%u. a step", n);
	return r;
}

static void put_recording(const char *name, unsigned int records, bool finish)
{
	struct cowscope_task task = { .comm = "thread" };
	struct recording_out out;
	struct names names = { 0 };
	char path[256];
	unsigned int n;

	make_path(path, "recording", name);
	check(recording_create(&out, path, COWSCOPE_RULE_EXCLUSIVE));
	for (n = 0; n < records; n++) {
		struct cowscope_record r = nth(n);

		check(recording_put(&out, &r));
	}
	for (task.pid = 100; task.pid < 103; task.pid++)
		check(names_put(&names, &task));
	if (finish) {
		check(recording_finish(&out, &names, 1, 2));
	} else {
		fflush(out.file);
		check(rename(out.temporary, path));
		recording_discard(&out);
	}
	names_free(&names);
}

int main(int argc, char **argv)
{
	struct cowscope_record rings[24];
	unsigned int n;

	if (argc != 2) {
		fprintf(stderr, "usage: seeds DIRECTORY\n");
		return 2;
	}
	top = argv[1];
	mkdir(top, 0700);
	put_recording("empty", 0, true);
	put_recording("one", 1, true);
	put_truncated("one");
	put_recording("many", 3 * COWSCOPE_EVENTS, true);
	put_recording("killed", 5, false);
	for (n = 0; n < COWSCOPE_EVENTS; n++) {
		struct cowscope_record r = nth(n);
		char name[16];

		snprintf(name, sizeof(name), "%u", n);
		put_file("record", name, &r, sizeof(r));
	}
	for (n = 0; n < ARRAY_SIZE(rings); n++)
		rings[n] = nth(n);
	put_file("ring", "rings", rings, sizeof(rings));
	put_file("scenario", "bytes", rings, sizeof(rings));
	return EXIT_SUCCESS;
}
