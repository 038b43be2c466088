// SPDX-License-Identifier: GPL-2.0
/*
 * cowscope's counters against the kernel's own: pgreuse of /proc/vmstat and a
 * kprobe event on each probed function, over some thousand write faults; and each
 * fault's decision against what memory and page tables say.
 *
 * counts lossy: only the sums, where probes are made to miss calls.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "kit.h"
#include "sums.h"
#include "tap.h"

#define PAGES		128
#define CHILDREN	6
#define THREADS		4
#define ROUNDS		12
#define FORKS		400

static int fd;
static struct rings rings;
static bool lossy;
static struct sums start, end, again;

/* Predictions that were not right, over all phases. */
static int wrong;

static void misjudged(const struct cowscope_record *r)
{
	wrong++;
	tap_note("wrong: pid %u addr 0x%llx decision %u predicted %u refcount %d mapcount %d state 0x%x ret 0x%x before 0x%llx after 0x%llx",
		 r->pid, (unsigned long long)r->addr, COWSCOPE_OUTCOME_DECISION(r->outcome),
		 COWSCOPE_OUTCOME_PREDICTED(r->outcome), r->refcount, r->mapcount, r->state,
		 r->ret, (unsigned long long)r->before, (unsigned long long)r->after);
}

/* What each rule would have meant, by the records' own words. */
static long long ruled[COWSCOPE_RULES][COWSCOPE_VERDICTS];

static void rule_all(const struct cowscope_record *r)
{
	unsigned int d = COWSCOPE_OUTCOME_DECISION(r->outcome), rule;

	if ((d != COWSCOPE_COPY && d != COWSCOPE_REUSE) || r->state & COWSCOPE_STATE_SHARED_VMA)
		return;
	for (rule = 0; rule < COWSCOPE_RULES; rule++) {
		unsigned int would = COWSCOPE_RULES_WOULD(r->rules, rule);

		ruled[rule][!would ? COWSCOPE_VERDICT_NONE : would == d ? r->verdict :
			    COWSCOPE_STATE_OTHERWISE(r->state)]++;
	}
}

static void rules_agree(void)
{
	static const char *const rules[] = { "mapcount", "page_count", "exclusive" };
	static const char *const verdicts[] = {
		"undecided", "leak", "pin_lost", "maybe_lost", "needed", "superfluous", "fine",
		"unknown"
	};
	unsigned int rule, v;
	char name[64];

	for (rule = 0; rule < COWSCOPE_RULES; rule++)
		for (v = 0; v < COWSCOPE_VERDICTS; v++) {
			snprintf(name, sizeof(name), "rule.%s.%s", rules[rule], verdicts[v]);
			tap_eq(ruled[rule][v], sums_delta(&start, &end, name),
			       "%s is what the records say", name);
		}
}

/* What the rings say of one phase, for a range of addresses. */
struct tally {
	const char *from, *to;
	int decided[COWSCOPE_DECISIONS], verdict[COWSCOPE_VERDICTS];
	int predicted[COWSCOPE_DECISIONS], right, all;
};

static void tally(struct tally *t, void *from, size_t length)
{
	struct cowscope_record r;
	unsigned int cpu;

	*t = (struct tally){ .from = from, .to = (char *)from + length };
	while (rings_next(&rings, &r)) {
		unsigned int d = COWSCOPE_OUTCOME_DECISION(r.outcome);
		unsigned int p = COWSCOPE_OUTCOME_PREDICTED(r.outcome);

		if (r.type != COWSCOPE_EVENT_COW_FAULT)
			continue;
		rule_all(&r);
		if ((d == COWSCOPE_COPY && p == COWSCOPE_REUSE) ||
		    (d == COWSCOPE_REUSE && p == COWSCOPE_COPY))
			misjudged(&r);
		if (r.addr < (uintptr_t)t->from || r.addr >= (uintptr_t)t->to)
			continue;
		t->all++;
		t->decided[d]++;
		t->predicted[p]++;
		t->right += p == d;
		t->verdict[r.verdict]++;
	}
	for (cpu = 0; cpu < rings.info.cpus; cpu++)
		if (rings.place[cpu].lost)
			tap_bail("the ring is too small for this test");
}

