// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include "sums.h"
#include "tap.h"

/* The probes of write faults and what they are on; up to the first that is there. */
static const struct {
	const char *probe, *function[2];
} watched[] = {
	{ "cow_fault", { "do_wp_page" } },
	{ "cow_fault_pmd", { "do_huge_pmd_wp_page" } },
	{ "cow_fault_hugetlb", { "hugetlb_wp", "hugetlb_cow" } },
	{ "cow_fault_uffd", { "handle_userfault" } },
	{ "swap_in", { "do_swap_page" } },
};

_Static_assert(sizeof(watched) / sizeof(*watched) == SUMS_PROBES, "one each");

void sums_begin(void)
{
	unsigned int i, j;

	for (i = 0; i < SUMS_PROBES; i++) {
		char event[128];
		bool made = false;

		for (j = 0; !made && j < 2 && watched[i].function[j]; j++) {
			snprintf(event, sizeof(event), "p:guest/guest_%s %s\n", watched[i].probe,
				 watched[i].function[j]);
			made = write_file(TRACING "kprobe_events", event);
		}
		if (!made)
			tap_bail("no kprobe event on %s: %s", watched[i].function[0],
				 strerror(errno));
	}
	if (!write_file(TRACING "events/guest/enable", "1"))
		tap_bail("events/guest/enable: %s", strerror(errno));
}

void sums_end(void)
{
	unsigned int i;
	char event[64];

	write_file(TRACING "events/guest/enable", "0");
	for (i = 0; i < SUMS_PROBES; i++) {
		snprintf(event, sizeof(event), "-:guest/guest_%s\n", watched[i].probe);
		write_file(TRACING "kprobe_events", event);
	}
}

static void read_hits(struct sums *s)
{
	static char profile[4096];
	unsigned int i;

	if (!read_file(TRACING "kprobe_profile", profile, sizeof(profile)))
		tap_bail("kprobe_profile: %s", strerror(errno));
	for (i = 0; i < SUMS_PROBES; i++) {
		long long hits, missed;
		char name[64];
		const char *at;

		snprintf(name, sizeof(name), "guest_%s ", watched[i].probe);
		at = strstr(profile, name);
		if (!at || sscanf(at, "%*s %lld %lld", &hits, &missed) != 2)
			tap_bail("kprobe_profile does not show %s", name);
		s->hits[i] = hits + missed;
	}
}

static void read_once(int fd, const struct rings *rings, struct sums *s)
{
	unsigned int cpu;

	stats_read(fd, &s->stats);
	s->reuse = vmstat("pgreuse");
	read_hits(s);
	s->written = 0;
	for (cpu = 0; cpu < rings->info.cpus; cpu++)
		s->written += rings_head(rings, cpu);
}

/* The first snapshot writes to memory that a fork may have write-protected. */
void sums_read(int fd, const struct rings *rings, struct sums *s)
{
	static struct sums again;
	int tries;

	for (tries = 0; tries < 100; tries++) {
		read_once(fd, rings, s);
		read_once(fd, rings, &again);
		if (!strcmp(s->stats.text, again.stats.text) && s->reuse == again.reuse &&
		    !memcmp(s->hits, again.hits, sizeof(s->hits)) && s->written == again.written)
			return;
	}
	tap_bail("the guest does not come to rest");
}

long long sums_delta(const struct sums *start, const struct sums *end, const char *name)
{
	return stats_get(&end->stats, name) - stats_get(&start->stats, name);
}

static long long delta_sum(const struct sums *start, const struct sums *end, const char *first,
			   const char *last)
{
	return stats_sum(&end->stats, first, last) - stats_sum(&start->stats, first, last);
}

/* Faults at any level of which a counter's name goes on like this. */
static long long sums_decided(const struct sums *start, const struct sums *end,
			      const char *rest)
{
	static const char *const levels[] = { "pte", "pmd", "hugetlb" };
	long long sum = 0;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		char name[64];

		snprintf(name, sizeof(name), "cow_fault.%s%s", levels[i], rest);
		sum += delta_sum(start, end, name, "");
	}
	return sum;
}

#define delta(name)		sums_delta(start, end, name)
#define sum(first, last)	delta_sum(start, end, first, last)

void sums_check(const struct sums *start, const struct sums *end, bool lossy)
{
	static const char *const probes[] = {
		"cow_fault", "cow_fault_pmd", "cow_fault_hugetlb", "cow_fault_uffd", "swap_in",
		"fork", "fork_range", "early_copy", "clear_refs",
		"clear_refs_range", "uffd_wp", "wrprotect"
	};
	/* pgreuse does not count what do_swap_page() reuses. */
	long long reuse = sum("cow_fault.pte.reuse.", "") - delta("swap_in.ended");
	static const char *const predicted[] = { "copy", "reuse", "split" };
	long long decided = 0, ended = 0;
	char name[64];
	unsigned int i;

	tap_note("%lld write faults, %lld missed, %lld reused", delta("cow_fault.entered"),
		 delta("cow_fault.missed"), reuse);
	for (i = 0; i < SUMS_PROBES; i++) {
		long long calls;

		snprintf(name, sizeof(name), "%s.entered", watched[i].probe);
		calls = delta(name);
		snprintf(name, sizeof(name), "%s.missed", watched[i].probe);
		tap_eq(calls + delta(name), end->hits[i] - start->hits[i],
		       "%s: entered + missed is what a kprobe event counts", watched[i].probe);
		snprintf(name, sizeof(name), "%s.ended", watched[i].probe);
		ended += delta(name);
	}
	if (lossy)
		tap_ok(delta("cow_fault.missed") > 0, "some were missed");
	else
		tap_eq(reuse, end->reuse - start->reuse, "reuses are what pgreuse counts");
	for (i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
		snprintf(name, sizeof(name), "%s.in_flight", probes[i]);
		tap_eq(stats_get(&end->stats, name), 0, "%s", name);
		if (lossy)
			continue;
		snprintf(name, sizeof(name), "%s.cut_off", probes[i]);
		tap_eq(delta(name), 0, "%s", name);
		snprintf(name, sizeof(name), "%s.missed", probes[i]);
		tap_eq(delta(name), 0, "%s", name);
		snprintf(name, sizeof(name), "%s.skipped", probes[i]);
		tap_eq(delta(name), 0, "%s", name);
	}
	for (i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), ".%s.", predicted[i]);
		decided += sums_decided(start, end, name);
	}
	tap_eq(sums_decided(start, end, "."), ended,
	       "every fault that ended has a decision and a verdict");
	tap_eq(delta("recorded.cow_fault"), ended, "and a record");
	tap_eq(delta("ring.dropped"), 0, "none was dropped");
	tap_eq(sum("recorded.", ""), delta("ring.written"), "recorded is what was written");
	tap_eq(end->written, stats_get(&end->stats, "ring.written"), "and what the heads say");
	tap_eq(delta("predicted.wrong"), 0, "no prediction was wrong, says the module");
	tap_note("predicted: %lld right, %lld either, %lld raced, %lld unknown",
		 delta("predicted.right"), delta("predicted.either"), delta("predicted.raced"),
		 delta("predicted.unknown"));
	tap_eq(sum("predicted.", ""), decided, "each copy, reuse and split was predicted");
}
