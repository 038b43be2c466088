// SPDX-License-Identifier: GPL-2.0
/*
 * Readers of the rings, with or without the kernel's help, while two CPUs
 * write: each record is read as it was written or counted as lost.
 *
 * To be run with a small ring (ring_records=64) and with the usual one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kit.h"
#include "tap.h"

#define CPUS	2
#define MARKS	20000		/* of each producer */
#define READERS	2

static int fd;
static bool producing;

/* 47 letters and digits, all made from two numbers: a torn one shows. */
static void mark_text(char text[48], unsigned int who, unsigned int n)
{
	snprintf(text, 48, "%02u:%012u:%012u:%012u", who, n, n ^ 0xffff, n * 7);
}

static bool mark_parse(const char text[48], unsigned int *who, unsigned int *n)
{
	char copy[49] = "", again[48];

	memcpy(copy, text, 48);
	if (sscanf(copy, "%2u:%12u:", who, n) != 2)
		return false;
	mark_text(again, *who, *n);
	return !strcmp(copy, again);
}

static void mark(const char *text)
{
	struct cowscope_mark m = { .size = sizeof(m) };

	memcpy(m.text, text, strnlen(text, sizeof(m.text)));
	if (dev(fd, COWSCOPE_MARK, &m))
		tap_bail("MARK failed");
}

static void *producer(void *arg)
{
	unsigned int cpu = (uintptr_t)arg, n;
	char text[48];

	on_cpu(cpu);
	for (n = 0; n < MARKS; n++) {
		mark_text(text, cpu, n);
		mark(text);
	}
	return NULL;
}

/* One reader's account. */
struct reader {
	pthread_t thread;
	struct rings rings;
	uint64_t start[CPUS], read[CPUS], gaps[CPUS];
	unsigned int torn, disorder, foreign;
	bool slow;
};

static void take_one(struct reader *me, unsigned int cpu, const struct cowscope_record *r,
		     uint64_t *ts, unsigned int *next)
{
	unsigned int who, n;

	me->read[cpu]++;
	if (!r->type || r->type >= COWSCOPE_EVENTS || r->cpu != cpu || r->ts < *ts)
		me->disorder++;
	*ts = r->ts;
	if (r->type != COWSCOPE_EVENT_MARK) {
		me->foreign++;
		return;
	}
	if (!mark_parse(r->text, &who, &n)) {
		me->torn++;
		return;
	}
	if (who != cpu || n < *next)
		me->disorder++;
	else
		me->gaps[cpu] += n - *next;
	*next = n + 1;
}

static void *reader(void *arg)
{
	unsigned int next[CPUS] = { 0 }, cpu;
	uint64_t ts[CPUS] = { 0 };
	struct cowscope_record r;
	struct reader *me = arg;
	bool last = false;

	for (;;) {
		bool any = false;

		for (cpu = 0; cpu < CPUS; cpu++)
			while (rings_read(&me->rings, cpu, &r)) {
				any = true;
				take_one(me, cpu, &r, &ts[cpu], &next[cpu]);
				if (me->slow && me->read[cpu] % 16 == 0)
					sched_yield();
			}
		if (!any && last)
			break;
		/* Once more after the end has been seen. */
		last = !__atomic_load_n(&producing, __ATOMIC_ACQUIRE);
	}
	for (cpu = 0; cpu < CPUS; cpu++)	/* lost at the very end */
		me->gaps[cpu] += MARKS - next[cpu];
	return NULL;
}

