// SPDX-License-Identifier: GPL-2.0
#include <linux/cpumask.h>
#include "filter.h"
#include "format.h"
#include "ring.h"
#include "stats.h"

struct stats __percpu *cowscope_stats;

int stats_init(void)
{
	cowscope_stats = alloc_percpu(struct stats);
	return cowscope_stats ? 0 : -ENOMEM;
}

void stats_exit(void)
{
	free_percpu(cowscope_stats);
}

#define sum(field) ({							\
	unsigned int cpu_;						\
	u64 sum_ = 0;							\
									\
	for_each_possible_cpu(cpu_)					\
		sum_ += READ_ONCE(per_cpu_ptr(cowscope_stats, cpu_)->field); \
	sum_;								\
})

struct out {
	void (*put)(void *ctx, const char *name, u64 value);
	void *ctx;
};

static __printf(3, 4) void put(struct out *out, u64 value, const char *fmt, ...)
{
	char name[64];
	va_list args;

	va_start(args, fmt);
	vscnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	out->put(out->ctx, name, value);
}

static struct probe_stats sum_probe(const struct probe *p)
{
	struct probe_stats s;

	/* A call is counted as entered first, so read that last. */
	s.ended = sum(probe[p->id].ended);
	s.declined = sum(probe[p->id].declined);
	s.filtered = sum(probe[p->id].filtered);
	s.skipped = sum(probe[p->id].skipped);
	s.entered = sum(probe[p->id].entered);
	return s;
}

static u64 in_flight(const struct probe *p, const struct probe_stats *s)
{
	return s->entered - s->ended - s->filtered - s->declined - p->cut_off;
}

u64 stats_in_flight(const struct probe *p)
{
	struct probe_stats s = sum_probe(p);

	return in_flight(p, &s);
}

static void put_probe(struct out *out, const struct probe *p)
{
	struct probe_stats s = sum_probe(p);

	put(out, s.entered, "%s.entered", p->name);
	put(out, s.ended, "%s.ended", p->name);
	put(out, s.filtered, "%s.filtered", p->name);
	put(out, s.declined, "%s.declined", p->name);
	put(out, p->cut_off, "%s.cut_off", p->name);
	put(out, in_flight(p, &s), "%s.in_flight", p->name);
	put(out, s.skipped, "%s.skipped", p->name);
	put(out, probe_missed(p), "%s.missed", p->name);
}

void stats_each(void (*put_one)(void *ctx, const char *name, u64 value), void *ctx)
{
	struct out out = { put_one, ctx };
	unsigned int i, level, d, v;

	for (i = 0; i < PROBES; i++)
		put_probe(&out, probes[i]);

	for (i = 1; i < COWSCOPE_EVENTS; i++)
		put(&out, sum(event[i]), "recorded.%s", cowscope_event_name(i));

	for (level = 1; level < COWSCOPE_LEVELS; level++)
		for (d = 0; d < COWSCOPE_DECISIONS; d++)
			for (v = 0; v < COWSCOPE_VERDICTS; v++) {
				u64 n = sum(fault[level][d][v]);

				if (n)
					put(&out, n, "cow_fault.%s.%s.%s",
					    cowscope_level_name(level),
					    d ? cowscope_decision_name(d) : "none",
					    v ? cowscope_verdict_name(v) : "none");
			}

	put(&out, sum(predicted_right), "predicted.right");
	put(&out, sum(predicted_either), "predicted.either");
	put(&out, sum(predicted_raced), "predicted.raced");
	put(&out, sum(predicted_wrong), "predicted.wrong");
	put(&out, sum(unpredicted), "predicted.unknown");
	put(&out, sum(wrprotect_unwalked), "wrprotect.unwalked");
	put(&out, sum(lost_unlisted), "pin_lost.unlisted");
	put(&out, ring_written(), "ring.written");
	put(&out, ring_dropped(), "ring.dropped");
	put(&out, filter_active(), "filter.active");
}
