// SPDX-License-Identifier: GPL-2.0
/*
 * A mirror whose memory or process goes, and many at the same time.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mirror.h"
#include "tap.h"

static void unmapped(unsigned int flags)
{
	bool keep = flags & COWSCOPE_MIRROR_KEEP, bad = false;
	char *mem = fresh(), *to = map_anon(PAGE), byte;
	int id = taken(mirror(fd, flags, mem, SIZE));
	struct told t;

	rings_seek_end(&rings);
	CHECK(mremap(mem, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	t = told(id, mem);
	CHECK(t.events[COWSCOPE_INVALIDATION_UNMAP] >= 1);
	CHECK(dev_read(fd, id, 0, &byte, 1) == (keep ? 0 : -EFAULT));
	CHECK(coherent(id, 0) == (keep ? COWSCOPE_NO : COWSCOPE_NA));
	CHECK(refcount(to) == 1 + keep);
	/* Something else there. */
	if (mmap(mem, PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != mem)
		tap_bail("mmap: %s", strerror(errno));
	mem[0] = 'N';
	CHECK(seen_by(fd, id, 0) == (keep ? 'A' : 'N'));

	rings_seek_end(&rings);
	munmap(mem, SIZE);
	t = told(id, mem);
	CHECK(t.events[COWSCOPE_INVALIDATION_UNMAP] >= 1);
	CHECK(dev_read(fd, id, PAGE, &byte, 1) == (keep ? 0 : -EFAULT));
	munmap(to, PAGE);
	CHECK(!dev_unpin(fd, id));
	tap_ok(!bad, "mirror %s: mremap and munmap", mode(flags));
}

enum end { CLOSE, EXIT, KILL, EXEC, ENDS };

static const char *const ends[] = { "close", "exit", "SIGKILL", "exec" };

/* The process ends; its file goes with it, or lives on here. */
static void process_ends(unsigned int flags, enum end end, bool file_stays)
{
	int file = file_stays ? dev_open() : -1, id = 0, pair[2];
	struct cowscope_pin_state s;
	bool bad = false;
	char byte = 0;
	pid_t pid;

	if (pipe(pair))
		tap_bail("pipe: %s", strerror(errno));
	rings_seek_end(&rings);
	pid = fork();
	if (!pid) {
		char *mem = fresh();

		if (!file_stays)
			file = dev_open();
		id = taken(mirror(file, flags | WRITE, mem, SIZE));
		taken(hold(file, mem, SIZE));
		memcpy(mem, "mine", 4);
		if (write(pair[1], &id, sizeof(id)) != sizeof(id))
			_exit(1);
		switch (end) {
		case CLOSE:
			close(file);
			_exit(0);
		case KILL:
			pause();
			_exit(1);
		case EXEC:
			execl("/bin/true", "true", NULL);
			_exit(1);
		default:
			_exit(0);
		}
	}
	if (read(pair[0], &id, sizeof(id)) != sizeof(id))
		tap_bail("no id");
	if (end == KILL) {
		if (file_stays)
			CHECK(!dev_read(file, id, 0, &byte, 1) && byte == 'm');
		kill(pid, SIGKILL);
	}
	CHECK(wait_status(pid) == (end == KILL ? 128 + SIGKILL : 0));
	if (file_stays) {
		struct told t = told(id, NULL);

		CHECK(t.events[COWSCOPE_INVALIDATION_RELEASE] == 1 && !t.wrong);
		CHECK(!t.last[COWSCOPE_INVALIDATION_RELEASE].held);
		CHECK(dev_read(file, id, 0, &byte, 1) == -ESRCH);
		CHECK(dev_write(file, id, 0, &byte, 1) == -ESRCH);
		CHECK(!dev_pin_state(file, id, 0, &s) && s.coherent == COWSCOPE_NA &&
		      s.held.pte == COWSCOPE_PTE_READ && !s.mapped.pte);
		if (end != KILL)
			CHECK(!dev_unpin(file, id));
		close(file);
	}
	CHECK(!pins_listed());
	tap_ok(!bad, "mirror %s: %s%s", mode(flags), ends[end],
	       file_stays ? ", the file lives on" : "");
	close(pair[0]);
	close(pair[1]);
}

