/* SPDX-License-Identifier: GPL-2.0 */
/* Rounds of one thing that is measured, and the counters that show what was done. */
#ifndef BENCH_ROUNDS_H
#define BENCH_ROUNDS_H

#include <stdbool.h>

typedef unsigned long long u64;

/* Ends the program: what failed, and errno. */
void __attribute__((noreturn)) fail(const char *what);

/* Why this round is not what it should be, printed if too few are. */
void __attribute__((format(printf, 1, 2))) fault_of(const char *format, ...);

u64 now(void);		/* ns */

/* FILE,KEY[+KEY]...,PER[+]: a counter of the next row; false if it is not of that form. */
bool check_add(char *spec);
void checks_forget(void);

/*
 * What is done between a page's write-protection and the timed part, so that no
 * page of the program's own is written for the first time there.
 */
void checks_begin(void);

/* Has each counter grown by as much as n times makes it? */
bool checks_hold(unsigned int n);

/* The end of a round: `n` things took `ns`; `holds`: it was what it should be. */
void round_end(u64 ns, unsigned int n, bool holds);

extern unsigned int rounds;	/* ended, of this row */

/* Before and after the rounds of a row: a line "ROW FIGURE DONE", or "ROW ! WHY". */
void rounds_begin(void);
void rounds_print(const char *row);

#endif
