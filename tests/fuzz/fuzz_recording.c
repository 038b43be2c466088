// SPDX-License-Identifier: GPL-2.0
/*
 * A file given to `cowscope trace` and `cowscope report`. What must come of it is
 * worked out here once more, from the bytes and <linux/cowscope.h> alone.
 */
#include "fuzz.h"

#include "cowscope.h"
#include "output.h"
#include <sys/stat.h>
#include "recording.h"

#define HEADER	sizeof(struct cowscope_file_header)
#define RECORD	sizeof(struct cowscope_record)
#define TASK	sizeof(struct cowscope_task)

/* What a file should come to. */
struct expected {
	bool opens;
	u64 records;
	char error[32];		/* is in the message; "" if there must be none */
};

static void set_offset(struct expected *e, u64 offset)
{
	snprintf(e->error, sizeof(e->error), "offset %llu", (unsigned long long)offset);
}

static struct expected expect(const uint8_t *data, size_t size)
{
	struct cowscope_file_header h = { 0 };
	struct expected e = { .opens = false };
	u64 room, tail, i;

	memcpy(&h, data, size < HEADER ? size : HEADER);
	if (size < 8 || (size < HEADER && h.magic != COWSCOPE_FILE_MAGIC))
		snprintf(e.error, sizeof(e.error), "%zu bytes", size);
	else if (h.magic != COWSCOPE_FILE_MAGIC)
		set_offset(&e, 0);
	else if (size < HEADER)
		set_offset(&e, size);
	else if (h.header_size != HEADER)
		set_offset(&e, 8);
	else if (h.record_size != RECORD)
		set_offset(&e, 12);
	else
		e.opens = true;
	if (!e.opens)
		return e;

	room = (size - HEADER) / RECORD;
	e.records = h.records < room ? h.records : room;
	tail = size - HEADER - e.records * RECORD;
	if (h.records == ~0ULL)
		set_offset(&e, HEADER + room * RECORD);
	else if (h.records > room || h.tasks > tail / TASK)
		set_offset(&e, size);
	else if (tail > h.tasks * TASK)
		set_offset(&e, size - tail + h.tasks * TASK);
	for (i = 0; i < e.records; i++) {
		u8 type = data[HEADER + i * RECORD + offsetof(struct cowscope_record, type)];

		if (type && type < COWSCOPE_EVENTS)
			continue;
		e.records = i;
		set_offset(&e, HEADER + i * RECORD);
	}
	return e;
}

static void write_again(struct recording_in *in, const uint8_t *data)
{
	static char directory[256], path[300];
	const char *where = getenv("TMPDIR");
	const struct cowscope_record *r;
	struct recording_out out;
	struct recording_in copy;
	u64 n, i;

	if (!*path) {
		snprintf(directory, sizeof(directory), "%s/cowscope-fuzz.XXXXXX",
			 where ? where : "/tmp");
		HOLDS(mkdtemp(directory));
		snprintf(path, sizeof(path), "%s/again", directory);
	} else {
		HOLDS(!mkdir(directory, 0700));
	}
	HOLDS(!recording_create(&out, path, in->header.rule));
	for (n = 0; n < in->records; n++)
		HOLDS(!recording_put(&out, (const void *)(data + HEADER + n * RECORD)));
	HOLDS(!recording_finish(&out, &in->names, in->header.lost, in->header.missed));

	HOLDS(recording_open(&copy, path) && !*copy.error, "%s", copy.error);
	unlink(path);
	rmdir(directory);
	HOLDS(copy.header.records == in->records && copy.header.lost == in->header.lost &&
	      copy.header.missed == in->header.missed && copy.header.rule == in->header.rule);
	for (n = 0; (r = recording_next(&copy)); n++)
		HOLDS(!memcmp(r, data + HEADER + n * RECORD, RECORD));
	HOLDS(n == in->records && !*copy.error, "%s", copy.error);
	for (i = 0; i < in->names.room; i++) {
		const struct cowscope_task *t = &in->names.task[i];
		const struct cowscope_task *c = names_get(&copy.names, t->pid);

		HOLDS(!t->pid || !*t->comm || (c && !memcmp(c, t, sizeof(*t))));
	}
	recording_close(&copy);
}

