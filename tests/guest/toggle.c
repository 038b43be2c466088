// SPDX-License-Identifier: GPL-2.0
/*
 * Recording is switched off and on, and filters come and go, while processes
 * fault and fork: nothing stays in flight, and off means off.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <linux/fs.h>
#include <linux/userfaultfd.h>

#include "account.h"
#include "tap.h"

#define WORKERS	3
#define PAGES	32
#define ROUNDS	15

static void work(void)
{
	char *mem = map_anon(PAGES * PAGE);
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		memset(mem, 'A', PAGES * PAGE);
		pid = fork();
		if (!pid) {
			memset(mem, 'B', PAGES * PAGE);
			_exit(0);
		}
		memset(mem, 'C', PAGES * PAGE);
		write_file("/proc/self/clear_refs", "4");
		mprotect(mem, PAGES * PAGE, PROT_READ);
		mprotect(mem, PAGES * PAGE, PROT_READ | PROT_WRITE);
		wait_status(pid);
	}
}

static void start(pid_t pid[WORKERS])
{
	int i;

	for (i = 0; i < WORKERS; i++) {
		pid[i] = fork();
		if (!pid[i])
			work();
	}
}

static void end(pid_t pid[WORKERS])
{
	int i;

	for (i = 0; i < WORKERS; i++) {
		kill(pid[i], SIGKILL);
		wait_status(pid[i]);
	}
	/* Their children are init's by now; they end by themselves. */
	usleep(200000);
}

static void fault_some(void)
{
	char *mem = map_anon(PAGES * PAGE);
	size_t i;

	for (i = 0; i < PAGES; i++)
		peek(mem + i * PAGE);
	memset(mem, 'F', PAGES * PAGE);
}

/* Records of cow_fault by a process, since the rings were last read. */
static int faults_of(struct rings *rings, pid_t pid)
{
	struct cowscope_record r;
	int n = 0;

	while (rings_next(rings, &r))
		n += r.type == COWSCOPE_EVENT_COW_FAULT && r.pid == (unsigned int)pid;
	return n;
}

/* Somebody who descends from init, not from here, is not followed. */
static void outsider(void)
{
	int fd = dev_open(), pair[2];
	struct gate go, done;
	struct rings rings;
	long long filtered;
	pid_t pid, child;

	gate_open(&go);
	gate_open(&done);
	if (pipe(pair))
		tap_bail("pipe: %s", strerror(errno));
	child = fork();
	if (!child) {
		pid = fork();
		if (pid) {
			if (write(pair[1], &pid, sizeof(pid)) != sizeof(pid))
				_exit(1);
			_exit(0);
		}
		gate_wait(&go);
		fault_some();
		gate_pass(&done);
		gate_wait(&go);
		fault_some();
		gate_pass(&done);
		_exit(0);
	}
	wait_status(child);
	if (read(pair[0], &pid, sizeof(pid)) != sizeof(pid))
		tap_bail("no pid");

	rings_open(fd, &rings);
	dev_control(fd, COWSCOPE_CONTROL_FOLLOW, getpid());
	rings_seek_end(&rings);
	filtered = stat_now(fd, "cow_fault.filtered");
	gate_pass(&go);
	gate_wait(&done);
	tap_eq(faults_of(&rings, pid), 0, "an outsider's faults are not recorded");
	tap_ok(stat_now(fd, "cow_fault.filtered") - filtered >= PAGES, "but counted as filtered");
	rings_seek_end(&rings);
	fault_some();
	tap_ok(faults_of(&rings, getpid()) >= PAGES, "one's own are recorded");
	dev_control(fd, COWSCOPE_CONTROL_FOLLOW_ALL, 0);
	rings_seek_end(&rings);
	gate_pass(&go);
	gate_wait(&done);
	tap_ok(faults_of(&rings, pid) >= PAGES, "without a filter the outsider's are too");
	rings_close(&rings);
	close(fd);
}

/*
 * A call that sleeps in the middle of a probed function: clear_refs_write()
 * reads its number from memory that a userfaultfd has not filled yet.
 */
