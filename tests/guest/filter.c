// SPDX-License-Identifier: GPL-2.0
/*
 * What a filter lets pass, part by part and combined, against what the test did
 * itself; whose it is; and that every call and every event is accounted for.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "account.h"
#include "kit.h"
#include "tap.h"

#define PAGES	16
#define LENGTH	(PAGES * PAGE)
#define ROUNDS	40
#define WORKERS	3

static int fd;
static struct rings rings;
static struct stats before, after;

static char *read_all(char *mem)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		peek(mem + i * PAGE);
	return mem;
}

/* Only read, so that the next write is a fault that must copy. */
static char *map_zero(void)
{
	return read_all(map_anon(LENGTH));
}

static void touch(char *mem, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		poke(mem + i * PAGE, 'x');
}

static void name(const char *comm)
{
	prctl(PR_SET_NAME, comm);
}

static void set(struct cowscope_filter f)
{
	int err;

	f.size = sizeof(f);
	err = dev(fd, COWSCOPE_FILTER, &f);
	if (err)
		tap_bail("FILTER: %s", strerror(-err));
	rings_seek_end(&rings);
	stats_read(fd, &before);
}

static void no_filter(void)
{
	set((struct cowscope_filter){ .size = 0 });
	dev_control(fd, COWSCOPE_CONTROL_FOLLOW_ALL, 0);
}

/* What was recorded since the filter was set. */
struct seen {
	int event[COWSCOPE_EVENTS], verdict[COWSCOPE_VERDICTS];
	int inside;		/* faults in [mem, mem + length) */
};

static struct seen look(const char *mem, size_t length)
{
	struct seen s = { .inside = 0 };
	struct cowscope_record r;

	stats_read(fd, &after);
	while (rings_next(&rings, &r)) {
		s.event[r.type]++;
		if (r.type != COWSCOPE_EVENT_COW_FAULT)
			continue;
		s.verdict[r.verdict]++;
		s.inside += r.addr - (uintptr_t)mem < length;
	}
	return s;
}

static long long delta(const char *counter)
{
	return stats_get(&after, counter) - stats_get(&before, counter);
}

static int others(const struct seen *s, unsigned int but)
{
	int i, n = 0;

	for (i = 0; i < COWSCOPE_EVENTS; i++)
		n += (unsigned int)i == but ? 0 : s->event[i];
	return n;
}

static void mark(void)
{
	struct cowscope_mark m = { .size = sizeof(m), .text = "filter" };

	dev(fd, COWSCOPE_MARK, &m);
}

/* A fork, a mark and write faults on both. */
static void do_all(char *a, char *b)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	wait_status(pid);
	mark();
	touch(a, PAGES);
	touch(b, PAGES);
}

static void by_name(void)
{
	struct seen s;
	char *a = map_zero(), *b = map_zero();

	name("somebody");
	set((struct cowscope_filter){ .comm = "me" });
	do_all(a, b);
	s = look(a, LENGTH);
	tap_eq(others(&s, 0), 0, "comm: another name leaves nothing");
	tap_ok(delta("cow_fault.filtered") >= 2 * PAGES, "comm: its faults are filtered");
	tap_eq(delta("unrecorded.mark"), 1, "comm: its mark is not recorded");

	/* 5.10 leaves the end of the longer name where it was. */
	name("me and others");
	name("me");
	munmap(a, LENGTH);
	munmap(b, LENGTH);
	a = map_zero();
	b = map_zero();
	set((struct cowscope_filter){ .comm = "me" });
	do_all(a, b);
	s = look(a, LENGTH);
	tap_eq(s.inside, PAGES, "comm: the same name leaves all faults");
	tap_eq(s.event[COWSCOPE_EVENT_MARK], 1, "comm: and the mark");
	tap_eq(s.event[COWSCOPE_EVENT_FORK], 1, "comm: and the fork");

	name("mee");
	set((struct cowscope_filter){ .comm = "me" });
	mark();
	tap_eq(stat_now(fd, "unrecorded.mark") - stats_get(&before, "unrecorded.mark"), 1,
	       "comm: the beginning of a name is another one");

	/* The kernel cuts names, so is this. */
	name("fifteen-letters and more");
	set((struct cowscope_filter){ .comm = "fifteen-letters" });
	mark();
	s = look(a, LENGTH);
	tap_eq(s.event[COWSCOPE_EVENT_MARK], 1, "comm: of 15 characters");
	munmap(a, LENGTH);
	munmap(b, LENGTH);
	name("filter");
}