static void readers(void)
{
	static struct reader reader_of[READERS];
	pthread_t producers[CPUS];
	unsigned int i, cpu;
	uint64_t lost = 0;

	producing = true;
	for (i = 0; i < READERS; i++) {
		rings_open(fd, &reader_of[i].rings);
		rings_seek_end(&reader_of[i].rings);
		reader_of[i].slow = i;
		for (cpu = 0; cpu < CPUS; cpu++)
			reader_of[i].start[cpu] = reader_of[i].rings.place[cpu].next;
		pthread_create(&reader_of[i].thread, NULL, reader, &reader_of[i]);
	}
	for (cpu = 0; cpu < CPUS; cpu++)
		pthread_create(&producers[cpu], NULL, producer, (void *)(uintptr_t)cpu);
	for (cpu = 0; cpu < CPUS; cpu++)
		pthread_join(producers[cpu], NULL);
	__atomic_store_n(&producing, false, __ATOMIC_RELEASE);
	for (i = 0; i < READERS; i++)
		pthread_join(reader_of[i].thread, NULL);

	for (i = 0; i < READERS; i++) {
		struct reader *me = &reader_of[i];

		for (cpu = 0; cpu < CPUS; cpu++) {
			struct ring_place *p = &me->rings.place[cpu];
			uint64_t written = rings_head(&me->rings, cpu) - me->start[cpu];

			tap_eq(written, MARKS, "reader %u, CPU %u: all were written", i, cpu);
			tap_eq(me->read[cpu] + p->lost, written,
			       "reader %u, CPU %u: read or counted as lost", i, cpu);
			tap_eq(me->gaps[cpu], p->lost, "reader %u, CPU %u: the lost ones are missing",
			       i, cpu);
			lost += p->lost;
		}
		tap_eq(me->torn, 0, "reader %u: none is torn", i);
		tap_eq(me->disorder, 0, "reader %u: in order", i);
		tap_eq(me->foreign, 0, "reader %u: nothing else", i);
		tap_note("reader %u: read %llu and %llu, lost %llu and %llu", i,
			 (unsigned long long)me->read[0], (unsigned long long)me->read[1],
			 (unsigned long long)me->rings.place[0].lost,
			 (unsigned long long)me->rings.place[1].lost);
	}
	if (reader_of[0].rings.info.ring_records < 1024)
		tap_ok(lost > 0, "a ring this small loses some");
	for (i = 0; i < READERS; i++)
		rings_close(&reader_of[i].rings);
}

/* --- poll ------------------------------------------------------------------- */

static void *poller(void *arg)
{
	struct pollfd p = { .fd = *(int *)arg, .events = POLLIN };

	/* The limit ends a test that has failed. */
	return (void *)(uintptr_t)(poll(&p, 1, 60000) == 1 && p.revents == POLLIN);
}

static void poll_wakes(void)
{
	int file[READERS], i, round, woken = 0;
	pthread_t thread[READERS];
	void *result;

	for (i = 0; i < READERS; i++)
		file[i] = dev_open();
	for (round = 0; round < 50; round++) {
		for (i = 0; i < READERS; i++) {
			poll(&(struct pollfd){ .fd = file[i], .events = POLLIN }, 1, 0);
			pthread_create(&thread[i], NULL, poller, &file[i]);
		}
		if (round % 3)
			sched_yield();
		mark("wake up");
		for (i = 0; i < READERS; i++) {
			pthread_join(thread[i], &result);
			woken += result != NULL;
		}
	}
	tap_eq(woken, 50 * READERS, "poll wakes each reader");
	for (i = 0; i < READERS; i++)
		close(file[i]);
}

/* --- trace and trace_pipe ---------------------------------------------------- */

static void trace(void)
{
	struct cowscope_record r;
	uint64_t held = 0, lines = 0;
	double before = 0, now;
	int disorder = 0, bad = 0;
	struct rings rings;
	char line[1024];
	FILE *f;

	rings_open(fd, &rings);
	while (rings_next(&rings, &r))
		held++;
	f = fopen(DEBUG "trace", "r");
	while (f && fgets(line, sizeof(line), f)) {
		const char *bracket = strchr(line, ']');

		lines++;
		if (!bracket || sscanf(bracket, "] %lf:", &now) != 1)
			bad++;
		disorder += now < before;
		before = now;
	}
	if (f)
		fclose(f);
	tap_eq(lines, held, "trace has what the rings hold");
	tap_eq(disorder, 0, "trace is in order of time");
	tap_eq(bad, 0, "each line says when");
	rings_close(&rings);
}

static ssize_t read_until(int file, char *buf, size_t size, const char *what)
{
	size_t done = 0;
	ssize_t n;

	while (done < size - 1) {
		n = read(file, buf + done, size - 1 - done);
		if (n <= 0)
			return n;
		done += n;
		buf[done] = 0;
		if (strstr(buf, what))
			return done;
	}
	return -1;
}

