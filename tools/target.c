// SPDX-License-Identifier: GPL-2.0
/* Starting a command in two steps, so that nothing of it is missed. */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cowscope.h"
#include "filter.h"
#include "number.h"
#include "output.h"
#include "signals.h"

static int open_pidfd(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

static _Noreturn void child(char **argv, int go, int failed)
{
	sigset_t none;
	char byte;
	int err;

	/* An end of file: whoever started this has died. */
	if (read(go, &byte, 1) != 1)
		_exit(EXIT_FAILURE);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], argv);
	err = errno;
	if (write(failed, &err, sizeof(err)) < 0)
		_exit(EXIT_FAILURE);
	_exit(err == ENOENT ? 127 : 126);
}

static void close_pair(const int *pair)
{
	close(pair[0]);
	close(pair[1]);
}

static int start(struct target *t, char **argv)
{
	int go[2], failed[2], err;

	if (pipe2(go, O_CLOEXEC))
		return -errno;
	if (pipe2(failed, O_CLOEXEC)) {
		err = -errno;
		close_pair(go);
		return err;
	}
	t->pid = fork();
	if (!t->pid) {
		close(go[1]);
		child(argv, go[0], failed[1]);
	}
	err = t->pid < 0 ? -errno : 0;
	close(go[0]);
	close(failed[1]);
	if (!err) {
		t->pidfd = open_pidfd(t->pid);
		err = t->pidfd < 0 ? t->pidfd : 0;
	}
	if (err) {
		close(go[1]);
		close(failed[0]);
		return err;
	}
	t->is_command = true;
	t->go = go[1];
	t->failed = failed[0];
	return 0;
}

int target_start(struct target *t, char **argv)
{
	int err = start(t, argv);

	return err ? fail("cannot start a process: %s", strerror(-err)) : EXIT_SUCCESS;
}

pid_t target_pid(const char *text)
{
	u64 pid;

	if (!number_parse(text, false, &pid) || !pid || pid > 0x7fffffff)
		usage_error("'%s' is no process id", text);
	return pid;
}

int target_attach(struct target *t, pid_t pid)
{
	*t = (struct target){ .pid = pid, .go = -1, .failed = -1 };
	t->pidfd = open_pidfd(pid);
	switch (t->pidfd) {
	case -EINVAL:
		return fail("%d is a thread: give its process", pid);
	case -ESRCH:
		return fail("no process %d", pid);
	}
	return t->pidfd < 0 ? fail("process %d: %s", pid, strerror(-t->pidfd)) : EXIT_SUCCESS;
}

int target_follow(const struct target *t, const struct device *d)
{
	int err = device_control(d, COWSCOPE_CONTROL_FOLLOW, t->pid);

	switch (err) {
	case 0:
		return EXIT_SUCCESS;
	case -ESRCH:
		return fail("no process %d", t->pid);
	case -EOPNOTSUPP:
		return fail("this kernel has no sched_process_fork tracepoint to follow descendants by");
	default:
		return filter_error(err);
	}
}

int target_go(struct target *t, const char *name)
{
	int err = 0;

	if (write(t->go, "", 1) != 1)
		err = errno;
	/* A successful execution closes the pipe. */
	else if (read(t->failed, &err, sizeof(err)) != sizeof(err))
		return EXIT_SUCCESS;
	fail("cannot run %s: %s", name, strerror(err));
	return err == ENOENT ? 127 : 126;
}

void target_detach(struct target *t)
{
	close(t->pidfd);
	if (t->go >= 0)
		close(t->go);
	if (t->failed >= 0)
		close(t->failed);
}

int target_signal(struct target *t, int signals)
{
	struct signalfd_siginfo info;

	if (!signals_read(signals, &info))
		return 0;
	if (!t->is_command || t->warned)
		return info.ssi_signo;
	if (info.ssi_code != SI_KERNEL)
		kill(t->pid, info.ssi_signo);
	t->warned = true;
	return 0;
}

int target_end(struct target *t)
{
	int status;

	target_detach(t);
	while (waitpid(t->pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILURE;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