/* The name counts when something happens, not when the filter was set. */
static void by_changing_name(void)
{
	struct seen s;
	pid_t pid;

	name("parent");
	set((struct cowscope_filter){ .comm = "filter" });
	pid = fork();
	if (!pid) {
		touch(map_zero(), PAGES);	/* as parent */
		execl("./filter", "./filter", "fault", NULL);
		_exit(1);
	}
	tap_eq(wait_status(pid), 0, "exec: the program ran");
	s = look(NULL, 0);
	tap_ok(s.event[COWSCOPE_EVENT_COW_FAULT] >= PAGES, "exec: its faults are recorded");
	tap_ok(delta("cow_fault.filtered") >= PAGES, "exec: those before are filtered");
	tap_eq(s.event[COWSCOPE_EVENT_FORK], 0, "exec: nor is the fork recorded");
	name("filter");
}

static void by_address(void)
{
	char *a = map_zero(), *b = map_zero();
	uint64_t to = (uintptr_t)b;
	struct seen s;
	int id;

	/* From within a page to within a page. */
	set((struct cowscope_filter){ .start = to + 2 * PAGE + 100, .end = to + 4 * PAGE + 1 });
	do_all(a, b);
	s = look(b + 2 * PAGE, 3 * PAGE);
	tap_eq(s.inside, 3, "addr: the pages that the range touches");
	tap_eq(s.event[COWSCOPE_EVENT_COW_FAULT], 3, "addr: and no other");
	tap_eq(s.event[COWSCOPE_EVENT_MARK], 1, "addr: what has none passes");
	tap_ok(delta("cow_fault.filtered") >= 2 * PAGES - 3, "addr: the others are filtered");

	set((struct cowscope_filter){ .start = to + 2 * PAGE, .end = to + 3 * PAGE });
	id = dev_pin(fd, 0, a, LENGTH);
	dev_unpin(fd, id);
	id = dev_pin(fd, 0, b, LENGTH);
	dev_unpin(fd, id);
	s = look(NULL, 0);
	tap_ok(s.event[COWSCOPE_EVENT_PIN] == 1 && s.event[COWSCOPE_EVENT_UNPIN] == 1,
	       "addr: a pin that reaches there");
	tap_ok(delta("unrecorded.pin") == 1 && delta("unrecorded.unpin") == 1,
	       "addr: not one that does not");
	munmap(a, LENGTH);
	munmap(b, LENGTH);
}

static void by_event(void)
{
	char *a = map_zero(), *b = map_zero();
	struct gate gate;
	struct seen s;
	pid_t pid;
	int id;

	set((struct cowscope_filter){ .events = 1U << COWSCOPE_EVENT_FORK });
	do_all(a, b);
	s = look(a, LENGTH);
	tap_eq(s.event[COWSCOPE_EVENT_FORK], 1, "event: the fork");
	tap_eq(others(&s, COWSCOPE_EVENT_FORK), 0, "event: and nothing else");
	tap_eq(delta("cow_fault.filtered"), delta("cow_fault.entered"),
	       "event: every fault is filtered at its entry");
	tap_eq(delta("unrecorded.mark"), 1, "event: the mark is unrecorded");
	tap_ok(delta("unrecorded.fork_range") > 0, "event: so are the fork's ranges");
	tap_eq(delta("unrecorded.fork"), 0, "event: not the fork");
	munmap(a, LENGTH);

	/* The loss of a page is seen by the fault, so that must not be left out. */
	a = map_anon(LENGTH);
	touch(a, PAGES);
	gate_open(&gate);
	id = dev_pin(fd, 0, a, PAGE);
	pid = fork();
	if (!pid) {
		gate_wait(&gate);
		_exit(0);
	}
	set((struct cowscope_filter){ .events = 1U << COWSCOPE_EVENT_PIN_LOST });
	touch(a, 1);
	s = look(a, LENGTH);
	tap_eq(s.event[COWSCOPE_EVENT_PIN_LOST], 1, "event: pin_lost");
	tap_eq(others(&s, COWSCOPE_EVENT_PIN_LOST), 0, "event: without its fault");
	tap_ok(delta("unrecorded.cow_fault") >= 1, "event: which is unrecorded");
	gate_pass(&gate);
	wait_status(pid);
	dev_unpin(fd, id);
	munmap(a, LENGTH);
	munmap(b, LENGTH);
}

