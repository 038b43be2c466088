// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include "sums.h"
#include "tap.h"

void sums_begin(void)
{
	if (!write_file(TRACING "kprobe_events", "p:guest/guest_wp do_wp_page\n") ||
	    !write_file(TRACING "events/guest/guest_wp/enable", "1"))
		tap_bail("no kprobe event on do_wp_page: %s", strerror(errno));
}

void sums_end(void)
{
	write_file(TRACING "events/guest/guest_wp/enable", "0");
	write_file(TRACING "kprobe_events", "-:guest/guest_wp\n");
}

static void read_once(int fd, const struct rings *rings, struct sums *s)
{
	static char profile[4096];
	unsigned int cpu;
	const char *at;

	stats_read(fd, &s->stats);
	s->reuse = vmstat("pgreuse");
	if (!read_file(TRACING "kprobe_profile", profile, sizeof(profile)))
		tap_bail("kprobe_profile: %s", strerror(errno));
	at = strstr(profile, "guest_wp");
	if (!at || sscanf(at, "guest_wp %lld %lld", &s->hits, &s->hits_missed) != 2)
		tap_bail("kprobe_profile does not show the event");
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
		    s->hits == again.hits && s->written == again.written)
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

#define delta(name)		sums_delta(start, end, name)
#define sum(first, last)	delta_sum(start, end, first, last)

void sums_check(const struct sums *start, const struct sums *end, bool lossy)
{
	static const char *const probes[] = {
		"cow_fault", "fork", "fork_range", "early_copy", "clear_refs",
		"clear_refs_range", "uffd_wp", "wrprotect", "early_copy_hugetlb",
		"fork_split", "pagemap_scan", "pagemap_scan_range",
		"pagemap_scan_hugetlb", "numa"
	};
	long long hits = end->hits - start->hits + end->hits_missed - start->hits_missed;
	long long reuse = sum("cow_fault.pte.reuse.", "");
	unsigned int i;

	tap_note("%lld write faults, %lld missed, %lld reused", delta("cow_fault.entered"),
		 delta("cow_fault.missed"), reuse);
	tap_eq(delta("cow_fault.entered") + delta("cow_fault.missed"), hits,
	       "do_wp_page: entered + missed is what a kprobe event counts");
	if (lossy)
		tap_ok(delta("cow_fault.missed") > 0, "some were missed");
	else
		tap_eq(reuse, end->reuse - start->reuse, "reuses are what pgreuse counts");
	for (i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
		char name[64];

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
	tap_eq(sum("cow_fault.pte.", ""), delta("cow_fault.ended"),
	       "every fault that ended has a decision and a verdict");
	tap_eq(delta("recorded.cow_fault"), delta("cow_fault.ended"), "and a record");
	tap_eq(delta("ring.dropped"), 0, "none was dropped");
	tap_eq(sum("recorded.", ""), delta("ring.written"), "recorded is what was written");
	tap_eq(end->written, stats_get(&end->stats, "ring.written"), "and what the heads say");
	tap_eq(delta("predicted.wrong"), 0, "no prediction was wrong, says the module");
	tap_note("predicted: %lld right, %lld either, %lld raced, %lld unknown",
		 delta("predicted.right"), delta("predicted.either"), delta("predicted.raced"),
		 delta("predicted.unknown"));
	tap_eq(sum("predicted.", ""),
	       sum("cow_fault.pte.copy.", "") + reuse,
	       "each copy and reuse was predicted");
}
