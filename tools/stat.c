// SPDX-License-Identifier: GPL-2.0
/* cowscope stat: the module's counters over a time, without records. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "device.h"
#include "filter.h"
#include "format.h"
#include "number.h"
#include "output.h"
#include "rules.h"
#include "rulings.h"
#include "signals.h"
#include "target.h"

/* One run of `cowscope stat`. */
struct counter {
	struct device device;
	struct filter filter;
	struct target target;
	bool has_target;
	u64 seconds;		/* of an interval, or 0 */
	int signals;
	int interrupted;	/* by this signal */
	char *before;		/* as device_stats() returned it */
	u64 began;		/* CLOCK_MONOTONIC, ns */
};

/* How much a counter grew; ".suffix" sums those that end so. */
static u64 grown(const struct counter *c, const char *after, const char *name)
{
	return stats_sum(after, name) - stats_sum(c->before, name);
}

static __printf(3, 4) u64 grown_by(const struct counter *c, const char *after,
				   const char *format, ...)
{
	char name[80];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	return grown(c, after, name);
}

/* One line of numbers by words; t is NULL for JSON. */
static void row(struct table *t, const char *report, const char *const *keys,
		const char *const *words, size_t n, u64 count, enum color paint)
{
	struct json_object *object;
	size_t i;

	if (t) {
		for (i = 0; i < n; i++)
			table_cell(t, i + 1 == n ? paint : COLOR_NONE, "%s", words[i]);
		table_cell(t, COLOR_NONE, "%llu", (unsigned long long)count);
		return;
	}
	object = json_object_new_object();
	json_add(object, "report", report);
	for (i = 0; i < n; i++)
		json_add(object, keys[i], strcmp(words[i], "none") ? words[i] : NULL);
	json_add_number(object, "count", count);
	json_print(object);
}

static enum color paint_of(const char *verdict)
{
	unsigned int v;

	for (v = 0; v < COWSCOPE_VERDICTS; v++)
		if (!strcmp(verdict, cowscope_verdict_name(v)))
			return verdict_color(v);
	return COLOR_NONE;
}

/* Only what grew: of the names that there are, in the module's order. */
static void print_faults(const struct counter *c, const char *after)
{
	static const char *const keys[] = { "kind", "level", "decision", "verdict" };
	struct table *t = output.json ? NULL : table_new("kind level decision verdict >count");
	const char *line;

	for (line = after; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		char name[80], word[ARRAY_SIZE(keys)][20];
		const char *const words[] = { word[0], word[1], word[2], word[3] };
		u64 count;

		if (sscanf(line, "%79s", name) != 1 ||
		    sscanf(name, "cow_fault_kind.%19[^.].%19[^.].%19[^.].%19s", word[0], word[1],
			   word[2], word[3]) != (int)ARRAY_SIZE(keys))
			continue;
		count = grown(c, after, name);
		if (count)
			row(t, "count", keys, words, ARRAY_SIZE(keys), count, paint_of(word[3]));
	}
	if (t)
		table_print(t);
}

static void print_rules(const struct counter *c, const char *after)
{
	struct rulings sums;
	unsigned int rule, v;

	for (rule = 0; rule < COWSCOPE_RULES; rule++)
		for (v = 0; v < COWSCOPE_VERDICTS; v++)
			sums.count[rule][v] = grown_by(c, after, "rule.%s.%s",
						       cowscope_rule_name(rule),
						       v ? cowscope_verdict_name(v) : "undecided");
	rulings_print(&sums, c->device.info.rule);
}

static void print_detections(const struct counter *c, const char *after)
{
	static const char *const key = "detection";
	struct table *t = NULL;
	unsigned int i;

	for (i = COWSCOPE_DETECT_NONE + 1; i < COWSCOPE_DETECTIONS; i++) {
		const char *name = cowscope_detection_name(i);
		u64 count = grown_by(c, after, "detect.%s", name);

		if (!count && !output.json)
			continue;
		if (!t && !output.json) {
			printf("\nWas the kernel's test for pins right about the page?\n");
			t = table_new("test >pages");
		}
		row(t, "detection", &key, &name, 1, count, COLOR_NONE);
	}
	if (t)
		table_print(t);
}

static void print_events(const struct counter *c, const char *after)
{
	static const char *const key = "event";
	struct table *t = NULL;
	unsigned int i;

	if (!output.json) {
		putchar('\n');
		t = table_new("event >count");
	}
	for (i = 1; i < COWSCOPE_EVENTS; i++) {
		const char *name = cowscope_event_name(i);
		u64 count = grown_by(c, after, "recorded.%s", name) +
			    grown_by(c, after, "unrecorded.%s", name);

		if (count)
			row(t, "event", &key, &name, 1, count, COLOR_NONE);
	}
	if (t)
		table_print(t);
}

