/* SPDX-License-Identifier: GPL-2.0 */
/* The process that is recorded: a command to be started, or one that runs. */
#ifndef COWSCOPE_TARGET_H
#define COWSCOPE_TARGET_H

#include <stdbool.h>
#include <sys/types.h>

#include "device.h"

struct target {
	pid_t pid;
	bool is_command;	/* started here */
	bool warned;		/* by a first signal */
	int pidfd;		/* readable when the process has ended */
	int go;			/* a started command waits for this pipe, or -1 */
	int failed;		/* ... and says here that it cannot be run, or -1 */
};

/**
 * target_pid - a process number of the command line
 * @text: as given; does not return if it is none
 */
pid_t target_pid(const char *text);

/**
 * target_start - fork a command that does nothing yet
 * @t: filled in
 * @argv: the command
 *
 * Returns 0, or an exit status after saying why not. So for the next three.
 */
int target_start(struct target *t, char **argv);

/**
 * target_attach - take a process that runs
 * @t: filled in
 * @pid: the process
 */
int target_attach(struct target *t, pid_t pid);

/**
 * target_follow - have the module follow it and its descendants alone
 * @t: the target
 * @d: the device; as long as it is open
 */
int target_follow(const struct target *t, const struct device *d);

/**
 * target_go - let the command begin
 * @t: from target_start()
 * @name: of the command, to say what could not be executed
 *
 * The exit status is a shell's: 127 if it was not found, else 126.
 */
int target_go(struct target *t, const char *name);

/**
 * target_signal - take a signal that asks to come to an end
 * @t: the target
 * @signals: from signals_open()
 *
 * A terminal sends its signals to a command too, which may end by itself and be
 * watched to its end; what was sent to this process alone is handed on. The
 * second signal ends it. Returns the signal by which to end at once, or 0.
 */
int target_signal(struct target *t, int signals);

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
