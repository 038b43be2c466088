/* SPDX-License-Identifier: GPL-2.0 */
/* The human view, /sys/kernel/debug/cowscope/. */
#ifndef COWSCOPE_DEBUGFS_H
#define COWSCOPE_DEBUGFS_H

void debugfs_init(void);
void debugfs_exit(void);

#endif