/* Many kinds of memory, a page of each, and of the zero page. */
static void kinds(unsigned int flags)
{
	int file = memfd_create("mirror", MFD_CLOEXEC), i;
	char *mem[4];
	static const char *const names[] = { "memfd", "THP", "hugetlb", "zero" };

	mem[0] = map_file(file, SIZE, MAP_SHARED);
	mem[1] = map_thp();
	mem[2] = map_hugetlb();
	mem[3] = map_anon(SIZE);
	for (i = 0; i < 4; i++) {
		bool bad = false, old = flags & COWSCOPE_MIRROR_KEEP && i == 3;
		int id, before;

		if (!mem[i]) {
			tap_skip(names[i], "this guest has none free");
			continue;
		}
		peek(mem[i]);
		before = i == 3 ? 0 : refcount(mem[i]);
		id = taken(mirror(fd, flags, mem[i], SIZE));
		CHECK(seen_by(fd, id, PAGE) == mem[i][PAGE]);
		mem[i][PAGE] = 'P';
		CHECK(seen_by(fd, id, PAGE) == (old ? 0 : 'P'));
		CHECK(!dev_unpin(fd, id));
		CHECK(i == 3 || refcount(mem[i]) == before);
		tap_ok(!bad, "mirror %s: %s", mode(flags), names[i]);
		munmap(mem[i], i == 1 || i == 2 ? HUGE : SIZE);
	}
	close(file);
}

#define THREADS	64
#define ROUNDS	40

static struct {
	char *mem;
	int id[3];
	int bad;
} busy;

static void *hammer(void *arg)
{
	unsigned int n = (uintptr_t)arg, round;
	char buf[PAGE];

	for (round = 0; round < ROUNDS; round++) {
		unsigned int page = (n + round) % PAGES;
		int id = busy.id[n % 3], err = 0;
		struct cowscope_pin_state s;

		switch (n % 8) {
		case 0:
		case 1:
		case 2:
			err = dev_read(fd, id, page * PAGE, buf, sizeof(buf));
			break;
		case 3:
			err = dev_pin_state(fd, id, page * PAGE, &s);
			break;
		case 4:
			mprotect(busy.mem, SIZE, PROT_READ);
			mprotect(busy.mem, SIZE, PROT_READ | PROT_WRITE);
			break;
		case 5:
			madvise(busy.mem + page * PAGE, PAGE, MADV_DONTNEED);
			break;
		case 6:
			err = mirror(fd, (round % 2 ? GET : NONE) | WRITE, busy.mem, SIZE);
			if (err > 0)
				err = dev_unpin(fd, err);
			break;
		case 7:
			err = dev_write(fd, id, page * PAGE, "W", 1);
			break;
		}
		/* Who faults to write may meet the mapping while it is read-only. */
		if (err && !(err == -EFAULT && (n % 8 == 6 || n % 3 != 2)))
			__atomic_fetch_add(&busy.bad, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void concurrent(void)
{
	static const unsigned int modes[] = { NONE, GET, KEEP };
	pthread_t thread[THREADS];
	uintptr_t i;

	busy.mem = fresh();
	for (i = 0; i < 3; i++)
		busy.id[i] = taken(mirror(fd, modes[i] | WRITE, busy.mem, SIZE));
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, hammer, (void *)i))
			tap_bail("no thread");
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	tap_eq(busy.bad, 0, "%d threads: no error but of memory that is read-only", THREADS);
	for (i = 0; i < 2; i++) {
		poke(busy.mem, 'a' + i);
		tap_eq(seen_by(fd, busy.id[i], 0), 'a' + i, "mirror %s: coherent after that",
		       mode(modes[i]));
	}
	for (i = 0; i < 3; i++)
		dev_unpin(fd, busy.id[i]);
	poke(busy.mem, 'x');
	tap_eq(refcount(busy.mem), 1, "and nobody refers to the page");
	tap_ok(!pins_listed() && !memlock(0), "nothing is listed or charged");
	munmap(busy.mem, SIZE);
}

/* A process that is killed while its threads hammer at a mirror that lives on. */
static void killed(void)
{
	int file = dev_open(), i, round;

	for (round = 0; round < 5; round++) {
		struct gate ready;
		pid_t pid;

		gate_open(&ready);
		pid = fork();
		if (!pid) {
			pthread_t thread;

			fd = file;
			busy.mem = fresh();
			for (i = 0; i < 3; i++)
				busy.id[i] = taken(mirror(fd, GET | WRITE, busy.mem, SIZE));
			gate_pass(&ready);
			for (i = 0; ; i++)
				if (pthread_create(&thread, NULL, hammer, (void *)(uintptr_t)i))
					sched_yield();
				else
					pthread_detach(thread);
		}
		gate_wait(&ready);
		sched_yield();
		kill(pid, SIGKILL);
		wait_status(pid);
		close(ready.fd[0]);
		close(ready.fd[1]);
	}
	close(file);
	tap_ok(!pins_listed(), "killed under load: all is returned");
}

void ends_with_memory(unsigned int flags)
{
	unsigned int end;

	unmapped(flags);
	kinds(flags);
	for (end = 0; end < ENDS; end++) {
		process_ends(flags, end, false);
		if (end != CLOSE)
			process_ends(flags, end, true);
	}
}

void at_the_same_time(void)
{
	concurrent();
	killed();
}
