// SPDX-License-Identifier: GPL-2.0
#include "experiment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pure.h"
#include <linux/cowscope.h>

/* The page that is tried, and the pipe that refers to it. */
struct trial {
	char *page;
	size_t length;
	int pipe[2];
};

static bool failed(struct experiment *e, const char *what)
{
	snprintf(e->trouble, sizeof(e->trouble), "%s: %s", what, strerror(errno));
	return false;
}

/* A store that the compiler may not leave out or move. */
static void poke(char *at, char c)
{
	__atomic_store_n(at, c, __ATOMIC_RELEASE);
}

static bool prepare(struct trial *t, struct experiment *e)
{
	struct iovec iov;
	void *page;

	t->length = sysconf(_SC_PAGESIZE);
	page = mmap(NULL, t->length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return failed(e, "mmap");
	t->page = page;
	poke(t->page, 'A');
	if (pipe(t->pipe))
		return failed(e, "pipe");
	iov = (struct iovec){ page, 1 };
	if (vmsplice(t->pipe[1], &iov, 1, 0) != 1)
		return failed(e, "vmsplice");
	return true;
}

static bool write_protect(struct trial *t, struct experiment *e)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, "4", 1) == 1;

	if (fd >= 0)
		close(fd);
	if (done)
		return true;
	if (mprotect(t->page, t->length, PROT_READ) ||
	    mprotect(t->page, t->length, PROT_READ | PROT_WRITE))
		return failed(e, "mprotect");
	return true;
}

static bool fork_once(struct trial *t, struct experiment *e)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		return failed(e, "fork");
	return true;
}

static void try(struct experiment *e, bool (*between)(struct trial *t, struct experiment *e),
		char *saw)
{
	struct trial t;

	if (!prepare(&t, e) || !between(&t, e))
		return;
	poke(t.page, 'B');
	if (read(t.pipe[0], saw, 1) != 1)
		failed(e, "read from the pipe");
}

const struct experiment *experiment(void)
{
	static struct experiment *e, nowhere;
	pid_t pid;

	if (e)
		return e;
	e = mmap(NULL, sizeof(*e), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (e == MAP_FAILED) {
		e = &nowhere;
		failed(e, "mmap");
		return e;
	}
	/* What it does to soft-dirty bits and pages is its own affair. */
	pid = fork();
	if (!pid) {
		try(e, write_protect, &e->protect);
		try(e, fork_once, &e->fork);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		failed(e, "fork");
	return e;
}

unsigned int experiment_rule(const struct experiment *e)
{
	static const struct {
		char protect, fork;
	} sees[COWSCOPE_RULES] = {
		[COWSCOPE_RULE_MAPCOUNT] = { 'B', 'B' },
		[COWSCOPE_RULE_PAGE_COUNT] = { 'A', 'A' },
		[COWSCOPE_RULE_EXCLUSIVE] = { 'B', 'A' },
	};
	unsigned int rule;

	for (rule = 0; rule < COWSCOPE_RULES; rule++)
		if (e->protect == sees[rule].protect && e->fork == sees[rule].fork)
			break;
	return rule;
}

static const char *fate(char saw)
{
	return saw == 'B' ? "outlives" : "is lost by";
}

const char *experiment_text(const struct experiment *e)
{
	static char text[sizeof(e->trouble) + 64];

	if (*e->trouble)
		snprintf(text, sizeof(text), "experiment failed: %s", e->trouble);
	else if (e->protect == e->fork)
		snprintf(text, sizeof(text), "by experiment: a reference %s write-protection and a fork",
			 fate(e->protect));
	else
		snprintf(text, sizeof(text),
			 "by experiment: a reference %s write-protection and %s a fork",
			 fate(e->protect), fate(e->fork));
	return text;
}
