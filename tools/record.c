// SPDX-License-Identifier: GPL-2.0
/* cowscope record: follow one process and its descendants, then report. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "device.h"
#include "filter.h"
#include "output.h"
#include "recording.h"
#include "signals.h"
#include "summary.h"
#include "target.h"

/* Between two looks at busy rings: long enough to be cheap. */
#define NAP_MS	5
#define IDLE_MS	100
#define EMPTY_EVERY	1024	/* records: the rings, while they are dealt with */

/* One run of `cowscope record`. */
struct recorder {
	struct device device;
	struct reader reader;
	struct target target;
	struct filter filter;
	struct recording_out out;
	const char *path;	/* of the recording, or NULL; NULL after an error */
	int signals;		/* signalfd */
	int interrupted;	/* by this signal, the target runs on */
	u64 missed_before;
	u64 began;		/* CLOCK_MONOTONIC, ns: when the filter was set */
	struct names names;
	struct names children;	/* who was forked meanwhile */
	struct summary summary;
	int status;
};

static u64 count_missed(const struct device *d)
{
	char *stats = device_stats(d);
	u64 missed;

	if (!stats)
		return 0;
	missed = stats_missed(stats);
	free(stats);
	return missed;
}

static void give_up_file(struct recorder *rec, int err)
{
	rec->status = fail("cannot write %s: %s; there will be no recording", rec->path,
			   strerror(-err));
	recording_discard(&rec->out);
	rec->path = NULL;
}

static void learn_names(struct recorder *rec, const struct cowscope_record *r)
{
	struct cowscope_task task = { .pid = r->target };

	if (r->type == COWSCOPE_EVENT_FORK && r->target)
		names_put(&rec->children, &task);
	if (r->pid && device_task(&rec->device, r->pid, &task))
		names_put(&rec->names, &task);
}

/* What was under way when the filter was set may be anybody's. */
static bool began_before(const struct cowscope_record *r, u64 time)
{
	switch (r->type) {
	case COWSCOPE_EVENT_COW_FAULT:
		return r->ts < time + r->duration;
	case COWSCOPE_EVENT_FORK:
	case COWSCOPE_EVENT_FORK_RANGE:
	case COWSCOPE_EVENT_CLEAR_REFS:
	case COWSCOPE_EVENT_UFFD_WP:
		return r->ts < time + r->op_duration;
	default:
		return r->ts < time;
	}
}

/* Returns how many records there were. */
static u64 drain(struct recorder *rec, u64 horizon)
{
	struct cowscope_record r;
	u64 n = 0;
	int err;

	reader_batch(&rec->reader, horizon);
	for (; reader_next(&rec->reader, &r); n++) {
		/* The last batch would have no end if others go on. */
		if (n % EMPTY_EVERY == EMPTY_EVERY - 1 && horizon != READER_ALL)
			reader_batch(&rec->reader, horizon);
		if (began_before(&r, rec->began))
			continue;
		summary_add(&rec->summary, &r);
		learn_names(rec, &r);
		err = rec->path ? recording_put(&rec->out, &r) : 0;
		if (err)
			give_up_file(rec, err);
	}
	return n;
}

/*
 * Rings fill while the reader waits for a processor that others keep busy. Each look at
 * them has an end, and a nap after it, so that there is time for others in any case. Who
 * may not do this goes without.
 */
static void go_first(void)
{
	struct sched_param param = { .sched_priority = 1 };

	sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param);
}

static void watch(struct recorder *rec)
{
	struct pollfd p[] = {
		{ .fd = rec->target.pidfd, .events = POLLIN },
		{ .fd = rec->signals, .events = POLLIN },
		{ .fd = rec->device.fd, .events = POLLIN },
	};
	u64 n;

	do {
		n = drain(rec, reader_horizon());
		if (poll(p, n ? 2 : 3, n ? NAP_MS : IDLE_MS) < 0 && errno != EINTR)
			break;
		if (p[1].revents)
			rec->interrupted = target_signal(&rec->target, rec->signals);
	} while (!p[0].revents && !rec->interrupted);
	drain(rec, READER_ALL);
}

static bool is_running(u32 pid)
{
	char path[32], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(file);
	return state && state != 'Z' && state != 'X';
}

