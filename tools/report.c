// SPDX-License-Identifier: GPL-2.0
/* cowscope report: what a recording comes down to. */
#include "filter.h"
#include "output.h"
#include "recording.h"
#include "summary.h"

int cmd_report(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "comm", required_argument, NULL, FILTER_COMM },
		{ "addr", required_argument, NULL, FILTER_ADDR },
		{ "event", required_argument, NULL, FILTER_EVENT },
		{ "verdict", required_argument, NULL, FILTER_VERDICT },
		{ NULL, 0, NULL, 0 },
	};
	const struct cowscope_record *r;
	struct recording_in in;
	struct summary_about about;
	struct summary *s;
	struct filter filter = { 0 };
	int opt, status = EXIT_SUCCESS;

	while ((opt = next_option(argc, argv, "", longs)) != -1)
		filter_option(&filter, opt);
	if (optind + 1 != argc)
		usage_error("one FILE is needed");
	if (!recording_open(&in, argv[optind])) {
		status = fail("%s: %s", argv[optind], in.error);
		recording_close(&in);
		return status;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		recording_close(&in);
		return fail("out of memory");
	}
	about = (struct summary_about){
		.release = in.header.release,
		.rule = in.header.rule,
		.lost = in.header.lost,
		.missed = in.header.missed,
		.unknown_loss = in.header.records == ~0ULL,
	};
	while ((r = recording_next(&in)))
		if (filter_passes(&filter, r, names_comm(&in.names, r->pid)))
			summary_add(s, r);
	summary_print(s, &in.names, &about);
	if (*in.error)
		status = fail("%s: %s", argv[optind], in.error);
	free(s);
	recording_close(&in);
	return finish(status);
}
