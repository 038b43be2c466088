// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of /dev/cowscope that nobody should make, by several processes at once whose
 * threads share open files and memory, fork, exec, unmap, and are killed meanwhile. The
 * module must survive it with nothing left, and count what it did.
 *
 *   hostile [CALLS [SEED]]
 *
 * On a kernel with CONFIG_KCOV a call that reaches what none did before is kept,
 * and varied from then on. It prints how much of the module was reached.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "account.h"
#include "hostile.h"
#include "tap.h"

#define WORKERS		3
#define THREADS		3
#define KEPT		4096
#define CALLS_LIVED	1000		/* of all, at least, until somebody is killed, on average */
#define KILLS		50		/* about so many, then, if there are more calls */
#define CODE		(1UL << 22)	/* bytes of code that are told apart */

/* Of <linux/kcov.h>, as a 64-bit kernel has them for a 32-bit process, too. */
#define KCOV_INIT_TRACE	_IOR('c', 1, uint64_t)
#define KCOV_ENABLE	_IO('c', 100)
#define KCOV_ENTRIES	(1UL << 16)

static struct {
	uint64_t calls;
	uint32_t ids[FILES][IDS], done[IOCTLS];
	uint32_t kept;		/* so many of them, the last ones */
	uint32_t reached;	/* places in the module */
	uint8_t code[CODE];	/* by offset from its start: reached */
	struct call call[KEPT];
} *shared;

static struct ground ground;
static uint64_t text;		/* where the module's code is */
static uint64_t wanted = 20000, seed = 1;

/* The calling thread's coverage, or NULL. */
static uint64_t *kcov_open(void)
{
	int fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	uint64_t *cover;

	if (fd < 0 || !text)
		return NULL;
	if (ioctl(fd, KCOV_INIT_TRACE, KCOV_ENTRIES))
		tap_bail("kcov: %s", strerror(errno));
	cover = mmap(NULL, KCOV_ENTRIES * sizeof(*cover), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (cover == MAP_FAILED || ioctl(fd, KCOV_ENABLE, 0))
		tap_bail("kcov: %s", strerror(errno));
	close(fd);
	return cover;
}

/* Did it reach what none did before? */
static bool is_new(const uint64_t *cover)
{
	uint64_t i, n = cover[0] < KCOV_ENTRIES ? cover[0] : KCOV_ENTRIES - 1;
	bool new = false;

	for (i = 1; i <= n; i++) {
		uint64_t at = cover[i] - text;

		if (at >= CODE || shared->code[at])
			continue;
		shared->code[at] = 1;
		__atomic_fetch_add(&shared->reached, 1, __ATOMIC_RELAXED);
		new = true;
	}
	return new;
}

static uint64_t made(void)
{
	return __atomic_load_n(&shared->calls, __ATOMIC_RELAXED);
}

static void keep(const struct call *c)
{
	shared->call[__atomic_fetch_add(&shared->kept, 1, __ATOMIC_RELAXED) % KEPT] = *c;
}

static void *make_calls(void *arg)
{
	uint64_t random = seed * 0x9e3779b97f4a7c15ULL ^ (uintptr_t)arg << 20 ^ getpid();
	uint64_t *cover = kcov_open();
	struct call c;

	while (made() < wanted) {
		uint32_t kept = __atomic_load_n(&shared->kept, __ATOMIC_RELAXED);

		if (kept && below(&random, 2)) {
			c = shared->call[below(&random, kept < KEPT ? kept : KEPT)];
			call_vary(&c, &ground, &random);
		} else {
			call_make(&c, &ground, &random);
		}
		if (cover)
			__atomic_store_n(&cover[0], 0, __ATOMIC_RELAXED);
		if (call_do(&c, &ground))
			__atomic_fetch_add(&shared->calls, 1, __ATOMIC_RELAXED);
		if (cover && is_new(cover))
			keep(&c);
	}
	return NULL;
}

static void work(void)
{
	pthread_t thread[THREADS];
	uintptr_t i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (i = 1; i < THREADS; i++)
		pthread_create(&thread[i], NULL, make_calls, (void *)i);
	make_calls(NULL);
	_exit(0);
}

static pid_t start(void)
{
	pid_t pid = fork();

	if (pid < 0)
		tap_bail("fork: %s", strerror(errno));
	if (!pid)
		work();
	return pid;
}

/*
 * Until all calls are made; somebody is killed all the time, by calls: a process and
 * the buffers of its coverage cost as much as thousands of them. Who lets the device write
 * to its own stack may end earlier.
 */
static void rage(unsigned int *killed, unsigned int *ended)
{
	uint64_t lived = wanted / KILLS > CALLS_LIVED ? wanted / KILLS : CALLS_LIVED;
	uint64_t random = seed;
	pid_t pid[WORKERS];
	int status, i;

	for (i = 0; i < WORKERS; i++)
		pid[i] = start();
	while (made() < wanted) {
		uint64_t next = made() + below(&random, 2 * lived);
		siginfo_t who = { 0 };

		do {
			usleep(1000 + below(&random, 10000));
			waitid(P_ALL, 0, &who, WEXITED | WNOHANG | WNOWAIT);
		} while (!who.si_pid && made() < next && made() < wanted);
		i = below(&random, WORKERS);
		while (who.si_pid && pid[i] != who.si_pid)
			i = (i + 1) % WORKERS;
		kill(pid[i], SIGKILL);
		waitpid(pid[i], &status, 0);
		if (WIFEXITED(status) && WEXITSTATUS(status))
			tap_bail("a process gave up");
		++*(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? killed : ended);
		pid[i] = start();
	}
	for (i = 0; i < WORKERS; i++)
		waitpid(pid[i], &status, 0);
}

/* A file that begins with 0x and an address, as that of a section does. */
static uint64_t address_in(const char *path)
{
	char line[64];

	return read_file(path, line, sizeof(line)) ? strtoull(line, NULL, 16) : 0;
}

int main(int argc, char **argv)
{
	unsigned int killed = 0, ended = 0, rule;
	int fd = dev_open(), i;

	tap_begin();
	if (argc > 1)
		wanted = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0);
	text = address_in("/sys/module/cowscope/sections/.text");
	rule = dev_rule(fd);
	/* Far from what the calls are made on. */
	shared = mmap((void *)0x20000000, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));
	ground.ids = shared->ids;
	ground.done = shared->done;
	ground_make(&ground);

	rage(&killed, &ended);
	tap_note("%llu calls, seed %llu, %u processes killed, %u ended by themselves",
		 (unsigned long long)shared->calls, (unsigned long long)seed, killed, ended);
	if (shared->kept)
		tap_note("%u places of the module reached, %u calls kept", shared->reached, shared->kept);
	for (i = 0; i < (int)IOCTLS; i++)
		tap_ok(shared->done[i], "ioctl %d: %u were no error", i, shared->done[i]);

	for (i = 0; i < FILES; i++)
		close(ground.file[i]);
	/* What they had open goes with the last of those that they forked. */
	for (i = 0; i < 100 && pins_listed(); i++)
		usleep(100000);
	tap_eq(pins_listed(), 0, "no reference or pin is left");
	tap_eq(foll_pins(), 0, "nor does the kernel count one");
	dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0);
	tap_eq(dev_rule(fd), rule, "nobody has told a rule");
	tap_eq(stat_now(fd, "filter.active"), 0, "no filter is left");
	account_check(fd, ACCOUNT_CUT_OFF, "in the end");
	return tap_end();
}
