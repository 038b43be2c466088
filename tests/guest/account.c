// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <time.h>

#include "account.h"
#include "tap.h"

/* Which word of a line stands under that heading. */
static int column(const char *heading, const char *name)
{
	char words[256], *word, *rest = words;
	int i;

	snprintf(words, sizeof(words), "%.*s", (int)strcspn(heading, "\n"), heading);
	for (i = 0; (word = strsep(&rest, " ")); i += *word != 0)
		if (!strcmp(word, name))
			return i;
	tap_bail(DEBUG "probes has no column '%s'", name);
}

static void copy_word(char *out, size_t size, const char *line, int n)
{
	while (n--) {
		line += strcspn(line, "\n ");
		line += strspn(line, " ");
	}
	snprintf(out, size, "%.*s", (int)strcspn(line, "\n "), line);
}

static int counted_probes(const struct stats *s)
{
	const char *at = s->text;
	int n = 0;

	while ((at = strstr(at, ".entered "))) {
		n++;
		at++;
	}
	return n;
}

void probes_read(const struct stats *s, struct probes_seen *out)
{
	static char text[16384];
	const char *line;

	if (!read_file(DEBUG "probes", text, sizeof(text)))
		tap_bail(DEBUG "probes: %s", strerror(errno));
	out->n = 0;
	for (line = strchr(text, '\n'); line && line[1] && line[1] != '\n';
	     line = strchr(line + 1, '\n')) {
		struct probe_seen *p = &out->probe[out->n++];
		char state[16], key[48];

		if (out->n == PROBES_MOST)
			tap_bail("too many probes");
		copy_word(p->name, sizeof(p->name), line + 1, column(text, "probe"));
		copy_word(state, sizeof(state), line + 1, column(text, "state"));
		copy_word(p->symbol, sizeof(p->symbol), line + 1, column(text, "function"));
		copy_word(p->event, sizeof(p->event), line + 1, column(text, "event"));
		p->armed = !strcmp(state, "armed");
		snprintf(key, sizeof(key), "%s.entered ", p->name);
		if (!strstr(s->text, key))
			tap_bail("probe %s has no counters", p->name);
	}
	if (out->n != counted_probes(s))
		tap_bail("%d probes, but counters of %d", out->n, counted_probes(s));
}

long long probe_stat(const struct stats *s, const struct probe_seen *p, const char *what)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.%s", p->name, what);
	return stats_get(s, name);
}

long long faults_sum(const struct stats *s, const char *decision)
{
	const char *line, *next;
	long long sum = 0, n;
	char d[32];

	for (line = s->text; *line; line = next + 1) {
		next = strchr(line, '\n');
		if (sscanf(line, "cow_fault.%*[a-z].%31[a-z].%*[a-z_] %lld", d, &n) == 2 &&
		    (!decision || !strcmp(d, decision)))
			sum += n;
	}
	return sum;
}

struct finding {
	char *why;
	size_t size;
	bool good;
};

static void add_up(struct finding *f, long long a, long long b, const char *name, const char *what)
{
	if (a == b)
		return;
	if (f->good)
		snprintf(f->why, f->size, "%s%s: %lld, not %lld", name, what, a, b);
	f->good = false;
}

static void add_up_probe(struct finding *f, const struct stats *s, const struct probe_seen *p,
			 unsigned int allow)
{
	long long ended = probe_stat(s, p, "ended"), cut_off = probe_stat(s, p, "cut_off");

	add_up(f, probe_stat(s, p, "entered"), ended + cut_off + probe_stat(s, p, "filtered") +
	       probe_stat(s, p, "declined") + probe_stat(s, p, "in_flight"), p->name,
	       ": entered = ended + filtered + declined + cut_off + in_flight");
	add_up(f, probe_stat(s, p, "in_flight"), 0, p->name, ".in_flight");
	if (!(allow & ACCOUNT_CUT_OFF))
		add_up(f, cut_off, 0, p->name, ".cut_off");
}

/* Events of which each call that ended makes one record. */
static void add_up_event(struct finding *f, const struct stats *s, const struct probes_seen *probes,
			 const char *event)
{
	bool all = !strcmp(event, "cow_fault");
	char recorded[64], unrecorded[64];
	long long ended = 0;
	int i;

	for (i = 0; i < probes->n; i++) {
		const struct probe_seen *p = &probes->probe[i];

		if (!strcmp(all ? p->event : p->name, event))
			ended += probe_stat(s, p, "ended") - probe_stat(s, p, "skipped");
	}
	snprintf(recorded, sizeof(recorded), "recorded.%s", event);
	snprintf(unrecorded, sizeof(unrecorded), "unrecorded.%s", event);
	add_up(f, stats_get(s, recorded) + stats_get(s, unrecorded), ended, event,
	       ": recorded or not, all that ended");
}

static bool add_up_all(const struct stats *s, unsigned int allow, char *why, size_t size)
{
	static const char *const events[] = {
		"cow_fault", "fork", "fork_range", "clear_refs", "uffd_wp"
	};
	static struct probes_seen probes;
	struct finding f = { why, size, true };
	unsigned int i;

	probes_read(s, &probes);
	for (i = 0; i < (unsigned int)probes.n; i++)
		add_up_probe(&f, s, &probes.probe[i], allow);
	for (i = 0; i < sizeof(events) / sizeof(*events); i++)
		add_up_event(&f, s, &probes, events[i]);
	add_up(&f, faults_sum(s, NULL), stats_get(s, "recorded.cow_fault") +
	       stats_get(s, "unrecorded.cow_fault"), "", "decisions and verdicts");
	add_up(&f, stats_sum(s, "cow_fault_kind.", ""), faults_sum(s, NULL), "", "kinds");
	add_up(&f, stats_sum(s, "predicted.", ""), faults_sum(s, "copy") +
	       faults_sum(s, "reuse") + faults_sum(s, "split"), "", "predictions");
	add_up(&f, stats_sum(s, "rule.mapcount.", ""), stats_sum(s, "rule.page_count.", ""), "",
	       "faults under the page_count rule");
	add_up(&f, stats_sum(s, "rule.mapcount.", ""), stats_sum(s, "rule.exclusive.", ""), "",
	       "faults under the exclusive rule");
	add_up(&f, stats_get(s, "predicted.wrong"), 0, "", "predicted.wrong");
	add_up(&f, stats_get(s, "precedent.wrong"), 0, "", "precedent.wrong");
	add_up(&f, stats_sum(s, "recorded.", ""), stats_get(s, "ring.written"), "",
	       "recorded.* is ring.written");
	add_up(&f, stats_get(s, "ring.dropped"), 0, "", "ring.dropped");
	return f.good;
}

bool accounted(int fd, unsigned int allow, char *why, size_t size)
{
	static struct stats s, again;
	int tries;

	for (tries = 0; tries < 200; tries++) {
		stats_read(fd, &s);
		stats_read(fd, &again);
		if (!strcmp(s.text, again.text) && add_up_all(&s, allow, why, size))
			return true;
		/* What began may end. */
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	if (strcmp(s.text, again.text))
		snprintf(why, size, "the counters do not come to rest");
	return false;
}

void account_check(int fd, unsigned int allow, const char *when)
{
	char why[200];

	if (!tap_ok(accounted(fd, allow, why, sizeof(why)), "%s: all is accounted for", when))
		tap_note("%s", why);
}
