// SPDX-License-Identifier: GPL-2.0
/* Recordings: written, read back, damaged in every way. */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recording.h"

#define RECORDS	5
#define TASKS	2
#define HEADER	sizeof(struct cowscope_file_header)
#define RECORD	sizeof(struct cowscope_record)
#define TASK	sizeof(struct cowscope_task)
#define WHOLE	(HEADER + RECORDS * RECORD + TASKS * TASK)

static char directory[64], path[96];

static int setup(void **state)
{
	snprintf(directory, sizeof(directory), "/tmp/cowscope-unit.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/recording", directory);
	return 0;
}

static size_t files_left(void)
{
	DIR *dir = opendir(directory);
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static int teardown(void **state)
{
	unlink(path);
	return rmdir(directory);
}

static struct cowscope_record nth(u64 n)
{
	struct cowscope_record r = lost_pin();

	r.ts += n;
	r.pid = 7 + n % 2;
	return r;
}

static void write_records(u64 records)
{
	struct cowscope_task seven = { .pid = 7, .tgid = 7, .comm = "seven" };
	struct cowscope_task eight = { .pid = 8, .tgid = 7, .comm = "eight" };
	struct cowscope_task nameless = { .pid = 9, .tgid = 9 };
	struct recording_out out;
	struct names names = { 0 };
	u64 n;

	assert_int_equal(names_put(&names, &seven), 0);
	assert_int_equal(names_put(&names, &eight), 0);
	assert_int_equal(names_put(&names, &nameless), 0);
	assert_int_equal(recording_create(&out, path, COWSCOPE_RULE_PAGE_COUNT), 0);
	for (n = 0; n < records; n++) {
		struct cowscope_record r = nth(n);

		assert_int_equal(recording_put(&out, &r), 0);
	}
	assert_int_equal(recording_finish(&out, &names, 12, 34), 0);
	names_free(&names);
}

static void write_whole(void)
{
	write_records(RECORDS);
}

/* Puts bytes over the whole recording, or at its end. */
static void damage(size_t offset, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "r+");

	assert_non_null(file);
	assert_int_equal(fseek(file, offset, SEEK_SET), 0);
	assert_int_equal(fwrite(bytes, size, 1, file), 1);
	fclose(file);
}

/* Reads to the end; every record must be the right one. */
static u64 read_all(struct recording_in *in)
{
	const struct cowscope_record *r;
	u64 n = 0;

	while ((r = recording_next(in))) {
		struct cowscope_record expected = nth(n++);

		assert_memory_equal(r, &expected, sizeof(*r));
	}
	assert_null(recording_next(in));
	return n;
}

static void round_trip(void **state)
{
	struct recording_in in;
	struct stat st;

	write_whole();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, WHOLE);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(files_left(), 1);

	assert_true(recording_open(&in, path));
	assert_int_equal(in.header.lost, 12);
	assert_int_equal(in.header.missed, 34);
	assert_int_equal(in.header.rule, COWSCOPE_RULE_PAGE_COUNT);
	assert_true(strlen(in.header.release) > 0);
	assert_string_equal(names_comm(&in.names, 7), "seven");
	assert_string_equal(names_comm(&in.names, 8), "eight");
	assert_null(names_comm(&in.names, 9));
	assert_int_equal(read_all(&in), RECORDS);
	assert_string_equal(in.error, "");
	recording_close(&in);
}

/* An existing recording is replaced, but only by a finished one. */
static void replaces(void **state)
{
	struct recording_out out;
	struct recording_in in;
	struct names names = { 0 };

	write_whole();
	assert_int_equal(recording_create(&out, path, 0), 0);
	assert_int_equal(files_left(), 2);
	recording_discard(&out);
	assert_int_equal(files_left(), 1);
	assert_true(recording_open(&in, path));
	assert_int_equal(read_all(&in), RECORDS);
	recording_close(&in);

	assert_int_equal(recording_create(&out, path, 0), 0);
	assert_int_equal(recording_finish(&out, &names, 0, 0), 0);
	assert_int_equal(files_left(), 1);
	assert_true(recording_open(&in, path));
	assert_int_equal(read_all(&in), 0);
	assert_string_equal(in.error, "");
	recording_close(&in);
}

/* Cut off at every byte: what is there is read, the error names the offset. */
static void truncated(void **state)
{
	size_t size;

	for (size = 0; size < WHOLE; size++) {
		struct recording_in in;
		char offset[32];
		u64 whole = size < HEADER ? 0 : (size - HEADER) / RECORD;
		bool opened;

		write_whole();
		assert_int_equal(truncate(path, size), 0);
		opened = recording_open(&in, path);
		assert_int_equal(opened, size >= HEADER);
		if (opened)
			assert_int_equal(read_all(&in), whole < RECORDS ? whole : RECORDS);
		snprintf(offset, sizeof(offset), size < 8 ? "%zu bytes" : "offset %zu", size);
		assert_non_null(strstr(in.error, offset));
		recording_close(&in);
	}
}