/* Copies that are needed, of the zero page, and reuses that are fine. */
static void by_verdict(void)
{
	char *zero = map_zero(), *mem = map_anon(LENGTH);
	struct seen s;
	pid_t pid;

	touch(mem, PAGES);
	drain();
	pid = fork();
	if (!pid)
		_exit(0);
	wait_status(pid);
	set((struct cowscope_filter){ .verdicts = 1U << COWSCOPE_VERDICT_FINE });
	touch(zero, PAGES);
	touch(mem, PAGES);
	mark();
	s = look(mem, LENGTH);
	/* Where a passing reference suffices to copy, some pages may be. */
	tap_ok(s.inside > 0, "verdict: fine");
	tap_eq(s.verdict[COWSCOPE_VERDICT_FINE], s.event[COWSCOPE_EVENT_COW_FAULT],
	       "verdict: and no other");
	tap_ok(delta("unrecorded.cow_fault") >= PAGES, "verdict: the others are unrecorded");
	tap_ok(delta("cow_fault_kind.zero.pte.copy.needed") >= PAGES, "verdict: but counted");
	tap_eq(s.event[COWSCOPE_EVENT_MARK], 1, "verdict: other events pass");
	munmap(zero, LENGTH);
	munmap(mem, LENGTH);
}

static void by_all(void)
{
	char *a = map_zero(), *b = map_zero();
	struct cowscope_filter f = {
		.events = 1U << COWSCOPE_EVENT_COW_FAULT | 1U << COWSCOPE_EVENT_PIN,
		.verdicts = 1U << COWSCOPE_VERDICT_NEEDED, .comm = "chosen",
		.start = (uintptr_t)a, .end = (uintptr_t)a + LENGTH,
	};
	struct seen s;

	name("chosen");
	set(f);
	do_all(a, b);
	s = look(a, LENGTH);
	tap_eq(s.inside, PAGES, "all parts: what passes each");
	tap_eq(s.event[COWSCOPE_EVENT_COW_FAULT], PAGES, "all parts: no other fault");
	tap_eq(others(&s, COWSCOPE_EVENT_COW_FAULT), 0, "all parts: no other event");
	munmap(a, LENGTH);
	a = mmap(a, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	madvise(a, LENGTH, MADV_NOHUGEPAGE);
	peek(a);
	name("not chosen");
	set(f);
	touch(a, 1);
	s = look(a, LENGTH);
	tap_eq(others(&s, 0), 0, "all parts: not under another name");
	name("filter");
	munmap(a, LENGTH);
	munmap(b, LENGTH);
}

/* Followed, and of that name: the child is, its parent is not. */
static void with_follow(void)
{
	char *a = map_zero(), *b = map_zero();
	struct gate go, done;
	struct seen s;
	pid_t pid;

	gate_open(&go);
	gate_open(&done);
	pid = fork();
	if (!pid) {
		/* A fork does not copy what only maps the zero page. */
		read_all(a);
		read_all(b);
		gate_wait(&go);
		touch(a, PAGES);
		name("followed");
		touch(b, PAGES);
		mark();
		gate_pass(&done);
		_exit(0);
	}
	set((struct cowscope_filter){ .comm = "followed" });
	tap_eq(dev_control(fd, COWSCOPE_CONTROL_FOLLOW, pid), 0, "FOLLOW besides");
	name("followed");
	touch(a, PAGES);
	mark();
	gate_pass(&go);
	gate_wait(&done);
	s = look(b, LENGTH);
	tap_eq(s.inside, PAGES, "followed and of that name");
	tap_eq(s.event[COWSCOPE_EVENT_COW_FAULT], PAGES, "neither of them alone");
	tap_eq(s.event[COWSCOPE_EVENT_MARK], 1, "nor a mark of another process");
	wait_status(pid);
	no_filter();
	name("filter");
	munmap(a, LENGTH);
	munmap(b, LENGTH);
}

static void owners(void)
{
	struct cowscope_filter f = { .size = sizeof(f), .comm = "x" };
	int other = dev_open();
	struct gate ready;
	pid_t pid;

	no_filter();
	tap_eq(dev(other, COWSCOPE_FILTER, &f), 0, "another file sets one");
	tap_eq(dev(fd, COWSCOPE_FILTER, &f), -EBUSY, "this one may not");
	tap_eq(dev_control(fd, COWSCOPE_CONTROL_FOLLOW, getpid()), -EBUSY, "nor follow");
	close(other);
	tap_eq(dev(fd, COWSCOPE_FILTER, &f), 0, "it is closed: now it may");
	no_filter();

	gate_open(&ready);
	pid = fork();
	if (!pid) {
		other = dev_open();
		dev(other, COWSCOPE_FILTER, &f);
		dev_control(other, COWSCOPE_CONTROL_FOLLOW, getpid());
		gate_pass(&ready);
		pause();
	}
	gate_wait(&ready);
	tap_eq(stat_now(fd, "filter.active"), 1, "a process sets one");
	kill(pid, SIGKILL);
	wait_status(pid);
	tap_eq(stat_now(fd, "filter.active"), 0, "it is killed: the filter went");
	tap_eq(dev(fd, COWSCOPE_FILTER, &f), 0, "and its owner");
	no_filter();
}

/* Nothing is written, no trace event fires, all counters go on. */
static void counting(void)
{
	char *a = map_zero(), *b = map_zero(), text[4096];
	struct seen s;
	int id;

	write_file(TRACING "events/cowscope/enable", "1");
	write_file(TRACING "trace", "");
	set((struct cowscope_filter){ .comm = "filter" });
	tap_eq(dev_control(fd, COWSCOPE_CONTROL_COUNT, 0), 0, "COUNT");
	rings_seek_end(&rings);
	stats_read(fd, &before);
	do_all(a, b);
	id = dev_pin(fd, 0, a, PAGE);
	dev_unpin(fd, id);
	s = look(a, LENGTH);
	tap_eq(others(&s, 0), 0, "counting: no record");
	tap_ok(delta("cow_fault_kind.zero.pte.copy.needed") >= 2 * PAGES, "counting: faults");
	tap_ok(delta("rule.page_count.needed") >= 2 * PAGES, "counting: what each rule does");
	tap_eq(delta("unrecorded.cow_fault"), delta("cow_fault.ended"), "counting: unrecorded");
	tap_eq(delta("unrecorded.fork"), 1, "counting: a fork");
	tap_eq(delta("unrecorded.mark") + delta("unrecorded.pin") + delta("unrecorded.unpin"), 3,
	       "counting: what no probe sees");
	/* Lines that do not begin with '#'. */
	tap_ok(read_file(TRACING "trace", text, sizeof(text)) && !strstr(text, "cow_fault:") &&
	       !strstr(text, "mark:"), "counting: no trace event");
	dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0);
	mark();
	tap_ok(read_file(TRACING "trace", text, sizeof(text)) && strstr(text, "mark:"),
	       "recording again: a trace event");
	write_file(TRACING "events/cowscope/enable", "0");
	no_filter();
	munmap(a, LENGTH);
	munmap(b, LENGTH);
}

