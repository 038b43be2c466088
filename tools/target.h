/* SPDX-License-Identifier: GPL-2.0 */
/* The process that is recorded: a command to be started, or one that runs. */
#ifndef COWSCOPE_TARGET_H
#define COWSCOPE_TARGET_H

#include <stdbool.h>
#include <sys/types.h>

struct target {
	pid_t pid;
	int pidfd;		/* readable when the process has ended */
	int go;			/* a started command waits for this pipe, or -1 */
	int failed;		/* ... and says here that it cannot be run, or -1 */
};

/**
 * target_start - fork a command that does nothing yet
 * @t: filled in
 * @argv: the command
 *
 * Returns 0 or a negative errno.
 */
int target_start(struct target *t, char **argv);

/**
 * target_attach - take a process that runs
 * @t: filled in
 * @pid: the process
 *
 * Returns 0 or a negative errno: ESRCH: there is none; EINVAL: it is a thread.
 */
int target_attach(struct target *t, pid_t pid);

/**
 * target_go - let the command begin
 * @t: from target_start()
 *
 * Returns 0, or the negative errno with which it could not be executed.
 */
int target_go(struct target *t);

/**
 * target_end - wait for a started command, or kill it if it was never let go
 * @t: the target
 *
 * Returns its exit status as a shell has it: 128 + signal if that killed it.
 */
int target_end(struct target *t);

/**
 * target_detach - leave the process alone
 * @t: the target
 */
void target_detach(struct target *t);

#endif