/* What was recorded up to now is of no interest but for its predictions. */
static void skip(void)
{
	struct tally t;

	tally(&t, NULL, 0);
}

static void say(const struct tally *t)
{
	tap_note("predicted right %d either %d raced %d", t->right, t->predicted[COWSCOPE_EITHER],
		 t->predicted[COWSCOPE_RACED]);
	tap_note("copy %d reuse %d raced %d retry %d failed %d unshare %d, of %d; needed %d superfluous %d maybe_lost %d fine %d unknown %d",
		 t->decided[COWSCOPE_COPY], t->decided[COWSCOPE_REUSE],
		 t->decided[COWSCOPE_RACED], t->decided[COWSCOPE_RETRY],
		 t->decided[COWSCOPE_FAILED], t->decided[COWSCOPE_UNSHARE], t->all,
		 t->verdict[COWSCOPE_VERDICT_NEEDED], t->verdict[COWSCOPE_VERDICT_SUPERFLUOUS],
		 t->verdict[COWSCOPE_VERDICT_MAYBE_LOST], t->verdict[COWSCOPE_VERDICT_FINE],
		 t->verdict[COWSCOPE_VERDICT_UNKNOWN]);
}

/* Verdicts: needed for copies, fine for reuses. */
static void expect(const char *what, char *mem, size_t length, int copies, int reuses)
{
	struct tally t;

	tally(&t, mem, length);
	if (lossy)
		return;
	/* Another CPU that copies the same page holds it meanwhile, unexplained. */
	if (!tap_ok(t.decided[COWSCOPE_COPY] == copies && t.decided[COWSCOPE_REUSE] == reuses &&
		    t.verdict[COWSCOPE_VERDICT_NEEDED] +
		    t.verdict[COWSCOPE_VERDICT_MAYBE_LOST] == copies &&
		    t.verdict[COWSCOPE_VERDICT_MAYBE_LOST] <= copies / 4 &&
		    t.verdict[COWSCOPE_VERDICT_FINE] == reuses &&
		    (t.right + t.predicted[COWSCOPE_RACED] == t.all ||
		     t.predicted[COWSCOPE_EITHER] == t.all),
		    "%s: %d copies, %d reuses", what, copies, reuses))
		say(&t);
}

static void touch(char *mem, size_t pages, char c)
{
	size_t i;

	for (i = 0; i < pages; i++)
		poke(mem + i * PAGE, c);
}

static char peek_all(const char *mem, size_t pages)
{
	char sum = 0;
	size_t i;

	for (i = 0; i < pages; i++)
		sum += peek(mem + i * PAGE);
	return sum;
}

/* Children copy what the parent wrote; then nobody else maps it. */
static void forks(void)
{
	char *mem = map_anon(PAGES * PAGE);
	pid_t pid[CHILDREN];
	int i;

	touch(mem, PAGES, 'A');
	drain();
	skip();
	for (i = 0; i < CHILDREN; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			touch(mem, PAGES, 'B');
			_exit(peek_all(mem, PAGES) == (char)(PAGES * 'B') ? 0 : 1);
		}
	}
	for (i = 0; i < CHILDREN; i++)
		if (wait_status(pid[i]))
			tap_ok(false, "a child reads what it wrote");
	/* One may find that the others are gone and is alone, never the parent. */
	expect("anon, children write", mem, PAGES * PAGE, CHILDREN * PAGES, 0);
	touch(mem, PAGES, 'C');
	expect("anon, the last one writes", mem, PAGES * PAGE, 0, PAGES);
	munmap(mem, PAGES * PAGE);
}

