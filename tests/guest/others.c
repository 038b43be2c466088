// SPDX-License-Identifier: GPL-2.0
/*
 * Others on the functions that cowscope watches: a kprobe and a kretprobe event,
 * and the function tracer, see and lose no call, nor does cowscope; ftrace is not
 * switched off under it; and nothing of it stays when it is off.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "account.h"
#include "tap.h"

#define PAGES		200
#define FTRACE_ENABLED	"/proc/sys/kernel/ftrace_enabled"
#define KPROBES		TRACING "kprobe_events"

static int fd;
static char *mem;
static char text[65536];

/* Write faults of this process, at least as many as PAGES. */
static void fault_some(void)
{
	if (!write_file("/proc/self/clear_refs", "4"))
		tap_bail("clear_refs: %s", strerror(errno));
	memset(mem, 'A', PAGES * PAGE);
}

static long long seen(void)
{
	return stat_now(fd, "cow_fault.entered") + stat_now(fd, "cow_fault.missed");
}

/* Hits and misses of an event in kprobe_profile. */
static long long hits(const char *event)
{
	long long hit, missed;
	const char *at;

	if (!read_file(TRACING "kprobe_profile", text, sizeof(text)))
		tap_bail("kprobe_profile: %s", strerror(errno));
	at = strstr(text, event);
	if (!at || sscanf(at + strlen(event), "%lld %lld", &hit, &missed) != 2)
		tap_bail("kprobe_profile does not show %s", event);
	return hit + missed;
}

static void events_together(void)
{
	long long before, after, entries, returns;

	if (!write_file(KPROBES, "p:others/others_in do_wp_page\n") ||
	    !write_file(KPROBES, "r64:others/others_out do_wp_page\n") ||
	    !write_file(TRACING "events/others/enable", "1"))
		tap_bail("kprobe events: %s", strerror(errno));
	before = seen();
	entries = hits("others_in ");
	returns = hits("others_out ");
	/* What this makes itself is in the second reading of all three. */
	fault_some();
	after = seen();
	entries = hits("others_in ") - entries;
	returns = hits("others_out ") - returns;
	tap_ok(after - before >= PAGES, "with events: %lld calls", after - before);
	tap_ok(entries >= after - before, "the kprobe event saw them");
	tap_ok(returns >= after - before, "the kretprobe event saw them return");
	account_check(fd, 0, "with events");

	dev_control(fd, COWSCOPE_CONTROL_DISABLE, 0);
	before = seen();
	entries = hits("others_in ");
	returns = hits("others_out ");
	fault_some();
	tap_eq(seen(), before, "off: no call is seen");
	tap_ok(hits("others_in ") - entries >= PAGES, "off: the kprobe event sees them");
	tap_ok(hits("others_out ") - returns >= PAGES, "off: the kretprobe event does");
	tap_eq(dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0), 0, "on, after the events");
	before = seen();
	entries = hits("others_in ");
	fault_some();
	tap_ok(seen() - before >= PAGES && hits("others_in ") - entries >= PAGES,
	       "on: both see them");
	write_file(TRACING "events/others/enable", "0");
	tap_ok(write_file(KPROBES, "-:others/others_in\n") &&
	       write_file(KPROBES, "-:others/others_out\n"), "the events go");
	before = seen();
	fault_some();
	tap_ok(seen() - before >= PAGES, "without events it goes on");
	account_check(fd, 0, "without events");
}

/* The kernel then calls both from its list of all that are at the place. */
static void function_tracer(void)
{
	long long before;
	const char *at;
	int lines = 0;

	if (!write_file(TRACING "set_ftrace_filter", "do_wp_page\n") ||
	    !write_file(TRACING "current_tracer", "function"))
		return tap_skip("the function tracer", "this kernel has none");
	before = seen();
	fault_some();
	tap_ok(seen() - before >= PAGES, "with the function tracer");
	if (!read_file(TRACING "trace", text, sizeof(text)))
		tap_bail("trace: %s", strerror(errno));
	for (at = text; (at = strstr(at, ": do_wp_page")); at++)
		lines++;
	tap_ok(lines >= PAGES, "which sees them, too: %d lines", lines);
	write_file(TRACING "current_tracer", "nop");
	write_file(TRACING "set_ftrace_filter", "\n");
	account_check(fd, 0, "with the function tracer");
}

static bool is_listed(const char *path, const char *what)
{
	if (!read_file(path, text, sizeof(text)))
		tap_bail("%s: %s", path, strerror(errno));
	return strstr(text, what);
}

static void nothing_left(void)
{
	dev_control(fd, COWSCOPE_CONTROL_DISABLE, 0);
	tap_ok(!is_listed("/sys/kernel/debug/kprobes/list", "wp_page"), "off: no kprobe is left");
	tap_ok(!is_listed(TRACING "enabled_functions", "("), "off: nothing is hooked");
	tap_eq(dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0), 0, "on again");
}

static void ftrace_off(void)
{
	int error = write_file(FTRACE_ENABLED, "0") ? 0 : errno;
	long long before;

	tap_ok(error == EBUSY || error == EOPNOTSUPP, "recording: ftrace stays on");
	if (error == EOPNOTSUPP)
		return tap_skip("ftrace switched off", "this kernel cannot do that");
	before = seen();
	fault_some();
	tap_ok(seen() - before >= PAGES, "and goes on");

	dev_control(fd, COWSCOPE_CONTROL_DISABLE, 0);
	tap_ok(write_file(FTRACE_ENABLED, "0"), "off: ftrace can be switched off");
	tap_eq(dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0), -EBUSY,
	       "then recording cannot be switched on");
	tap_ok(!is_listed("/sys/kernel/debug/kprobes/list", "wp_page"),
	       "no kprobe is left of that");
	tap_ok(write_file(FTRACE_ENABLED, "1"), "ftrace is on again");
	tap_eq(dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0), 0, "and so is recording");
	before = seen();
	fault_some();
	tap_ok(seen() - before >= PAGES, "which sees the faults");
}

int main(void)
{
	tap_begin();
	fd = dev_open();
	mem = map_anon(PAGES * PAGE);
	memset(mem, 'A', PAGES * PAGE);
	events_together();
	function_tracer();
	nothing_left();
	ftrace_off();
	account_check(fd, 0, "at the end");
	close(fd);
	return tap_end();
}
