// SPDX-License-Identifier: GPL-2.0
/* cowscope trace: records as lines, from the rings or from a recording. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "device.h"
#include "output.h"
#include "recording.h"
#include "signals.h"

/* How long to wait for more before printing: many records, few wakeups. */
#define NAP_MS	50

static int trace_file(const char *path)
{
	struct cowscope_record r;
	struct recording_in in;
	int status = EXIT_SUCCESS;

	if (recording_open(&in, path))
		while (recording_next(&in, &r))
			record_print(&r, names_comm(&in.names, r.pid));
	if (*in.error)
		status = fail("%s: %s", path, in.error);
	recording_close(&in);
	return status;
}

static void print_batch(const struct device *d, struct reader *r, u64 horizon)
{
	struct cowscope_record record;
	struct cowscope_task task;

	reader_batch(r, horizon);
	while (reader_next(r, &record))
		record_print(&record, device_task(d, record.pid, &task) ? task.comm : NULL);
}

static void follow(const struct device *d, struct reader *r)
{
	struct pollfd p[] = {
		{ .fd = signals_open(), .events = POLLIN },
		{ .fd = d->fd, .events = POLLIN },
	};

	while (!p[0].revents && !ferror(stdout)) {
		print_batch(d, r, reader_horizon());
		fflush(stdout);
		/* First to let records gather and come of age, then for more. */
		if (!poll(p, 1, NAP_MS))
			poll(p, 2, NAP_MS);
	}
	print_batch(d, r, READER_ALL);
	close(p[0].fd);
}

static int trace_rings(bool following)
{
	struct device d;
	struct reader r;
	int err;

	err = device_open(&d);
	if (err)
		return fail("%s", device_error(err));
	err = reader_open(&r, &d, READER_OLDEST);
	if (err) {
		device_close(&d);
		return fail("cannot map the rings: %s", strerror(-err));
	}
	if (following)
		follow(&d, &r);
	else
		print_batch(&d, &r, READER_ALL);
	if (following || reader_lost(&r))
		note("lost %llu records that were overwritten before they were read",
		     (unsigned long long)reader_lost(&r));
	reader_close(&r);
	device_close(&d);
	return EXIT_SUCCESS;
}

int cmd_trace(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "follow", no_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	bool following = false;

	while (next_option(argc, argv, "f", longs) != -1)
		following = true;
	if (optind + 1 < argc)
		usage_error("more than one FILE");
	if (following && optind < argc)
		usage_error("a FILE cannot be followed");
	return finish(optind < argc ? trace_file(argv[optind]) : trace_rings(following));
}
