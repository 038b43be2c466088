// SPDX-License-Identifier: GPL-2.0
/* Telling one story in processes of its own, and judging what came of it. */
#include "story.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cowscope.h"
#include "format.h"
#include "judge.h"
#include "prim.h"

/* A line that says why the outcome is what it is. */
static __printf(2, 3) void why(struct outcome *o, const char *format, ...)
{
	size_t length = strlen(o->why);
	va_list args;

	va_start(args, format);
	vsnprintf(o->why + length, sizeof(o->why) - length, format, args);
	va_end(args);
}

static void wrong(struct outcome *o)
{
	o->result = RESULT_NOT_OK;
}

static bool overlaps(const struct story_log *log, u64 start, u64 end)
{
	u32 i;

	for (i = 0; i < log->areas && i < STORY_AREAS; i++)
		if (start < log->area[i].end && end > log->area[i].start)
			return true;
	return false;
}

/* A fork makes write faults on all of a process; those are not the story. */
static bool belongs(const struct story_log *log, const struct cowscope_record *r)
{
	switch (r->type) {
	case COWSCOPE_EVENT_FORK:
	case COWSCOPE_EVENT_CLEAR_REFS:
	case COWSCOPE_EVENT_MARK:
		return true;
	case COWSCOPE_EVENT_FORK_RANGE:
	case COWSCOPE_EVENT_UFFD_WP:
	case COWSCOPE_EVENT_MIRROR:
		return overlaps(log, r->start, r->end);
	default:
		return overlaps(log, r->addr, r->addr + 1);
	}
}

static void keep_own(struct outcome *o)
{
	size_t i, n = 0;

	for (i = 0; i < o->records.count; i++)
		if (belongs(o->log, &o->records.record[i]))
			o->records.record[n++] = o->records.record[i];
	o->records.count = n;
}

/* The decision predicted from the state at entry must be the one made. */
static void check_prediction(struct outcome *o, const struct cowscope_record *r)
{
	unsigned int decision = COWSCOPE_OUTCOME_DECISION(r->outcome);
	unsigned int predicted = COWSCOPE_OUTCOME_PREDICTED(r->outcome);

	if ((decision != COWSCOPE_COPY && decision != COWSCOPE_REUSE) ||
	    (predicted != COWSCOPE_COPY && predicted != COWSCOPE_REUSE) || decision == predicted)
		return;
	wrong(o);
	why(o, "trace: decision=%s, but the state at entry predicted %s (addr=0x%llx)\n",
	    cowscope_decision_name(decision), cowscope_decision_name(predicted),
	    (unsigned long long)r->addr);
}

/* Is there another record of that type about the same page and holder? */
static bool has_partner(const struct outcome *o, const struct cowscope_record *r,
			enum cowscope_event type)
{
	const struct cowscope_record *other = o->records.record;
	const u64 page = ~((u64)sysconf(_SC_PAGESIZE) - 1);
	size_t i;

	for (i = 0; i < o->records.count; i++, other++)
		if (other->type == type && (other->addr & page) == (r->addr & page) &&
		    (type == COWSCOPE_EVENT_COW_FAULT ?
		     other->verdict == COWSCOPE_VERDICT_PIN_LOST : other->holder == r->holder))
			return true;
	return false;
}

/* What the trace says must agree with itself. */
static void check_trace(struct outcome *o)
{
	const struct cowscope_record *r = o->records.record;
	size_t i;

	for (i = 0; i < o->records.count; i++, r++) {
		if (r->type == COWSCOPE_EVENT_COW_FAULT) {
			check_prediction(o, r);
			if (r->verdict != COWSCOPE_VERDICT_PIN_LOST || !r->holder ||
			    has_partner(o, r, COWSCOPE_EVENT_PIN_LOST))
				continue;
			wrong(o);
			why(o, "trace: verdict=pin_lost, but no pin_lost event for holder=%u\n",
			    r->holder);
		} else if (r->type == COWSCOPE_EVENT_PIN_LOST &&
			   !has_partner(o, r, COWSCOPE_EVENT_COW_FAULT)) {
			wrong(o);
			why(o, "trace: pin_lost id=%u, but no cow_fault with that verdict\n",
			    r->holder);
		}
	}
}

