/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A record as text. Pure: compiled into the module and into the command, so
 * that both say the same thing in the same words.
 */
#ifndef COWSCOPE_FORMAT_H
#define COWSCOPE_FORMAT_H

#include "pure.h"
#include <linux/cowscope.h>
#include "words.h"

/* Longest line that cowscope_format() makes, with its terminating zero. */
#define COWSCOPE_LINE_MAX	640

/**
 * typedef cowscope_emit - receives one field of a record
 * @ctx: as given to cowscope_fields()
 * @key: name of the field, stable
 * @value: its text; valid during the call only
 * @number: @value is a decimal number (JSON writes it without quotes)
 */
typedef void (*cowscope_emit)(void *ctx, const char *key, const char *value,
			      bool number);

/**
 * cowscope_fields - call @emit for each field that a record carries
 * @r: the record
 * @emit: called in the order of the fields of a line
 * @ctx: handed through
 *
 * Leaves out the head (name, pid, cpu, time) and the event's name.
 */
void cowscope_fields(const struct cowscope_record *r, cowscope_emit emit, void *ctx);

/**
 * cowscope_format - one record as a line of text, without a newline
 * @buf: where to
 * @size: room there; COWSCOPE_LINE_MAX always suffices
 * @r: the record
 * @comm: name of the thread, or NULL if it is not known
 *
 * The line begins as ftrace's: "comm-pid [cpu] seconds: event: key=value ...".
 * Returns the length without the terminating zero.
 */
size_t cowscope_format(char *buf, size_t size, const struct cowscope_record *r,
		       const char *comm);

/**
 * cowscope_pte_flags - write, dirty, soft-dirty and uffd-wp of a PTE: "wdsu"
 * @buf: where to; a bit that is off is ".", a PTE that was not read is "-"
 * @size: room there
 * @pte: COWSCOPE_PTE_*
 */
size_t cowscope_pte_flags(char *buf, size_t size, u64 pte);

/**
 * cowscope_page_flags - the single bits of a page's state: "lru,swapcache"
 * @buf: where to; "-" if none is set
 * @size: room there
 * @state: COWSCOPE_STATE_*
 */
size_t cowscope_page_flags(char *buf, size_t size, u32 state);

#endif