struct sleeper {
	pthread_t thread;
	int uf, clear_refs;
	char *mem;
};

static void *sleeper_write(void *arg)
{
	struct sleeper *s = arg;

	return (void *)(write(s->clear_refs, s->mem, 1) == 1 ? NULL : s);
}

static bool sleeper_start(struct sleeper *s)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffd_msg msg;

	s->mem = map_anon(PAGE);
	reg.range = (struct uffdio_range){ (uintptr_t)s->mem, PAGE };
	s->clear_refs = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	s->uf = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (s->uf < 0 || ioctl(s->uf, UFFDIO_API, &api) || ioctl(s->uf, UFFDIO_REGISTER, &reg))
		return false;
	pthread_create(&s->thread, NULL, sleeper_write, s);
	/* When the fault is told, the thread is in the function. */
	return read(s->uf, &msg, sizeof(msg)) == sizeof(msg);
}

static bool sleeper_end(struct sleeper *s)
{
	char *four = map_anon(PAGE);
	struct uffdio_copy copy = { .dst = (uintptr_t)s->mem, .src = (uintptr_t)four, .len = PAGE };
	void *result = s;

	*four = '4';
	if (ioctl(s->uf, UFFDIO_COPY, &copy))
		tap_bail("UFFDIO_COPY: %s", strerror(errno));
	pthread_join(s->thread, &result);
	munmap(s->mem, PAGE);
	munmap(four, PAGE);
	close(s->uf);
	close(s->clear_refs);
	return !result;
}

/* What sleeps when its probe goes does not come back to the handler. */
static void cut_off(void)
{
	struct sleeper s;
	int fd = dev_open();
	long long before = stat_now(fd, "clear_refs.cut_off");

	if (!sleeper_start(&s))
		return tap_skip("calls cut off", "no userfaultfd: %s", strerror(errno));
	tap_eq(stat_now(fd, "clear_refs.in_flight"), 1, "a call sleeps");
	dev_control(fd, COWSCOPE_CONTROL_DISABLE, 0);
	tap_eq(stat_now(fd, "clear_refs.in_flight"), 0, "off: it is not waited for");
	tap_eq(stat_now(fd, "clear_refs.cut_off"), before + 1, "off: but cut off");
	dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0);
	tap_ok(sleeper_end(&s), "it ends well");
	account_check(fd, ACCOUNT_CUT_OFF, "after that");

	if (!sleeper_start(&s))
		tap_bail("userfaultfd: %s", strerror(errno));
	close(fd);
	tap_eq(module_unload(), 0, "the module goes while a call sleeps");
	tap_ok(sleeper_end(&s), "it ends well");
	tap_eq(module_load(""), 0, "the module comes back");
	fd = dev_open();
	account_check(fd, ACCOUNT_CUT_OFF, "after it came back");
	close(fd);
}

/*
 * The same in do_wp_page(), whose entry is hooked otherwise: page_mkwrite() waits
 * until the filesystem is thawed. In another process, as its mmap_lock is held.
 */
static pid_t stuck_start(int fd, int file, char *mem)
{
	pid_t pid;
	int i;

	if (ioctl(file, FIFREEZE, 0))
		return 0;
	pid = fork();
	if (!pid) {
		close(fd);
		peek(mem);
		poke(mem, 'S');
		_exit(0);
	}
	for (i = 0; i < 100 && !stat_now(fd, "cow_fault.in_flight"); i++)
		usleep(20000);
	return pid;
}

static bool stuck_end(int file, pid_t pid)
{
	return !ioctl(file, FITHAW, 0) && !wait_status(pid);
}

