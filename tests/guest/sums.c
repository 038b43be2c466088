// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include "sums.h"
#include "tap.h"

#define KPROBES	TRACING "kprobe_events"
#define GROUP	TRACING "events/guest/enable"

static struct probes_seen probes;

void sums_begin(int fd)
{
	static struct stats s;
	char line[128];
	int i;

	stats_read(fd, &s);
	probes_read(&s, &probes);
	for (i = 0; i < probes.n; i++) {
		struct probe_seen *p = &probes.probe[i];

		if (!p->armed)
			continue;
		snprintf(line, sizeof(line), "p:guest/guest_%s %s\n", p->name, p->symbol);
		if (!write_file(KPROBES, line))
			tap_bail("no kprobe event on %s: %s", p->symbol, strerror(errno));
	}
	if (!write_file(GROUP, "1"))
		tap_bail("kprobe events: %s", strerror(errno));
}

void sums_end(void)
{
	char line[64];
	int i;

	write_file(GROUP, "0");
	for (i = 0; i < probes.n; i++) {
		snprintf(line, sizeof(line), "-:guest/guest_%s\n", probes.probe[i].name);
		if (probes.probe[i].armed && !write_file(KPROBES, line))
			tap_bail("the kprobe event stays: %s", strerror(errno));
	}
}

static void read_hits(struct sums *s)
{
	static char profile[16384];
	char name[64];
	int i;

	if (!read_file(TRACING "kprobe_profile", profile, sizeof(profile)))
		tap_bail("kprobe_profile: %s", strerror(errno));
	s->all_hits = 0;
	for (i = 0; i < probes.n; i++) {
		long long hits, missed;
		const char *at;

		if (!probes.probe[i].armed)
			continue;
		snprintf(name, sizeof(name), " guest_%s ", probes.probe[i].name);
		at = strstr(profile, name);
		if (!at || sscanf(at + strlen(name), "%lld %lld", &hits, &missed) != 2)
			tap_bail("kprobe_profile does not show %s", name);
		s->hits[i] = hits + missed;
		s->all_hits += hits + missed;
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
		    s->all_hits == again.all_hits && s->written == again.written)
			return;
	}
	tap_bail("the guest does not come to rest");
}

long long sums_delta(const struct sums *start, const struct sums *end, const char *name)
{
	return stats_get(&end->stats, name) - stats_get(&start->stats, name);
}

#define delta(name)		sums_delta(start, end, name)

/* What was in flight when the events began or ended is none, so this is exact. */
static void check_hits(const struct sums *start, const struct sums *end)
{
	int i;

	for (i = 0; i < probes.n; i++) {
		const struct probe_seen *p = &probes.probe[i];
		long long entered = probe_stat(&end->stats, p, "entered") -
				    probe_stat(&start->stats, p, "entered");
		long long missed = probe_stat(&end->stats, p, "missed") -
				   probe_stat(&start->stats, p, "missed");

		if (!p->armed)
			continue;
		tap_eq(entered + missed, end->hits[i] - start->hits[i],
		       "%s: entered %lld + missed %lld is what a kprobe event on %s counts",
		       p->name, entered, missed, p->symbol);
	}
}

static void check_none_lost(const struct sums *start, const struct sums *end)
{
	static const char *const what[] = { "cut_off", "missed", "skipped" };
	unsigned int w;
	int i;

	for (w = 0; w < sizeof(what) / sizeof(*what); w++) {
		long long n = 0;

		for (i = 0; i < probes.n; i++)
			n += probe_stat(&end->stats, &probes.probe[i], what[w]) -
			     probe_stat(&start->stats, &probes.probe[i], what[w]);
		tap_eq(n, 0, "%s: none, of %d probes", what[w], probes.n);
	}
}

void sums_check(int fd, const struct sums *start, const struct sums *end, bool lossy)
{
	long long reuse = stats_sum(&end->stats, "cow_fault.pte.reuse.", "") -
			  stats_sum(&start->stats, "cow_fault.pte.reuse.", "");

	tap_note("%lld write faults, %lld missed, %lld reused", delta("cow_fault.entered"),
		 delta("cow_fault.missed"), reuse);
	check_hits(start, end);
	if (lossy) {
		tap_ok(delta("cow_fault.missed") > 0, "some were missed");
	} else {
		tap_eq(reuse, end->reuse - start->reuse, "reuses are what pgreuse counts");
		check_none_lost(start, end);
	}
	tap_eq(end->written, stats_get(&end->stats, "ring.written"),
	       "what was written is what the heads say");
	tap_note("predicted: %lld right, %lld either, %lld raced, %lld unknown",
		 delta("predicted.right"), delta("predicted.either"), delta("predicted.raced"),
		 delta("predicted.unknown"));
	account_check(fd, 0, "after all");
}