static void zero_and_files(void)
{
	char *mem = map_anon(PAGES * PAGE);
	int file = test_file();

	peek_all(mem, PAGES);
	skip();
	touch(mem, PAGES, 'B');
	expect("zero page", mem, PAGES * PAGE, PAGES, 0);
	munmap(mem, PAGES * PAGE);

	mem = map_file(file, PAGES * PAGE, MAP_PRIVATE);
	peek_all(mem, PAGES);
	drain();
	skip();
	touch(mem, PAGES, 'B');
	expect("private file", mem, PAGES * PAGE, PAGES, 0);
	mprotect(mem, PAGES * PAGE, PROT_READ);
	mprotect(mem, PAGES * PAGE, PROT_READ | PROT_WRITE);
	munmap(mem, PAGES * PAGE);

	mem = map_file(file, PAGES * PAGE, MAP_SHARED);
	touch(mem, PAGES, 'B');
	msync(mem, PAGES * PAGE, MS_SYNC);
	skip();
	touch(mem, PAGES, 'C');
	/* The filesystem has no say on a tmpfs: then none is write-protected. */
	if (rings_head(&rings, 0) == rings.place[0].next &&
	    rings_head(&rings, 1) == rings.place[1].next)
		tap_skip("shared file", "no filesystem that tracks writes: set TEST_DIR");
	else
		expect("shared file", mem, PAGES * PAGE, 0, PAGES);
	munmap(mem, PAGES * PAGE);
	close(file);
}

static void memfd(void)
{
	int file = memfd_create("counts", MFD_CLOEXEC);
	char *mem = map_file(file, PAGES * PAGE, MAP_SHARED);
	struct tally t;

	touch(mem, PAGES, 'B');
	mprotect(mem, PAGES * PAGE, PROT_READ);
	mprotect(mem, PAGES * PAGE, PROT_READ | PROT_WRITE);
	skip();
	touch(mem, PAGES, 'C');
	tally(&t, mem, PAGES * PAGE);
	/* Some kernels make them writable at once. */
	if (!lossy && !tap_ok(!t.decided[COWSCOPE_COPY] && t.all == t.decided[COWSCOPE_REUSE],
			      "shared memory after mprotect: only reuses"))
		say(&t);
	munmap(mem, PAGES * PAGE);
	close(file);
}

/* Volume. */
static void many(void)
{
	char *mem = map_anon(16 * PAGE);
	int i, bad = 0;

	for (i = 0; i < FORKS; i++) {
		pid_t pid = fork();

		if (!pid) {
			touch(mem, 16, 'B');
			_exit(peek_all(mem, 16) == (char)(16 * 'B') ? 0 : 1);
		}
		touch(mem, 16, 'C');
		bad += wait_status(pid) != 0 || peek_all(mem, 16) != (char)(16 * 'C');
		if (i % 64 == 0)
			skip();
	}
	tap_eq(bad, 0, "%d forks, each reads what it wrote", FORKS);
	munmap(mem, 16 * PAGE);
}

/* A debugger's writes to memory that its process may only read. */
static void forced(void)
{
	char *mem = map_anon(PAGES * PAGE);
	long word = 'F', refused = 0;
	struct tally t;
	size_t i;
	pid_t pid = fork();

	if (!pid) {
		touch(mem, PAGES, 'A');
		mprotect(mem, PAGES * PAGE, PROT_READ);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(peek_all(mem, PAGES) == (char)(PAGES * 'F') ? 0 : 1);
	}
	waitpid(pid, NULL, 0);
	skip();
	for (i = 0; i < PAGES; i++)
		refused += ptrace(PTRACE_POKEDATA, pid, mem + i * PAGE, (void *)word) != 0;
	tally(&t, mem, PAGES * PAGE);
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	tap_ok(!refused && !wait_status(pid), "forced writes arrive");
	/* Exclusive pages are written without a fault from some kernel on. */
	if (!lossy && !tap_ok(t.decided[COWSCOPE_COPY] + t.decided[COWSCOPE_REUSE] ==
			      t.all, "forced writes are copies and reuses"))
		say(&t);
	munmap(mem, PAGES * PAGE);
}

/* Threads that write to the same pages at once. */
static pthread_barrier_t barrier;
static char *race_mem;
static int race_pages;

static void *racer(void *arg)
{
	int round;

	for (round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&barrier);	/* prepared */
		touch(race_mem, race_pages, 'a' + (long)arg);
		pthread_barrier_wait(&barrier);	/* written */
	}
	return NULL;
}