static void work(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		char *mem = map_zero();
		pid_t pid;

		touch(mem, PAGES);
		pid = fork();
		if (!pid)
			_exit(0);
		touch(mem, PAGES);
		name(pid & 1 ? "odd" : "even");
		wait_status(pid);
		munmap(mem, LENGTH);
	}
}

/* Filters change while others fault: nothing is unaccounted for. */
static void under_load(void)
{
	struct cowscope_filter filters[] = {
		{ .comm = "odd" }, { .end = 1ULL << 46 }, { .start = 1ULL << 46, .end = -1ULL },
		{ .events = 1U << COWSCOPE_EVENT_FORK }, { .size = 0 },
		{ .verdicts = 1U << COWSCOPE_VERDICT_FINE },
	};
	pid_t pid[WORKERS];
	int i, errors = 0;

	for (i = 0; i < WORKERS; i++) {
		pid[i] = fork();
		if (!pid[i])
			work();
	}
	for (i = 0; i < ROUNDS; i++) {
		struct cowscope_filter *f = &filters[i % (sizeof(filters) / sizeof(*filters))];

		f->size = sizeof(*f);
		errors += dev(fd, COWSCOPE_FILTER, f) != 0;
		if (i % 5 == 0)
			errors += dev_control(fd, COWSCOPE_CONTROL_FOLLOW, pid[i % WORKERS]) != 0;
		if (i % 5 == 3)
			errors += dev_control(fd, COWSCOPE_CONTROL_FOLLOW_ALL, 0) != 0;
		usleep(3000);
	}
	tap_eq(errors, 0, "under load: %d filters", ROUNDS);
	for (i = 0; i < WORKERS; i++) {
		kill(pid[i], SIGKILL);
		wait_status(pid[i]);
	}
	usleep(200000);
	no_filter();
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "fault")) {
		touch(map_zero(), PAGES);
		return 0;
	}
	tap_begin();
	fd = dev_open();
	rings_open(fd, &rings);
	by_name();
	by_changing_name();
	by_address();
	by_event();
	by_verdict();
	by_all();
	with_follow();
	owners();
	counting();
	under_load();
	account_check(fd, 0, "at the end");
	close(fd);
	return tap_end();
}
