/* SPDX-License-Identifier: GPL-2.0 */
/* The signals that ask to come to an end. */
#ifndef COWSCOPE_SIGNALS_H
#define COWSCOPE_SIGNALS_H

#include <stdbool.h>
#include <sys/signalfd.h>

/**
 * signals_open - take SIGINT, SIGTERM and SIGHUP through a descriptor from now on
 *
 * Returns it, for poll(), or -1.
 */
int signals_open(void);

/**
 * signals_read - the next signal
 * @fd: from signals_open()
 * @info: filled in
 *
 * Returns false if there is none.
 */
bool signals_read(int fd, struct signalfd_siginfo *info);

#endif