static void tell_survivors(const struct recorder *rec)
{
	char list[120] = "";
	size_t i, n = 0, length = 0;

	for (i = 0; i < rec->children.room; i++) {
		u32 pid = rec->children.task[i].pid;

		if (!pid || !is_running(pid))
			continue;
		n++;
		if (length < sizeof(list) - 16)
			length += snprintf(list + length, sizeof(list) - length, " %u", pid);
	}
	if (n)
		note("%zu descendant%s still running, not recorded any more:%s%s", n,
		     n == 1 ? "" : "s", list, length < sizeof(list) - 16 ? "" : " ...");
}

static int begin(struct recorder *rec)
{
	struct device *d = &rec->device;
	int err;

	err = target_follow(&rec->target, d);
	if (!err)
		err = filter_begin(&rec->filter, d);
	if (err)
		return err;
	rec->began = monotonic_ns();
	err = reader_open(&rec->reader, &rec->device, READER_NOW);
	if (err)
		return fail("cannot map the rings: %s", strerror(-err));
	rec->missed_before = count_missed(d);
	go_first();
	return device_switch(d, COWSCOPE_RECORDING_ON);
}

static void report(struct recorder *rec)
{
	struct summary_about about = {
		.rule = rec->device.info.rule,
		.lost = reader_lost(&rec->reader),
		.missed = count_missed(&rec->device) - rec->missed_before,
	};
	struct utsname u;
	int err;

	if (rec->path) {
		err = recording_finish(&rec->out, &rec->names, about.lost, about.missed);
		if (err)
			rec->status = fail("cannot write %s: %s", rec->path, strerror(-err));
	}
	about.release = uname(&u) ? "?" : u.release;
	summary_print(&rec->summary, &rec->names, &about);
	tell_survivors(rec);
}

/* With the device open, the file begun and the target known. */
static void record(struct recorder *rec, const char *name)
{
	rec->status = begin(rec);
	if (rec->status)
		return;
	if (rec->target.is_command) {
		rec->status = target_go(&rec->target, name);
		if (rec->status)
			return;
	}
	watch(rec);
	report(rec);
}

static int run(struct recorder *rec, char **argv, pid_t pid)
{
	int err, ended = EXIT_SUCCESS;

	err = device_open(&rec->device);
	if (err)
		return fail("%s", device_error(err));

	rec->signals = signals_open();
	err = pid ? target_attach(&rec->target, pid) : target_start(&rec->target, argv);
	if (err)
		return err;

	err = rec->path ? recording_create(&rec->out, rec->path, rec->device.info.rule) : 0;
	if (err)
		rec->status = fail("cannot write %s: %s", rec->path, err == -EINVAL ?
				   "it is there and no regular file" : strerror(-err));
	else
		record(rec, argv[0]);

	device_switch(&rec->device, rec->device.info.enabled);
	if (rec->path)
		recording_discard(&rec->out);
	if (rec->target.is_command)
		ended = rec->interrupted ? 128 + rec->interrupted : target_end(&rec->target);
	if (!rec->status)
		rec->status = ended;
	reader_close(&rec->reader);
	names_free(&rec->names);
	names_free(&rec->children);
	device_close(&rec->device);
	return rec->status;
}

int cmd_record(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "pid", required_argument, NULL, 'p' },
		{ "comm", required_argument, NULL, FILTER_COMM },
		{ "addr", required_argument, NULL, FILTER_ADDR },
		{ "event", required_argument, NULL, FILTER_EVENT },
		{ "verdict", required_argument, NULL, FILTER_VERDICT },
		{ NULL, 0, NULL, 0 },
	};
	struct recorder *rec = calloc(1, sizeof(*rec));
	pid_t pid = 0;
	int opt, status;

	if (!rec)
		return fail("out of memory");
	while ((opt = next_option(argc, argv, "+o:p:", longs)) != -1) {
		if (opt == 'o')
			rec->path = optarg;
		else if (!filter_option(&rec->filter, opt))
			pid = target_pid(optarg);
	}
	if ((optind < argc) == !!pid)
		usage_error("either -p PID or a COMMAND is needed");
	status = run(rec, argv + optind, pid);
	free(rec);
	return finish(status);
}