static void rejects(size_t offset, const void *bytes, size_t size, const char *error)
{
	struct recording_in in;

	write_whole();
	damage(offset, bytes, size);
	assert_false(recording_open(&in, path));
	if (!strstr(in.error, error))
		fail_msg("'%s' is not in '%s'", error, in.error);
	recording_close(&in);
}

static void damaged_header(void **state)
{
	u32 number = 137;

	rejects(0, "C", 1, "magic number at offset 0");
	rejects(7, "E", 1, "magic number at offset 0");
	rejects(8, &number, 4, "header size 137 at offset 8");
	rejects(12, &number, 4, "record size 137 at offset 12");
	number = 0;
	rejects(8, &number, 4, "header size 0 at offset 8");
	rejects(12, &number, 4, "record size 0 at offset 12");
}

static const char *truncated_at_end(void)
{
	static char text[48];

	snprintf(text, sizeof(text), "truncated at offset %zu", WHOLE);
	return text;
}

/* Counts that the file has not, up to those that overflow any product. */
static void damaged_counts(void **state)
{
	static const u64 counts[] = { RECORDS + 2, 1ULL << 32, 1ULL << 58, 1ULL << 63, ~0ULL - 1 };
	struct recording_in in;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		write_whole();
		damage(offsetof(struct cowscope_file_header, records), &counts[i], 8);
		assert_true(recording_open(&in, path));
		assert_non_null(strstr(in.error, truncated_at_end()));
		assert_in_range(in.records, RECORDS, RECORDS + TASKS);
		recording_close(&in);

		write_whole();
		damage(offsetof(struct cowscope_file_header, tasks), &counts[i], 8);
		assert_true(recording_open(&in, path));
		assert_non_null(strstr(in.error, truncated_at_end()));
		assert_int_equal(read_all(&in), RECORDS);
		assert_string_equal(names_comm(&in.names, 8), "eight");
		recording_close(&in);
	}
}

static void unterminated_strings(void **state)
{
	struct recording_in in;
	char bytes[64 + 16];

	memset(bytes, 'x', sizeof(bytes));
	write_whole();
	damage(offsetof(struct cowscope_file_header, release), bytes, sizeof(bytes));
	assert_true(recording_open(&in, path));
	assert_int_equal(strlen(in.header.release), 63);
	assert_int_equal(strlen(in.header.version), 15);
	recording_close(&in);

	write_whole();
	damage(WHOLE - TASKS * TASK + offsetof(struct cowscope_task, comm), bytes, 16);
	assert_true(recording_open(&in, path));
	assert_int_equal(strlen(names_comm(&in.names, 7)) +
			 strlen(names_comm(&in.names, 8)), 15 + 5);
	recording_close(&in);
}

/* They are printed. */
static void strings_with_controls(void **state)
{
	static const char bytes[] = "6.1\033[31m\302\233\r";
	struct recording_in in;

	write_whole();
	damage(offsetof(struct cowscope_file_header, release), bytes, sizeof(bytes));
	damage(offsetof(struct cowscope_file_header, version), bytes, sizeof(bytes));
	assert_true(recording_open(&in, path));
	assert_string_equal(in.header.release, "6.1?[31m??");
	assert_string_equal(in.header.version, "6.1?[31m??");
	assert_int_equal(read_all(&in), RECORDS);
	assert_string_equal(in.error, "");
	recording_close(&in);
}

static void damaged_record(void **state)
{
	static const u8 types[] = { 0, COWSCOPE_EVENTS, 255 };
	struct recording_in in;
	char offset[32];
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		for (n = 0; n < RECORDS; n++) {
			size_t at = HEADER + n * RECORD;

			write_whole();
			damage(at + offsetof(struct cowscope_record, type), &types[i], 1);
			assert_true(recording_open(&in, path));
			assert_int_equal(read_all(&in), n);
			snprintf(offset, sizeof(offset), "offset %zu", at);
			assert_non_null(strstr(in.error, offset));
			recording_close(&in);
		}
}

static void expect_offset(const struct recording_in *in, const char *what, u64 records)
{
	char text[64];

	snprintf(text, sizeof(text), "%s offset %zu", what, HEADER + (size_t)records * RECORD);
	if (!strstr(in->error, text))
		fail_msg("'%s' is not in '%s'", text, in->error);
}

/* Longer than what is read at a time, whole, damaged and cut off anywhere there. */
static void many_records(void **state)
{
	static const u64 counts[] = { 1023, 1024, 1025, 2048, 3000 };
	const u8 no_type = 0;
	struct recording_in in;
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		write_records(counts[i]);
		assert_true(recording_open(&in, path));
		assert_int_equal(read_all(&in), counts[i]);
		assert_string_equal(in.error, "");
		recording_close(&in);
		for (k = 0; k < i; k++) {
			write_records(counts[i]);
			damage(HEADER + counts[k] * RECORD + offsetof(struct cowscope_record, type),
			       &no_type, 1);
			assert_true(recording_open(&in, path));
			assert_int_equal(read_all(&in), counts[k]);
			expect_offset(&in, "damaged at", counts[k]);
			recording_close(&in);

			assert_int_equal(truncate(path, HEADER + counts[k] * RECORD), 0);
			assert_true(recording_open(&in, path));
			assert_int_equal(read_all(&in), counts[k]);
			expect_offset(&in, "truncated at", counts[k]);
			recording_close(&in);
		}
	}
}

