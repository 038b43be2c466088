// SPDX-License-Identifier: GPL-2.0
/* cowscope trace: records as lines, from the rings or from a recording. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "device.h"
#include "filter.h"
#include "output.h"
#include "recording.h"
#include "signals.h"

/* How long to wait for more before printing: many records, few wakeups. */
#define NAP_MS	50

static int trace_file(const char *path, struct filter *f)
{
	const struct cowscope_record *r;
	struct recording_in in;
	int status = EXIT_SUCCESS;

	if (recording_open(&in, path))
		while ((r = recording_next(&in))) {
			const char *comm = names_comm(&in.names, r->pid);

			if (filter_passes(f, r, comm))
				record_print(r, comm);
		}
	if (*in.error)
		status = fail("%s: %s", path, in.error);
	recording_close(&in);
	return status;
}

/* What to print; the module filters what comes after @began. */
struct tracer {
	struct device device;
	struct reader reader;
	struct filter filter;
	u64 began;		/* CLOCK_MONOTONIC, ns */
};

static void print_batch(struct tracer *t, u64 horizon)
{
	struct cowscope_record record;
	struct cowscope_task task;

	reader_batch(&t->reader, horizon);
	while (reader_next(&t->reader, &record)) {
		const char *comm = device_task(&t->device, record.pid, &task) ? task.comm : NULL;

		if (record.ts >= t->began || filter_passes(&t->filter, &record, comm))
			record_print(&record, comm);
	}
}

static void follow(struct tracer *t)
{
	struct pollfd p[] = {
		{ .fd = signals_open(), .events = POLLIN },
		{ .fd = t->device.fd, .events = POLLIN },
	};

	while (!p[0].revents && !ferror(stdout)) {
		print_batch(t, reader_horizon());
		fflush(stdout);
		/* First to let records gather and come of age, then for more. */
		if (!poll(p, 1, NAP_MS))
			poll(p, 2, NAP_MS);
	}
	print_batch(t, READER_ALL);
	close(p[0].fd);
}

static int trace_rings(struct tracer *t, bool following)
{
	struct reader *r = &t->reader;
	int err;

	err = device_open(&t->device);
	if (err)
		return fail("%s", device_error(err));
	t->began = READER_ALL;
	if (following) {
		err = filter_begin(&t->filter, &t->device);
		t->began = monotonic_ns();
	}
	if (!err) {
		err = reader_open(r, &t->device, READER_OLDEST);
		if (err)
			err = fail("cannot map the rings: %s", strerror(-err));
	}
	if (err) {
		device_close(&t->device);
		return err;
	}
	if (following)
		follow(t);
	else
		print_batch(t, READER_ALL);
	if (following || reader_lost(r))
		note("lost %llu records that were overwritten before they were read",
		     (unsigned long long)reader_lost(r));
	reader_close(r);
	device_close(&t->device);
	return EXIT_SUCCESS;
}

int cmd_trace(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "follow", no_argument, NULL, 'f' },
		{ "comm", required_argument, NULL, FILTER_COMM },
		{ "addr", required_argument, NULL, FILTER_ADDR },
		{ "event", required_argument, NULL, FILTER_EVENT },
		{ "verdict", required_argument, NULL, FILTER_VERDICT },
		{ NULL, 0, NULL, 0 },
	};
	static char buffer[1 << 16];
	struct tracer t = { 0 };
	bool following = false;
	int opt;

	while ((opt = next_option(argc, argv, "f", longs)) != -1)
		if (!filter_option(&t.filter, opt))
			following = true;
	if (optind + 1 < argc)
		usage_error("more than one FILE");
	if (following && optind < argc)
		usage_error("a FILE cannot be followed");
	/* Many lines, few writes; whoever follows flushes after each batch. */
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	return finish(optind < argc ? trace_file(argv[optind], &t.filter) :
				      trace_rings(&t, following));
}
