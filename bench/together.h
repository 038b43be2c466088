/* SPDX-License-Identifier: GPL-2.0 */
/* Rows of several processors that take reused faults at once, each on memory of its own. */
#ifndef BENCH_TOGETHER_H
#define BENCH_TOGETHER_H

/*
 * So many processes, one a processor. Instructions of all processors by all faults: time
 * with -icount, where processors take turns and there is nobody else.
 */
void row_smp_1(void);
void row_smp_2(void);
void row_smp_4(void);
void row_smp_8(void);

/* So many threads of one process. */
void row_threads_1(void);
void row_threads_2(void);
void row_threads_4(void);
void row_threads_8(void);

/* On every processor, for 10 s. */
void row_flat(void);

#endif
