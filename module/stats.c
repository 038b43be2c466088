// SPDX-License-Identifier: GPL-2.0
#include <linux/cpumask.h>
#include "filter.h"
#include "format.h"
#include "ring.h"
#include "stats.h"

struct stats __percpu *cowscope_stats;

int stats_init(void)
{
	BUILD_BUG_ON(sizeof(struct stats) > PCPU_MIN_UNIT_SIZE);
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

/* A name in a dotted name. */
static const char *word(const char *name)
{
	return strcmp(name, "-") ? name : "none";
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
	return s->entered - s->ended - s->filtered - s->declined - READ_ONCE(p->cut_off);
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
	put(out, READ_ONCE(p->cut_off), "%s.cut_off", p->name);
	put(out, in_flight(p, &s), "%s.in_flight", p->name);
	put(out, s.skipped, "%s.skipped", p->name);
	put(out, probe_missed(p), "%s.missed", p->name);
}

static u64 *predicted_as(struct stats *s, enum cowscope_decision decision,
			 enum cowscope_decision predicted)
{
	if (predicted == decision)
		return &s->predicted_right;
	switch (predicted) {
	case COWSCOPE_RACED:
		return &s->predicted_raced;
	case COWSCOPE_EITHER:
		return &s->predicted_either;
	case COWSCOPE_DECISION_NONE:
		return &s->unpredicted;
	default:
		return &s->predicted_wrong;
	}
}

void stats_of_fault(struct stats_fault *of, const struct cowscope_counts *c,
		    enum cowscope_decision decision, enum cowscope_decision predicted,
		    const struct cowscope_meaning *m)
{
	unsigned int level = COWSCOPE_STATE_LEVEL(c->state);
	unsigned int kind = COWSCOPE_STATE_KIND(c->state);
	struct stats *s = this_cpu_ptr(cowscope_stats);
	unsigned int i;

	for (i = 0; i < STATS_OF_FAULT; i++)
		of->counter[i] = &s->nowhere;
	of->counter[0] = &s->fault[level][decision][m->verdict][kind];
	if (c->refcount != COWSCOPE_COUNT_NA)
		of->counter[1] = &s->detect[m->detected];
	if (decision != COWSCOPE_COPY && decision != COWSCOPE_REUSE && decision != COWSCOPE_SPLIT)
		return;
	of->counter[2] = predicted_as(s, decision, predicted);
	/* A split decides nothing yet: the faults on its pages do. */
	if (c->state & COWSCOPE_STATE_SHARED_VMA || decision == COWSCOPE_SPLIT)
		return;
	for (i = 0; i < COWSCOPE_RULES; i++)
		of->counter[3 + i] = &s->ruled[i][m->ruled[i]];
}

void stats_detect(const struct cowscope_counts *c)
{
	stats_inc(detect[cowscope_detect(c)]);
}

static void put_faults(struct out *out)
{
	unsigned int level, d, v, kind;

	for (level = 1; level < COWSCOPE_LEVELS; level++)
		for (d = 0; d < COWSCOPE_DECISIONS; d++)
			for (v = 0; v < COWSCOPE_VERDICTS; v++) {
				u64 all = 0, n[COWSCOPE_KINDS];

				for (kind = 0; kind < COWSCOPE_KINDS; kind++)
					all += n[kind] = sum(fault[level][d][v][kind]);
				if (!all)
					continue;
				put(out, all, "cow_fault.%s.%s.%s", cowscope_level_name(level),
				    word(cowscope_decision_name(d)),
				    word(cowscope_verdict_name(v)));
				for (kind = 0; kind < COWSCOPE_KINDS; kind++)
					if (n[kind])
						put(out, n[kind], "cow_fault_kind.%s.%s.%s.%s",
						    cowscope_kind_name(kind),
						    cowscope_level_name(level),
						    word(cowscope_decision_name(d)),
						    word(cowscope_verdict_name(v)));
			}
}

static void put_rules(struct out *out)
{
	unsigned int rule, v;

	for (rule = 0; rule < COWSCOPE_RULES; rule++) {
		put(out, sum(ruled[rule][COWSCOPE_VERDICT_NONE]), "rule.%s.undecided",
		    cowscope_rule_name(rule));
		for (v = COWSCOPE_VERDICT_NONE + 1; v < COWSCOPE_VERDICTS; v++)
			put(out, sum(ruled[rule][v]), "rule.%s.%s", cowscope_rule_name(rule),
			    cowscope_verdict_name(v));
	}
}

static void put_detections(struct out *out)
{
	unsigned int i;

	for (i = COWSCOPE_DETECT_NONE + 1; i < COWSCOPE_DETECTIONS; i++)
		put(out, sum(detect[i]), "detect.%s", cowscope_detection_name(i));
}

void stats_each(void (*put_one)(void *ctx, const char *name, u64 value), void *ctx)
{
	struct out out = { put_one, ctx };
	unsigned int i;

	for (i = 0; i < PROBES; i++)
		put_probe(&out, probes[i]);

	for (i = 1; i < COWSCOPE_EVENTS; i++)
		put(&out, sum(recorded[i]), "recorded.%s", cowscope_event_name(i));
	for (i = 1; i < COWSCOPE_EVENTS; i++)
		put(&out, sum(unrecorded[i]), "unrecorded.%s", cowscope_event_name(i));

	put_faults(&out);
	put_rules(&out);
	put_detections(&out);
	put(&out, sum(predicted_right), "predicted.right");
	put(&out, sum(predicted_either), "predicted.either");
	put(&out, sum(predicted_raced), "predicted.raced");
	put(&out, sum(predicted_wrong), "predicted.wrong");
	put(&out, sum(unpredicted), "predicted.unknown");
	put(&out, sum(precedent_right), "precedent.right");
	put(&out, sum(precedent_wrong), "precedent.wrong");
	put(&out, sum(wrprotect_unwalked), "wrprotect.unwalked");
	put(&out, sum(lost_unlisted), "pin_lost.unlisted");
	put(&out, ring_written(), "ring.written");
	put(&out, ring_overwritten(), "ring.overwritten");
	put(&out, ring_dropped(), "ring.dropped");
	put(&out, filter_active(), "filter.active");
}