/* While it is read. */
static void becomes_shorter(void **state)
{
	struct recording_in in;

	write_records(3000);
	assert_true(recording_open(&in, path));
	assert_non_null(recording_next(&in));
	assert_int_equal(truncate(path, HEADER + 2000 * RECORD + 1), 0);
	while (recording_next(&in))
		;
	assert_int_equal(in.next, 2000);
	expect_offset(&in, "cannot be read at", 2000);
	assert_null(recording_next(&in));
	recording_close(&in);
}

/* Of a recorder that was killed. */
static void unfinished(void **state)
{
	const u64 open_end = ~0ULL;
	struct recording_in in;

	write_whole();
	damage(offsetof(struct cowscope_file_header, records), &open_end, 8);
	assert_int_equal(truncate(path, HEADER + 3 * RECORD + 10), 0);
	assert_true(recording_open(&in, path));
	assert_int_equal(read_all(&in), 3);
	expect_offset(&in, "did not end: it goes up to", 3);
	recording_close(&in);
}

static void trailing(void **state)
{
	struct recording_in in;

	write_whole();
	damage(WHOLE, "x", 1);
	assert_true(recording_open(&in, path));
	assert_int_equal(read_all(&in), RECORDS);
	assert_non_null(strstr(in.error, "after offset 520"));
	recording_close(&in);
}

static void no_recording(void **state)
{
	struct recording_in in;

	assert_false(recording_open(&in, path));
	assert_string_equal(in.error, "No such file or directory");
	recording_close(&in);
	assert_false(recording_open(&in, directory));
	assert_string_equal(in.error, "not a regular file");
	recording_close(&in);
	/* Nobody writes to this pipe: that must not be waited for. */
	assert_int_equal(mkfifo(path, 0600), 0);
	alarm(60);
	assert_false(recording_open(&in, path));
	alarm(0);
	assert_string_equal(in.error, "not a regular file");
	recording_close(&in);
	assert_false(recording_open(&in, "/dev/null"));
	assert_string_equal(in.error, "not a regular file");
	recording_close(&in);
}

static void cannot_create(void **state)
{
	struct recording_out out;

	assert_int_equal(recording_create(&out, "/dev/null", 0), -EINVAL);
	assert_int_equal(recording_create(&out, directory, 0), -EINVAL);
	assert_int_equal(recording_create(&out, "/nonexistent/recording", 0), -ENOENT);
	assert_int_equal(files_left(), 0);
}

/* No room: an error, and no file that looks like a recording. */
static void no_room(void **state)
{
	struct rlimit limit, before;
	struct cowscope_record r = nth(0);
	struct names names = { 0 };
	struct recording_out out;
	size_t size;
	int err, n;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	for (size = 0; size < HEADER + 200 * RECORD; size += 1000) {
		limit = (struct rlimit){ .rlim_cur = size, .rlim_max = before.rlim_max };
		setrlimit(RLIMIT_FSIZE, &limit);
		err = recording_create(&out, path, 0);
		for (n = 0; n < 200 && !err; n++)
			err = recording_put(&out, &r);
		if (n == 200 && !err)
			err = recording_finish(&out, &names, 0, 0);
		else
			recording_discard(&out);
		setrlimit(RLIMIT_FSIZE, &before);
		assert_int_equal(err, -EFBIG);
		assert_int_equal(files_left(), 0);
	}
}

static void many_names(void **state)
{
	struct cowscope_task task = { .comm = "x" };
	struct names names = { 0 };
	u32 pid;

	assert_null(names_get(&names, 1));
	for (pid = 1; pid < 5000; pid++) {
		task.pid = pid * 64;
		task.tgid = pid;
		assert_int_equal(names_put(&names, &task), 0);
	}
	assert_int_equal(names.count, 4999);
	for (pid = 1; pid < 5000; pid++)
		assert_int_equal(names_get(&names, pid * 64)->tgid, pid);
	assert_null(names_get(&names, 63));
	task.tgid = 12;
	assert_int_equal(names_put(&names, &task), 0);
	assert_int_equal(names.count, 4999);
	assert_int_equal(names_get(&names, 4999 * 64)->tgid, 12);
	names_free(&names);
	assert_null(names_comm(&names, 64));
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	TEST(round_trip),
	TEST(replaces),
	TEST(truncated),
	TEST(damaged_header),
	TEST(damaged_counts),
	TEST(unterminated_strings),
	TEST(strings_with_controls),
	TEST(damaged_record),
	TEST(many_records),
	TEST(becomes_shorter),
	TEST(unfinished),
	TEST(trailing),
	TEST(no_recording),
	TEST(cannot_create),
	TEST(no_room),
	TEST(many_names),
};

GROUP(recording, tests);
