/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Text that grows in a buffer and is cut off where that ends. Pure. Records are
 * printed by the million: no printf, and words are copied as they are read.
 */
#ifndef COWSCOPE_TEXT_H
#define COWSCOPE_TEXT_H

#include "pure.h"

struct text {
	char *at;		/* the next byte */
	char *last;		/* the last one of the buffer, kept for the end */
};

/* Longest number: 20 digits, with a sign or "0x", and the terminating zero. */
#define TEXT_NUMBER	24

static inline struct text text_begin(char *buf, size_t size)
{
	struct text t = { buf, size ? buf + size - 1 : buf };

	return t;
}

/* Terminates it, if there is room at all; returns its length. */
static inline size_t text_end(const struct text *t, const char *buf, size_t size)
{
	if (size)
		*t->at = '\0';
	return t->at - buf;
}

static inline void text_char(struct text *t, char c)
{
	if (t->at < t->last)
		*t->at++ = c;
}

static inline void text_put(struct text *t, const char *string)
{
	char *at = t->at, *last = t->last;

	while (*string && at < last)
		*at++ = *string++;
	t->at = at;
}

/**
 * text_control - does a character that could steer a terminal begin here?
 * @at: text, not at its end
 * @left: bytes there
 *
 * Returns how many bytes it has, 0 if it is none: 1 in ASCII, 2 for the controls
 * that Unicode has besides, U+0080 to U+009F in UTF-8.
 */
static inline size_t text_control(const char *at, size_t left)
{
	unsigned char c = *at;

	if (c < ' ' || c == 0x7f)
		return 1;
	return c == 0xc2 && left > 1 && ((unsigned char)at[1] & 0xe0) == 0x80 ? 2 : 0;
}

/* Puts '?' in the place of each of them: what others chose must not steer a terminal. */
static inline void text_make_safe(char *string)
{
	char *to = string;
	size_t n;

	while (*string) {
		n = text_control(string, 2);
		*to++ = n ? '?' : *string;
		string += n ? n : 1;
	}
	*to = '\0';
}

/**
 * text_decimal - a number in decimal
 * @buf: where it may be put; its beginning is what is returned
 * @value: the number
 * @width: digits at least, filled up with zeros; at most 20
 */
static inline char *text_decimal(char buf[TEXT_NUMBER], u64 value, unsigned int width)
{
	char *end = buf + TEXT_NUMBER - 1, *at = end;

	*at = '\0';
	do {
		*--at = '0' + value % 10;
		value /= 10;
	} while (value || end - at < width);
	return at;
}

/* The same of a number that may be negative. */
static inline char *text_signed(char buf[TEXT_NUMBER], s64 value)
{
	char *at = text_decimal(buf, value < 0 ? -(u64)value : (u64)value, 1);

	if (value < 0)
		*--at = '-';
	return at;
}

/* "0x..." */
static inline char *text_hex(char buf[TEXT_NUMBER], u64 value)
{
	char *at = buf + TEXT_NUMBER - 1;

	*at = '\0';
	do {
		*--at = "0123456789abcdef"[value & 0xf];
		value >>= 4;
	} while (value);
	*--at = 'x';
	*--at = '0';
	return at;
}

#endif