/* By the functions: every record is the one in the file, the error names the offset. */
static void read_through(const char *path, const uint8_t *data, const struct expected *e,
			 char error[160])
{
	const struct cowscope_record *r;
	struct recording_in in;
	u64 n = 0;

	HOLDS(recording_open(&in, path) == e->opens, "%s", in.error);
	if (e->opens)
		while ((r = recording_next(&in)))
			HOLDS(!memcmp(r, data + HEADER + n++ * RECORD, RECORD));
	HOLDS(n == e->records, "%llu records, not %llu: %s", (unsigned long long)n,
	      (unsigned long long)e->records, in.error);
	HOLDS(*e->error ? !!strstr(in.error, e->error) : !*in.error, "not '%s': '%s'", e->error,
	      in.error);
	if (e->opens)
		write_again(&in, data);
	memcpy(error, in.error, sizeof(in.error));
	recording_close(&in);
}

struct sums {
	u64 records, counted, total, errors;
};

static u64 number(struct json_object *line, const char *key)
{
	struct json_object *value;

	HOLDS(json_object_object_get_ex(line, key, &value));
	return json_object_get_uint64(value);
}

static void add_line(void *ctx, struct json_object *line)
{
	struct json_object *report;
	struct sums *s = ctx;

	if (json_object_object_get_ex(line, "error", NULL) &&
	    !json_object_object_get_ex(line, "ts", NULL)) {
		s->errors++;
	} else if (!json_object_object_get_ex(line, "report", &report)) {
		s->records++;
	} else if (!strcmp(json_object_get_string(report), "count")) {
		s->counted += number(line, "count");
	} else if (!strcmp(json_object_get_string(report), "total")) {
		s->total += number(line, "records");
	}
}

/* By the command: whole lines, and what came before the damage in any case. */
static void command(int (*call)(int argc, char **argv), const char *name, const char *path,
		    const struct expected *e, const char *error)
{
	char *argv[3] = { (char *)name, (char *)path, NULL };
	const struct printed *p;
	struct sums s = { 0 };
	bool is_trace = call == cmd_trace;

	output.json = false;
	p = printed(call, 2, argv);
	HOLDS(p->status == (*e->error ? EXIT_FAILURE : EXIT_SUCCESS));
	check_text(p->out, p->out_size);
	check_text(p->err, p->err_size);
	HOLDS(strlen(p->out) == p->out_size);
	HOLDS(*error ? !!strstr(p->err, error) : !p->err_size, "%s", p->err);
	HOLDS(!is_trace || count_lines(p->out) == e->records, "%s", p->out);
	HOLDS(!p->out_size || p->out[p->out_size - 1] == '\n');

	output.json = true;
	p = printed(call, 2, argv);
	HOLDS(p->status == (*e->error ? EXIT_FAILURE : EXIT_SUCCESS) && !p->err_size);
	check_json(p->out, add_line, &s);
	HOLDS(s.errors == (*e->error ? 1 : 0));
	HOLDS(s.records == (is_trace ? e->records : 0) || !is_trace);
	HOLDS(is_trace || (s.counted == e->records && s.total == e->records));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct expected e = expect(data, size);
	const char *path = file_of(data, size);
	char error[160];

	read_through(path, data, &e, error);
	command(cmd_trace, "trace", path, &e, error);
	command(cmd_report, "report", path, &e, error);
	return 0;
}

/* Most inputs keep a header that lets the rest be read. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct cowscope_file_header h = { 0 };
	u64 i, room;

	size = LLVMFuzzerMutate(data, size, max_size);
	if (seed % 16 == 0 || max_size < HEADER)
		return size;
	if (size < HEADER) {
		memset(data + size, 0, HEADER - size);
		size = HEADER;
	}
	memcpy(&h, data, HEADER);
	h.magic = COWSCOPE_FILE_MAGIC;
	h.header_size = HEADER;
	h.record_size = RECORD;
	room = (size - HEADER) / RECORD;
	if (seed / 16 % 4) {
		h.records = room < h.records % 64 ? room : h.records % 64;
		size -= (size - HEADER - h.records * RECORD) % TASK;
		h.tasks = (size - HEADER - h.records * RECORD) / TASK;
		for (i = 0; i < h.records; i++) {
			u8 *type = data + HEADER + i * RECORD +
				   offsetof(struct cowscope_record, type);

			*type = *type && *type < COWSCOPE_EVENTS ? *type :
				1 + *type % (COWSCOPE_EVENTS - 1);
		}
	}
	memcpy(data, &h, HEADER);
	return size;
}
