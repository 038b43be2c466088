// SPDX-License-Identifier: GPL-2.0
/* What the fuzzers share; linked with --wrap=exit. */
#include "fuzz.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "output.h"

void broken(const char *file, int line, const char *condition, const char *format, ...)
{
	va_list args;

	dprintf(STDERR_FILENO, "%s:%d: does not hold: %s\n", file, line, condition);
	va_start(args, format);
	vdprintf(STDERR_FILENO, format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "\n");
	abort();
}

/* json-c seeds its tables at random, but for this hash. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	json_global_set_string_hash(JSON_C_STR_HASH_PERLLIKE);
	return 0;
}

void take(struct input *in, void *to, size_t size)
{
	size_t n = size < in->left ? size : in->left;

	memset(to, 0, size);
	if (n)
		memcpy(to, in->at, n);
	in->at += n;
	in->left -= n;
}

unsigned int take_below(struct input *in, unsigned int limit)
{
	uint8_t byte;

	take(in, &byte, 1);
	return byte % limit;
}

void take_string(struct input *in, char *to, size_t size)
{
	size_t n = 0;

	while (n < in->left && n + 1 < size && in->at[n] && in->at[n] != '\n')
		n++;
	memcpy(to, in->at, n);
	to[n] = '\0';
	n += n < in->left;
	in->at += n;
	in->left -= n;
}

/* Where exit() goes while a call is under way. */
static jmp_buf exited;
static bool can_exit;

void __wrap_exit(int status)
{
	if (can_exit)
		longjmp(exited, status + 1);
	__real_exit(status);
}

static int memory_file(int *fd)
{
	if (!*fd)
		*fd = memfd_create("fuzz", MFD_CLOEXEC);
	HOLDS(*fd > 0 && !ftruncate(*fd, 0) && !lseek(*fd, 0, SEEK_SET));
	return *fd;
}

static FILE *stream(int *fd)
{
	FILE *file = fdopen(dup(memory_file(fd)), "w");

	HOLDS(file);
	return file;
}

static size_t content(int fd, char **text)
{
	off_t size = lseek(fd, 0, SEEK_END);

	*text = realloc(*text, size + 1);
	HOLDS(*text && pread(fd, *text, size, 0) == size);
	(*text)[size] = '\0';
	return size;
}

const struct printed *printed(int (*call)(int argc, char **argv), int argc, char **argv)
{
	static struct printed p;
	static int fd[2];
	FILE *real_out = stdout, *real_err = stderr;
	int jumped;

	stdout = stream(&fd[0]);
	stderr = stream(&fd[1]);
	setvbuf(stderr, NULL, _IONBF, 0);
	optind = 0;
	can_exit = true;
	jumped = setjmp(exited);
	p.status = jumped ? jumped - 1 : call(argc, argv);
	can_exit = false;
	fclose(stdout);
	fclose(stderr);
	stdout = real_out;
	stderr = real_err;
	p.out_size = content(fd[0], &p.out);
	p.err_size = content(fd[1], &p.err);
	return &p;
}

const char *file_of(const void *data, size_t size)
{
	static char name[64];
	static int fd;

	HOLDS(pwrite(memory_file(&fd), data, size, 0) == (ssize_t)size);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return name;
}

void check_text(const char *text, size_t size)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + size;

	for (; p < end; p++) {
		HOLDS((*p >= ' ' && *p != 0x7f) || *p == '\n', "byte 0x%02x in: %s", *p, text);
		HOLDS(*p != 0xc2 || p + 1 == end || p[1] < 0x80 || p[1] > 0x9f,
		      "U+%04X in: %s", p[1], text);
	}
}

size_t check_json(const char *text, void (*each)(void *ctx, struct json_object *line), void *ctx)
{
	struct json_tokener *tokener = json_tokener_new();
	size_t lines = 0;

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	for (; *text; lines++) {
		size_t length = strcspn(text, "\n");
		struct json_object *line = json_tokener_parse_ex(tokener, text, length);

		HOLDS(text[length] == '\n', "no end of line: %s", text);
		HOLDS(line && json_tokener_get_error(tokener) == json_tokener_success &&
		      json_object_is_type(line, json_type_object), "no object: %s", text);
		if (each)
			each(ctx, line);
		json_object_put(line);
		json_tokener_reset(tokener);
		text += length + 1;
	}
	json_tokener_free(tokener);
	return lines;
}

size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}
