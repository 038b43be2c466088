/* SPDX-License-Identifier: GPL-2.0 */
/* What the fuzzers share. Each is one file fuzz_NAME.c; kit.c has the rest. */
#ifndef COWSCOPE_FUZZ_H
#define COWSCOPE_FUZZ_H

#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

#include <json-c/json.h>

#include "pure.h"
#include <linux/cowscope.h>

/* libFuzzer calls the first once, then with each input the next; the third makes one of another. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* Ends the run with what does not hold; libFuzzer keeps the input. */
#define HOLDS(condition, ...) do {						\
	if (!(condition))							\
		broken(__FILE__, __LINE__, #condition, "" __VA_ARGS__);		\
} while (0)

_Noreturn void broken(const char *file, int line, const char *condition, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* An input that is taken apart from its beginning. */
struct input {
	const uint8_t *at;
	size_t left;
};

/**
 * take - bytes of the input
 * @in: the input; what it lacks is zero
 * @to: where to
 * @size: how many
 */
void take(struct input *in, void *to, size_t size);

/* One number below @limit. */
unsigned int take_below(struct input *in, unsigned int limit);

/**
 * take_string - up to the next zero or newline, at most @size - 1 bytes
 * @in: the input
 * @to: where to; terminated
 * @size: room there
 */
void take_string(struct input *in, char *to, size_t size);

/* What a call has printed; of the last one only. */
struct printed {
	char *out, *err;	/* terminated */
	size_t out_size, err_size;
	int status;		/* what it returned, or exited with */
};

/**
 * printed - call a function, keep what it writes to standard output and error
 * @call: the function; may call exit()
 * @argc: for it
 * @argv: for it, ends with NULL; getopt() begins anew
 */
const struct printed *printed(int (*call)(int argc, char **argv), int argc, char **argv);

/**
 * file_of - a file with these bytes; of the last call only
 * @data: bytes
 * @size: how many
 *
 * Returns its name.
 */
const char *file_of(const void *data, size_t size);

/* No control character but the newline, of ASCII or of UTF-8, that could steer a terminal. */
void check_text(const char *text, size_t size);

/**
 * check_json - lines of text, each one JSON object in UTF-8
 * @text: terminated
 * @each: called with each of them, may be NULL
 * @ctx: handed through
 *
 * Returns how many there were.
 */
size_t check_json(const char *text, void (*each)(void *ctx, struct json_object *line), void *ctx);

size_t count_lines(const char *text);

/* What --wrap=exit makes of it. */
_Noreturn void __wrap_exit(int status);
_Noreturn void __real_exit(int status);

/* main() of the command, under another name here. */
int cowscope_main(int argc, char **argv);

#endif
