// SPDX-License-Identifier: GPL-2.0
/*
 * Processes with several threads, all in ioctls of the device at once, are killed
 * at any moment: nothing that they held is left.
 *
 *   holders NUMBER   of processes
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "kit.h"
#include "tap.h"

#define PAGES	64UL
#define THREADS	4
#define FILES	2
#define IDS	8

enum { PIN, HOLD, MIRROR, UNPIN, READ, WRITE, PIN_STATE, PAGE_STATE, FILTER, CONTROL, STATS,
	MARK, FORK, CALLS };

static const char *const names[CALLS] = {
	"PIN", "HOLD", "MIRROR", "UNPIN", "READ", "WRITE", "PIN_STATE", "PAGE_STATE", "FILTER",
	"CONTROL", "STATS", "MARK", "fork",
};

/* What the one who kills sees, in memory that all share. */
struct board {
	unsigned int under_way[THREADS];	/* a call + 1, or 0 */
	unsigned int calls;
	unsigned int done[CALLS];		/* without error */
	pid_t watcher;
};

static struct board *board;

/* One thread of a process that will be killed. */
struct worker {
	pthread_t thread;
	unsigned int number, seed;
	int id[IDS];
};

static int file[FILES];
static char *mem;

static unsigned int dice(struct worker *w, unsigned int sides)
{
	return (unsigned int)rand_r(&w->seed) % sides;
}

static int pin(struct worker *w, int fd, unsigned int what, char *at, size_t length)
{
	struct cowscope_hold hold = { .size = sizeof(hold), .addr = (uintptr_t)at, .length = length };
	struct cowscope_mirror mirror = { .size = sizeof(mirror), .addr = (uintptr_t)at,
		.length = length };
	static const unsigned int pins[] = {
		0, COWSCOPE_PIN_WRITE, COWSCOPE_PIN_FOLL_PIN, COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_WRITE,
		COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_LONGTERM, COWSCOPE_PIN_FAST,
	};
	static const unsigned int mirrors[] = {
		0, COWSCOPE_MIRROR_WRITE, COWSCOPE_MIRROR_GET, COWSCOPE_MIRROR_GET | COWSCOPE_MIRROR_KEEP,
	};
	int err;

	if (what == PIN)
		return dev_pin(fd, pins[dice(w, sizeof(pins) / sizeof(*pins))], at, length);
	if (what == HOLD) {
		err = dev(fd, COWSCOPE_HOLD, &hold);
		return err ? err : (int)hold.id;
	}
	mirror.flags = mirrors[dice(w, sizeof(mirrors) / sizeof(*mirrors))];
	err = dev(fd, COWSCOPE_MIRROR, &mirror);
	return err ? err : (int)mirror.id;
}

static int filter(struct worker *w, int fd)
{
	struct cowscope_filter f = { .size = sizeof(f) };

	if (dice(w, 4))
		strcpy(f.comm, "holders");
	return dice(w, 2) ? dev(fd, COWSCOPE_FILTER, &f) :
			    dev_control(fd, COWSCOPE_CONTROL_FOLLOW, getpid());
}

static int control(struct worker *w, int fd)
{
	static const unsigned int ops[] = {
		COWSCOPE_CONTROL_ENABLE, COWSCOPE_CONTROL_DISABLE, COWSCOPE_CONTROL_COUNT,
	};

	return dev_control(fd, ops[dice(w, 3)], 0);
}

static int child(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return pid < 0 || waitpid(pid, NULL, 0) != pid ? -errno : 0;
}

static int call(struct worker *w, unsigned int what)
{
	struct cowscope_page pages[PAGES];
	struct cowscope_pin_state state;
	char text[4096], data[8 * PAGE];
	struct cowscope_stats stats = { .size = sizeof(stats), .buf = (uintptr_t)text,
		.len = sizeof(text) };
	struct cowscope_mark mark = { .size = sizeof(mark), .text = "holders" };
	size_t page = dice(w, PAGES), n = 1 + dice(w, PAGES - page);
	size_t length = (n < 8 ? n : 8) * PAGE;
	int *id = &w->id[dice(w, IDS)], fd = file[dice(w, FILES)], err;

	switch (what) {
	case PIN:
	case HOLD:
	case MIRROR:
		err = pin(w, fd, what, mem + page * PAGE, n * PAGE);
		if (err > 0)
			*id = err;
		return err < 0 ? err : 0;
	case UNPIN:
		return dev_unpin(fd, *id);
	case READ:
		return dev_read(fd, *id, 0, data, length);
	case WRITE:
		return dev_write(fd, *id, 0, data, length);
	case PIN_STATE:
		return dev_pin_state(fd, *id, 0, &state);
	case PAGE_STATE:
		return dev_pages(fd, dice(w, 2) ? board->watcher : 0, mem, PAGES, pages);
	case FILTER:
		return filter(w, fd);
	case CONTROL:
		return control(w, fd);
	case STATS:
		return dev(fd, COWSCOPE_STATS, &stats);
	case MARK:
		return dev(fd, COWSCOPE_MARK, &mark);
	default:
		return child();
	}
}