static void trace_pipe(void)
{
	static char buf[65536];
	int one, two;

	mark("before");
	one = open(DEBUG "trace_pipe", O_RDONLY | O_CLOEXEC);
	two = open(DEBUG "trace_pipe", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (one < 0 || two < 0)
		tap_bail("trace_pipe: %s", strerror(errno));
	tap_ok(read(two, buf, sizeof(buf)) == -1 && errno == EAGAIN,
	       "trace_pipe: nothing yet, and nothing old");
	mark("first of all");
	tap_ok(read_until(one, buf, sizeof(buf), "first of all") > 0, "trace_pipe: a record");
	tap_ok(!strstr(buf, "before"), "trace_pipe: begins when it is opened");
	tap_ok(read_until(two, buf, sizeof(buf), "first of all") > 0, "trace_pipe: another reader");

	close(fd);
	tap_eq(module_unload(), EWOULDBLOCK, "trace_pipe keeps the module");
	fd = dev_open();
	mark("after that");
	tap_ok(read_until(one, buf, sizeof(buf), "after that") > 0, "and goes on after the refusal");
	close(one);
	close(two);
}

/* What trace_pipe shows and says is lost is all that was written. */
static void *pipe_reader(void *arg)
{
	FILE *f = fopen(DEBUG "trace_pipe", "r");
	uint64_t *sum = arg;
	char line[1024];

	__atomic_store_n(&producing, true, __ATOMIC_RELEASE);
	while (f && fgets(line, sizeof(line), f)) {
		unsigned long long lost;

		if (sscanf(line, "# lost %llu records", &lost) == 1) {
			*sum += lost;
			continue;
		}
		(*sum)++;
		if (strstr(line, "the end"))
			break;
	}
	if (f)
		fclose(f);
	return NULL;
}

static void trace_pipe_account(void)
{
	pthread_t producers[CPUS], pipe;
	uint64_t sum = 0;
	unsigned int cpu;

	producing = false;
	pthread_create(&pipe, NULL, pipe_reader, &sum);
	while (!__atomic_load_n(&producing, __ATOMIC_ACQUIRE))
		sched_yield();
	for (cpu = 0; cpu < CPUS; cpu++)
		pthread_create(&producers[cpu], NULL, producer, (void *)(uintptr_t)cpu);
	for (cpu = 0; cpu < CPUS; cpu++)
		pthread_join(producers[cpu], NULL);
	mark("the end");
	pthread_join(pipe, NULL);
	tap_eq(sum, CPUS * MARKS + 1, "trace_pipe: shown or said to be lost");
}

static void caught(int sig)
{
}

static void trace_pipe_signal(int sig, bool catch)
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		int file = open(DEBUG "trace_pipe", O_RDONLY | O_CLOEXEC);
		char buf[4096];

		sigaction(sig, &(struct sigaction){ .sa_handler = catch ? caught : SIG_DFL }, NULL);
		_exit(read(file, buf, sizeof(buf)) == -1 && errno == EINTR ? 0 : 1);
	}
	/* It sleeps in read() by now, or does so after the signal: so repeat it. */
	while (waitpid(pid, &status, WNOHANG) == 0) {
		kill(pid, sig);
		usleep(10000);
	}
	tap_ok(catch ? WIFEXITED(status) && !WEXITSTATUS(status) :
	       WIFSIGNALED(status) && WTERMSIG(status) == sig,
	       "trace_pipe: ends on signal %d%s", sig, catch ? ", caught" : "");
}

static void mapping_keeps_module(void)
{
	struct rings rings;

	rings_open(fd, &rings);
	close(fd);
	tap_eq(module_unload(), EWOULDBLOCK, "a mapping keeps the module");
	rings_close(&rings);
	fd = dev_open();
	tap_eq(module_unload(), EWOULDBLOCK, "an open file keeps the module");
}

int main(void)
{
	tap_begin();
	if (sysconf(_SC_NPROCESSORS_ONLN) < CPUS) {
		tap_skip("rings", "one processor");
		return tap_end();
	}
	fd = dev_open();
	/* What is counted here are marks alone. */
	dev_control(fd, COWSCOPE_CONTROL_DISABLE, 0);
	readers();
	poll_wakes();
	trace();
	trace_pipe();
	trace_pipe_account();
	trace_pipe_signal(SIGINT, true);
	trace_pipe_signal(SIGTERM, false);
	trace_pipe_signal(SIGKILL, false);
	mapping_keeps_module();
	dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0);
	return tap_end();
}