static void print_total(const struct counter *c, const char *after, u64 ns)
{
	unsigned long long filtered = grown(c, after, ".filtered");
	unsigned long long missed = stats_missed(after) - stats_missed(c->before);
	const char *rule = cowscope_rule_name(c->device.info.rule);
	struct json_object *object;
	struct utsname u;

	if (uname(&u))
		strcpy(u.release, "?");
	if (output.json) {
		object = json_object_new_object();
		json_add(object, "report", "total");
		json_add(object, "release", u.release);
		json_add(object, "rule", rule);
		json_add_number(object, "ns", ns);
		json_add_number(object, "filtered", filtered);
		json_add_number(object, "missed", missed);
		json_print(object);
		return;
	}
	printf("\n%.6f s, kernel %s, rule %s; filtered %llu, missed %s%llu%s\n", ns / 1e9, u.release,
	       rule, filtered, color_on(missed ? COLOR_BAD : COLOR_NONE), missed,
	       color_off(missed ? COLOR_BAD : COLOR_NONE));
}

/* What came since the last time, from where the next one begins. */
static int print_since(struct counter *c)
{
	u64 now = monotonic_ns();
	char *after = device_stats(&c->device);

	if (!after)
		return fail("cannot read the counters: %s", strerror(errno));
	print_faults(c, after);
	print_rules(c, after);
	print_detections(c, after);
	print_events(c, after);
	print_total(c, after, now - c->began);
	free(c->before);
	c->before = after;
	c->began = now;
	return EXIT_SUCCESS;
}

/* To the end of the interval, in ms, as poll() has it. */
static int time_left(const struct counter *c)
{
	u64 due = c->began + c->seconds * 1000000000, now = monotonic_ns();

	if (!c->seconds)
		return -1;
	return due > now ? (int)((due - now + 999999) / 1000000) : 0;
}

/* Until the target ends or a signal comes; prints each interval. */
static int watch(struct counter *c)
{
	struct pollfd p[] = {
		{ .fd = c->signals, .events = POLLIN },
		{ .fd = c->has_target ? c->target.pidfd : -1, .events = POLLIN },
	};

	while (!c->interrupted && !p[1].revents && !ferror(stdout)) {
		int n = poll(p, ARRAY_SIZE(p), time_left(c));

		if (p[0].revents)
			c->interrupted = target_signal(&c->target, c->signals);
		if (n)
			continue;
		if (print_since(c))
			return EXIT_FAILURE;
		if (!output.json)
			putchar('\n');
		fflush(stdout);
	}
	return print_since(c);
}

/* With the device open and the target known. */
static int count(struct counter *c, const char *name)
{
	struct device *d = &c->device;
	int status = c->has_target ? target_follow(&c->target, d) : EXIT_SUCCESS;

	if (!status)
		status = filter_begin(&c->filter, d);
	/* The counters go on when records are written, too. */
	if (!status)
		status = device_switch(d, d->info.enabled ? d->info.enabled : COWSCOPE_RECORDING_COUNT);
	if (status)
		return status;
	c->before = device_stats(d);
	c->began = monotonic_ns();
	if (!c->before)
		status = fail("cannot read the counters: %s", strerror(errno));
	if (!status && c->target.is_command)
		status = target_go(&c->target, name);
	if (!status)
		status = watch(c);
	device_switch(d, d->info.enabled);
	free(c->before);
	return status;
}

static int run(struct counter *c, char **argv, pid_t pid)
{
	int err, ended = EXIT_SUCCESS, status = EXIT_SUCCESS;

	err = device_open(&c->device);
	if (err)
		return fail("%s", device_error(err));
	c->signals = signals_open();
	if (pid)
		status = target_attach(&c->target, pid);
	else if (c->has_target)
		status = target_start(&c->target, argv);
	if (!status)
		status = count(c, argv[0]);
	if (c->target.is_command)
		ended = c->interrupted ? 128 + c->interrupted : target_end(&c->target);
	device_close(&c->device);
	return status ? status : ended;
}

int cmd_stat(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "pid", required_argument, NULL, 'p' },
		{ "comm", required_argument, NULL, FILTER_COMM },
		{ "addr", required_argument, NULL, FILTER_ADDR },
		{ NULL, 0, NULL, 0 },
	};
	struct counter c = { .seconds = 0 };
	bool is_command;
	pid_t pid = 0;
	int opt;

	while ((opt = next_option(argc, argv, "+p:", longs)) != -1)
		if (!filter_option(&c.filter, opt))
			pid = target_pid(optarg);
	is_command = optind < argc && !strcmp(argv[optind - 1], "--");
	if (pid && optind < argc)
		usage_error("-p PID stands alone");
	if (optind < argc && !is_command &&
	    (optind + 1 < argc || !number_parse(argv[optind], false, &c.seconds) || !c.seconds ||
	     c.seconds > 86400))
		usage_error("'%s' is no number of seconds; a command comes after --", argv[optind]);
	c.has_target = pid || is_command;
	return finish(run(&c, argv + optind, pid));
}