static void race(void (*prepare)(void), void (*finish)(void))
{
	pthread_t thread[THREADS];
	long i;

	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, racer, (void *)i);
	for (i = 0; i < ROUNDS; i++) {
		prepare();
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		finish();
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&barrier);
}

static struct gate race_gate;
static pid_t race_child;
static uint64_t race_before[PAGES];
static int race_copied;

static void fork_one(void)
{
	pagemap(0, race_mem, race_pages, race_before);
	race_child = fork();
	if (!race_child) {
		gate_wait(&race_gate);
		_exit(0);
	}
}

static void count_copied(void)
{
	uint64_t now[PAGES];
	int i;

	pagemap(0, race_mem, race_pages, now);
	for (i = 0; i < race_pages; i++)
		race_copied += PM_PFN(now[i]) != PM_PFN(race_before[i]);
	gate_pass(&race_gate);
	wait_status(race_child);
}

static void sync_file(void)
{
	msync(race_mem, race_pages * PAGE, MS_SYNC);
}

static void nothing(void)
{
}

static void races(void)
{
	int file = test_file();
	struct tally t;

	gate_open(&race_gate);
	race_pages = 32;
	race_mem = map_anon(race_pages * PAGE);
	touch(race_mem, race_pages, 'A');
	drain();
	skip();
	race(fork_one, count_copied);
	tally(&t, race_mem, race_pages * PAGE);
	if (!lossy) {
		if (!tap_ok(race_copied >= ROUNDS * race_pages &&
			    t.decided[COWSCOPE_COPY] == race_copied,
			    "threads on the same pages: each copied once"))
			tap_note("page tables say %d", race_copied);
		say(&t);
	}
	munmap(race_mem, race_pages * PAGE);

	race_mem = map_file(file, race_pages * PAGE, MAP_SHARED);
	touch(race_mem, race_pages, 'A');
	skip();
	race(sync_file, nothing);
	tally(&t, race_mem, race_pages * PAGE);
	if (!lossy)
		say(&t);
	close(file);
	munmap(race_mem, race_pages * PAGE);
}

/* A fault that unshares: for a read-only pin, where the rule has that. */
static void unshared(void)
{
	char *mem = map_anon(PAGES * PAGE);
	struct gate gate;
	struct tally t;
	pid_t pid;
	int id;

	touch(mem, PAGES, 'A');
	drain();
	gate_open(&gate);
	pid = fork();
	if (!pid) {
		gate_wait(&gate);
		_exit(0);
	}
	skip();
	id = dev_pin(fd, COWSCOPE_PIN_FOLL_PIN, mem, PAGES * PAGE);
	if (id <= 0)
		tap_bail("PIN: %s", strerror(-id));
	tally(&t, mem, PAGES * PAGE);
	if (!lossy && !tap_ok(t.decided[COWSCOPE_UNSHARE] ==
			      (rings.info.rule == COWSCOPE_RULE_EXCLUSIVE ? PAGES : 0) &&
			      t.all == t.decided[COWSCOPE_UNSHARE], "unshared for a pin"))
		say(&t);
	dev_unpin(fd, id);
	gate_pass(&gate);
	wait_status(pid);
	munmap(mem, PAGES * PAGE);
}

int main(int argc, char **argv)
{
	tap_begin();
	lossy = argc > 1 && !strcmp(argv[1], "lossy");
	fd = dev_open();
	rings_open(fd, &rings);
	sums_begin(fd);
	mlockall(MCL_CURRENT);
	do {
		sums_read(fd, &rings, &start);
		rings_seek_end(&rings);
		sums_read(fd, &rings, &again);
	} while (again.written != start.written);
	forks();
	zero_and_files();
	memfd();
	forced();
	races();
	unshared();
	many();
	/* Then nothing was written after the sums that the rings still had. */
	do {
		sums_read(fd, &rings, &end);
		skip();
		sums_read(fd, &rings, &again);
	} while (again.written != end.written);
	sums_check(fd, &start, &end, lossy);
	rules_agree();
	tap_eq(wrong, 0, "no prediction was wrong");
	sums_end();
	return tap_end();
}
