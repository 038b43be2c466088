/* SPDX-License-Identifier: GPL-2.0 */
/* The memory that rows write to. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stddef.h>

#define PAGE		4096UL
#define HUGE		(2UL << 20)

/* A mapping of its own, aligned to huge pages, with madvise(@advice). */
char *map(size_t length, int advice);

/* Writes to n pages, `step` bytes apart. */
void write_all(char *p, size_t step, size_t n);

/* Of this process, type 4. */
void clear_refs(void);

#endif