static void *work(void *arg)
{
	/* CONTROL and FILTER wait for all processors. */
	static const unsigned char likely[CALLS] = {
		[PIN] = 20, [HOLD] = 20, [MIRROR] = 20, [UNPIN] = 20, [READ] = 20, [WRITE] = 20,
		[PIN_STATE] = 20, [PAGE_STATE] = 20, [FILTER] = 1, [CONTROL] = 1, [STATS] = 10,
		[MARK] = 10, [FORK] = 2,
	};
	struct worker *w = arg;
	unsigned int what, ticket;

	for (;;) {
		ticket = dice(w, 184);
		for (what = 0; ticket >= likely[what]; what++)
			ticket -= likely[what];
		__atomic_store_n(&board->under_way[w->number], what + 1, __ATOMIC_RELAXED);
		if (!call(w, what))
			__atomic_add_fetch(&board->done[what], 1, __ATOMIC_RELAXED);
		__atomic_store_n(&board->under_way[w->number], 0, __ATOMIC_RELAXED);
		__atomic_add_fetch(&board->calls, 1, __ATOMIC_RELAXED);
		poke(mem + dice(w, PAGES) * PAGE, 'w');
	}
	return NULL;
}

static _Noreturn void hold(unsigned int seed)
{
	static struct worker workers[THREADS];
	struct rings rings;
	unsigned int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	mem = map_anon(PAGES * PAGE);
	for (i = 0; i < FILES; i++)
		file[i] = dev_open();
	rings_open(file[0], &rings);
	for (i = 0; i < THREADS; i++) {
		workers[i].number = i;
		workers[i].seed = seed * THREADS + i;
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	for (;;)
		pause();
}

/* What a thread that is killed holds goes with its file, at its very end or soon after. */
static bool all_gone(void)
{
	char text[64];
	int tries;

	for (tries = 0; tries < 200; tries++) {
		if (!pins_listed() && !foll_pins() &&
		    read_file("/sys/module/cowscope/refcnt", text, sizeof(text)) && atoi(text) == 0)
			return true;
		usleep(50000);
	}
	tap_note("pins lists %d, the kernel counts %lld, %s files are open", pins_listed(),
		 foll_pins(), strtok(text, "\n"));
	return false;
}

static unsigned int killed(unsigned int within[CALLS + 1], unsigned int number)
{
	unsigned int random = number, bad = 0, i, n;
	pid_t pid;

	for (n = 0; n < number; n++) {
		unsigned int enough = 1 + rand_r(&random) % 150;

		memset(board->under_way, 0, sizeof(board->under_way));
		board->calls = 0;
		pid = fork();
		if (!pid)
			hold(n);
		while (__atomic_load_n(&board->calls, __ATOMIC_RELAXED) < enough &&
		       !waitpid(pid, NULL, WNOHANG))
			usleep(rand_r(&random) % 500);
		kill(pid, SIGKILL);
		if (wait_status(pid) != 128 + SIGKILL)
			tap_bail("a process ended by itself");
		for (i = 0; i < THREADS; i++)
			within[board->under_way[i]]++;
		if (n % 20 == 19)
			bad += !all_gone();
	}
	return bad + !all_gone();
}

int main(int argc, char **argv)
{
	static unsigned int within[CALLS + 1];	/* 0: in none */
	unsigned int number = argc > 1 ? atoi(argv[1]) : 0, i, calls;
	char text[4096];

	tap_begin();
	board = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!number || board == MAP_FAILED)
		tap_bail("usage: holders NUMBER");
	board->watcher = getpid();
	tap_eq(killed(within, number), 0, "%u processes killed: all that they held is gone", number);
	for (i = 0; i < CALLS; i++) {
		tap_note("%s: %u done, %u threads killed within", names[i], board->done[i],
			 within[i + 1]);
		tap_ok(board->done[i] > 0, "%s was done", names[i]);
	}
	for (i = 0, calls = 0; i < CALLS; i++)
		calls += within[i + 1];
	tap_ok(calls > within[0], "most threads were killed within a call");
	tap_ok(read_file(DEBUG "filter", text, sizeof(text)) && !strcmp(text, "none\n"),
	       "no filter is left");
	return tap_end();
}
