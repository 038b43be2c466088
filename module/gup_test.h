/* SPDX-License-Identifier: GPL-2.0 */
/* The file of the kernel's own selftests, where the kernel lacks it. */
#ifndef COWSCOPE_GUP_TEST_H
#define COWSCOPE_GUP_TEST_H

#include <linux/seq_file.h>

/*
 * Makes /sys/kernel/debug/gup_test, unless the kernel has it (CONFIG_GUP_TEST) or it
 * is not wanted; on 5.10 gup_benchmark likewise, its name there. Whatever comes of it is said by gup_test_show() and costs no more
 * than this file. Lockdown forbids to open it, as every debugfs file that is more
 * than text to read.
 */
void gup_test_init(bool wanted);
void gup_test_exit(void);

/* One word: who serves it, "cowscope" or "kernel"; "off" or "failed". */
int gup_test_show(struct seq_file *m, void *unused);

#endif