static void fault_cut_off(void)
{
	int fd = dev_open(), file = test_file();
	long long before = stat_now(fd, "cow_fault.cut_off");
	char *mem = map_file(file, PAGE, MAP_SHARED);
	pid_t pid = stuck_start(fd, file, mem);

	if (!pid)
		return tap_skip("faults cut off", "TEST_DIR cannot be frozen: %s", strerror(errno));
	tap_eq(stat_now(fd, "cow_fault.in_flight"), 1, "a fault sleeps");
	dev_control(fd, COWSCOPE_CONTROL_DISABLE, 0);
	tap_eq(stat_now(fd, "cow_fault.cut_off"), before + 1, "off: it is cut off");
	dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0);
	tap_ok(stuck_end(file, pid), "it ends well");
	account_check(fd, ACCOUNT_CUT_OFF, "after that");

	pid = stuck_start(fd, file, mem);
	tap_eq(stat_now(fd, "cow_fault.in_flight"), 1, "a fault sleeps again");
	close(fd);
	tap_eq(module_unload(), 0, "the module goes while it sleeps");
	tap_ok(stuck_end(file, pid), "it ends well");
	tap_eq(module_load(""), 0, "the module comes back");
	fd = dev_open();
	account_check(fd, ACCOUNT_CUT_OFF, "after it came back");
	close(fd);
	munmap(mem, PAGE);
	close(file);
}

int main(void)
{
	int fd = dev_open(), owner, i, errors = 0;
	long long entered, written;
	pid_t pid[WORKERS];

	tap_begin();
	start(pid);
	for (i = 0; i < ROUNDS; i++) {
		errors += dev_control(fd, COWSCOPE_CONTROL_DISABLE, 0) != 0;
		errors += dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0) != 0;
	}
	tap_eq(errors, 0, "off and on, %d times", ROUNDS);
	for (i = 0; i < ROUNDS; i++) {
		errors += dev_control(fd, COWSCOPE_CONTROL_COUNT, 0) != 0;
		usleep(2000);
		if (i % 3 == 0)
			errors += dev_control(fd, COWSCOPE_CONTROL_DISABLE, 0) != 0;
		if (i % 3 == 1)
			errors += dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0) != 0;
		usleep(2000);
	}
	tap_eq(errors, 0, "counting, off and on, %d times", ROUNDS);
	dev_control(fd, COWSCOPE_CONTROL_COUNT, 0);
	written = stat_now(fd, "ring.written");
	entered = stat_now(fd, "cow_fault.ended");
	for (i = 0; i < 100 && stat_now(fd, "cow_fault.ended") == entered; i++)
		usleep(20000);
	tap_eq(stat_now(fd, "ring.written"), written, "counting: no record is written");
	tap_ok(stat_now(fd, "cow_fault.ended") > entered, "counting: it goes on");
	tap_ok(stat_now(fd, "unrecorded.cow_fault") > 0, "counting: unrecorded");
	dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0);
	for (i = 0; i < ROUNDS; i++) {
		owner = dev_open();
		errors += dev_control(owner, COWSCOPE_CONTROL_FOLLOW, pid[i % WORKERS]) != 0;
		if (i & 1)
			errors += dev_control(owner, COWSCOPE_CONTROL_FOLLOW_ALL, 0) != 0;
		close(owner);
	}
	tap_eq(errors, 0, "filters come and go, %d times", ROUNDS);

	dev_control(fd, COWSCOPE_CONTROL_DISABLE, 0);
	entered = stat_now(fd, "cow_fault.entered");
	written = stat_now(fd, "ring.written");
	usleep(100000);
	tap_eq(stat_now(fd, "cow_fault.entered"), entered, "off: no call is seen");
	tap_eq(stat_now(fd, "ring.written"), written, "off: no record is written");
	dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0);

	owner = dev_open();
	dev_control(owner, COWSCOPE_CONTROL_FOLLOW, getpid());
	end(pid);
	account_check(fd, ACCOUNT_CUT_OFF, "followed");
	start(pid);
	usleep(100000);
	end(pid);
	tap_ok(stat_now(fd, "cow_fault.ended") > 0, "descendants are followed");
	close(owner);
	account_check(fd, ACCOUNT_CUT_OFF, "at the end");
	close(fd);
	outsider();
	cut_off();
	fault_cut_off();
	return tap_end();
}