struct observed outcome_observed(const struct outcome *o)
{
	struct observed seen = {
		.saw = o->log->has_saw ? o->log->saw : NULL,
		.fault = o->log->has_fault ? &o->log->fault : NULL,
	};
	size_t i;

	for (i = 0; i < o->records.count; i++)
		seen.events |= 1U << o->records.record[i].type;
	return seen;
}

static void check_expectation(struct outcome *o)
{
	const struct observed seen = outcome_observed(o);
	unsigned int rule;
	char text[160];

	if (o->expect) {
		if (judge(o->expect, &seen))
			return;
		judge_text(text, sizeof(text), &seen);
		why(o, "expected: %s\n", o->expect);
		why(o, "seen:     %s\n", text);
		wrong(o);
		return;
	}
	for (rule = 0; rule < COWSCOPE_RULES; rule++) {
		if (!o->variant->expect[rule])
			continue;
		why(o, "the scenario expects nothing under the rule %s\n",
		    cowscope_rule_name(o->rule));
		o->result = RESULT_SKIP;
		return;
	}
}

/* The story did not get to say how it ended. */
static void why_unfinished(struct outcome *o, int status, unsigned int timeout)
{
	const struct story_log *log = o->log;
	u32 steps = log->steps < STORY_STEPS ? log->steps : STORY_STEPS;

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		why(o, "not over after %u s, see --timeout", timeout);
	else if (WIFSIGNALED(status))
		why(o, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		why(o, "exited with status %d", WEXITSTATUS(status));
	if (steps)
		why(o, " in step %u: %s", steps, log->step[steps - 1].text);
	why(o, "\n");
}

static void conclude(struct outcome *o, int status, u64 lost, unsigned int timeout)
{
	const struct story_log *log = o->log;

	why(o, "%s", log->text);
	switch (log->end) {
	case STORY_SKIPPED:
		o->result = RESULT_SKIP;
		return;
	case STORY_TOLD:
		break;
	case STORY_UNFINISHED:
		why_unfinished(o, status, timeout);
		/* fall through */
	default:
		wrong(o);
		return;
	}

	if (lost) {
		why(o, "%llu records were lost, so the trace cannot be checked\n",
		    (unsigned long long)lost);
		wrong(o);
		return;
	}
	if (log->checks_failed)
		wrong(o);
	check_trace(o);
	check_expectation(o);
}

static _Noreturn void tell(struct outcome *o, unsigned int timeout)
{
	setpgid(0, 0);
	prctl(PR_SET_NAME, o->scenario->name);
	/* Whatever happens to the command, nothing of a story may stay behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGALRM, SIG_DFL);
	alarm(timeout);
	story_play(o->scenario, o->variant, o->log);
}

/* Waits for the story, then ends and reaps what it forked and left behind. */
static int wait_for(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	kill(-pid, SIGKILL);
	while (waitpid(-pid, NULL, 0) > 0 || errno == EINTR)
		;
	return status;
}

int story_run(struct outcome *o, const struct scenario *s, const struct variant *v,
	      struct device *d, unsigned int timeout)
{
	struct family family = { 0 };
	struct reader reader;
	int err, status;
	pid_t pid;

	*o = (struct outcome){ .scenario = s, .variant = v, .rule = d->info.rule };
	o->expect = o->rule < COWSCOPE_RULES ? v->expect[o->rule] : NULL;
	o->log = mmap(NULL, sizeof(*o->log), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (o->log == MAP_FAILED)
		return -ENOMEM;
	err = reader_open(&reader, d, READER_NOW);
	if (err)
		return err;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fflush(NULL);
	pid = fork();
	if (!pid)
		tell(o, timeout);
	if (pid < 0) {
		err = -errno;
	} else {
		setpgid(pid, pid);
		o->pid = pid;
		status = wait_for(pid);
		err = family_add(&family, pid);
		if (!err)
			err = reader_collect(&reader, d, &family, &o->records);
		keep_own(o);
		conclude(o, status, reader_lost(&reader), timeout);
	}
	free(family.tgid);
	reader_close(&reader);
	return err;
}

void outcome_free(struct outcome *o)
{
	munmap(o->log, sizeof(*o->log));
	free(o->records.record);
}
