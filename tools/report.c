// SPDX-License-Identifier: GPL-2.0
/* cowscope report: what a recording comes down to. */
#include "output.h"
#include "recording.h"
#include "summary.h"

int cmd_report(int argc, char **argv)
{
	struct cowscope_record r;
	struct recording_in in;
	struct summary_about about;
	struct summary *s;
	int status = EXIT_SUCCESS;

	if (next_option(argc, argv, "", NULL) != -1 || optind + 1 != argc)
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
	while (recording_next(&in, &r))
		summary_add(s, &r);
	summary_print(s, &in.names, &about);
	if (*in.error)
		status = fail("%s: %s", argv[optind], in.error);
	free(s);
	recording_close(&in);
	return finish(status);
}
