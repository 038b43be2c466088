// SPDX-License-Identifier: GPL-2.0
/*
 * Primitives: a page is write-protected by one thread while another takes a
 * reference or pin of it, writes and reads. mmap_lock for reading, and GUP-fast
 * without it, let all of that happen at once.
 */
#include "hold.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX	100000

enum protection { PROTECT_CLEAR_REFS, PROTECT_MPROTECT, PROTECT_UFFD_WP };

static struct race {
	enum protection protection;
	u64 addr;
	int fd;			/* clear_refs or a userfaultfd */
	lua_Integer rounds;
	sem_t begun;		/* rounds that the first thread began ... */
	sem_t ended;		/* ... and the other one ended */
	int error;		/* of the other, or 0 */
	struct sigaction old;	/* SIGSEGV as it was */
} race;

/* What a race came to. */
struct tally {
	lua_Integer moved;	/* times that another page was mapped */
	lua_Integer lost;	/* rounds in which the holder was left behind */
	size_t from;		/* records before it */
};

/* While mprotect() has it read-only, a write is tried again until it may. */
static void write_again(int sig, siginfo_t *info, void *context)
{
	if (prim_page((uintptr_t)info->si_addr) == race.addr)
		sched_yield();
	else
		sigaction(SIGSEGV, &race.old, NULL);
}

/* Shifts the two threads against each other, from round to round. */
static void wander(lua_Integer steps)
{
	while (steps--)
		asm volatile("");
}

static bool set_uffd_wp(bool on)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = race.addr, .len = sysconf(_SC_PAGESIZE) },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return !ioctl(race.fd, UFFDIO_WRITEPROTECT, &wp);
}

/* Write-protects the page, and lifts it. */
static bool protect(void)
{
	void *page = (void *)(uintptr_t)race.addr;
	size_t size = sysconf(_SC_PAGESIZE);

	switch (race.protection) {
	case PROTECT_CLEAR_REFS:
		return pwrite(race.fd, "4", 1, 0) == 1;
	case PROTECT_MPROTECT:
		return !mprotect(page, size, PROT_READ) &&
		       !mprotect(page, size, PROT_READ | PROT_WRITE);
	default:
		return set_uffd_wp(true) && set_uffd_wp(false);
	}
}

/*
 * A fault that came as the protection was lifted may sleep past the wake-up, for
 * userfaultfd_must_wait() asks for the write bit, which is not back yet. Whoever
 * reads its message would wake it again; nobody does here.
 */
static void wake(void)
{
	struct uffdio_range range = { .start = race.addr, .len = sysconf(_SC_PAGESIZE) };

	if (race.protection == PROTECT_UFFD_WP)
		ioctl(race.fd, UFFDIO_WAKE, &range);
}

static void await_and_wake(sem_t *rounds)
{
	struct timespec soon;

	do {
		wake();
		clock_gettime(CLOCK_REALTIME, &soon);
		soon.tv_nsec += 10000000;
		soon.tv_sec += soon.tv_nsec / 1000000000;
		soon.tv_nsec %= 1000000000;
	} while (sem_timedwait(rounds, &soon));
}

static void *protector(void *unused)
{
	lua_Integer i;

	for (i = 1; i <= race.rounds; i++) {
		await_and_wake(&race.begun);
		wander(i * 677 % 32768);
		if (!race.error && !protect())
			race.error = errno;
		sem_post(&race.ended);
	}
	return NULL;
}

static void await(sem_t *rounds)
{
	while (sem_wait(rounds))
		;
}

static u64 frame(void)
{
	return PAGEMAP_PFN(pagemap_entry(race.addr));
}

/* A protected page cannot be had for writing; it soon can. */
static int hold_page(struct cowscope_pin *pin)
{
	int tries, err = 0;

	for (tries = 0; tries < 10000; tries++) {
		err = device_ioctl(&story.device, COWSCOPE_PIN, pin);
		if (err != -EFAULT)
			break;
		sched_yield();
	}
	return err;
}

static int read_held(u32 id, char *c)
{
	struct cowscope_rw rw = {
		.size = sizeof(rw), .id = id, .length = 1, .data = (uintptr_t)c,
	};

	return device_ioctl(&story.device, COWSCOPE_READ, &rw);
}

/*
 * One round: the holder comes, the owner writes twice, the second time when the
 * other thread is done. Returns 0 or a negative errno.
 */
static int play_round(lua_State *L, lua_Integer i, u32 flags, struct tally *t)
{
	char *page = (void *)(uintptr_t)race.addr;
	const char old = *page, first = 'a' + (i * 2) % 26, second = 'b' + (i * 2) % 26;
	struct cowscope_pin pin = {
		.size = sizeof(pin), .addr = race.addr, .length = sysconf(_SC_PAGESIZE),
		.flags = flags | COWSCOPE_PIN_FAST,
	};
	struct cowscope_pin_state state = { .size = sizeof(state) };
	struct cowscope_unpin unpin = { .size = sizeof(unpin) };
	u64 before = frame(), held, after;
	char during = 0, then = 0;
	int err;

	sem_post(&race.begun);
	wander(i * 1409 % 32768);
	err = hold_page(&pin);
	held = frame();
	if (!err) {
		__atomic_store_n(page, first, __ATOMIC_RELAXED);
		err = read_held(pin.id, &during);
	}
	await(&race.ended);
	if (err)
		return err;

	after = frame();
	t->moved += (before != held) + (held != after);
	__atomic_store_n(page, second, __ATOMIC_RELAXED);
	t->moved += after != frame();
	state.id = unpin.id = pin.id;
	err = read_held(pin.id, &then);
	if (!err)
		err = device_ioctl(&story.device, COWSCOPE_PIN_STATE, &state);
	if (err)
		return err;

	story_check(L, __atomic_load_n(page, __ATOMIC_RELAXED) == second,
		    "round %lld: the owner does not read what it wrote",
		    (long long)i);
	story_check(L, (during == old || during == first) &&
		    (then == second || then == first || then == old),
		    "round %lld: the holder reads what nobody wrote", (long long)i);
	story_check(L, (then == second) == (state.coherent == COWSCOPE_YES),
		    "round %lld: the holder reads the %s byte, but PIN_STATE says otherwise",
		    (long long)i, then == second ? "new" : "old");
	t->lost += then != second;
	return device_ioctl(&story.device, COWSCOPE_UNPIN, &unpin);
}

static int open_clear_refs(lua_State *L)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	return fd < 0 ? prim_failed(L, "/proc/self/clear_refs") : fd;
}

/* Plays all rounds against the other thread, whatever happens; 0 or an errno. */
static int play(lua_State *L, u32 flags, struct tally *t)
{
	struct sigaction act = { .sa_sigaction = write_again, .sa_flags = SA_SIGINFO };
	pthread_t thread;
	lua_Integer i;
	int err;

	sigaction(SIGSEGV, &act, &race.old);
	err = pthread_create(&thread, NULL, protector, NULL);
	if (!err) {
		for (i = 1; i <= race.rounds && !err; i++) {
			err = -play_round(L, i, flags, t);
			story_collect(L);
		}
		while (i++ <= race.rounds)
			sem_post(&race.begun);
		pthread_join(thread, NULL);
	}
	sigaction(SIGSEGV, &race.old, NULL);
	return err;
}

/* Copies of that page among the records since then. */
static lua_Integer copies_since(size_t from)
{
	lua_Integer n = 0;

	for (; from < story.records.count; from++) {
		const struct cowscope_record *r = &story.records.record[from];

		n += r->type == COWSCOPE_EVENT_COW_FAULT && prim_page(r->addr) == race.addr &&
		     COWSCOPE_OUTCOME_DECISION(r->outcome) == COWSCOPE_COPY;
	}
	return n;
}

/*
 * race(memory, { protect =, holder = "get_ro", rounds = 200 })
 *	-> { rounds =, copies =, lost = }
 *
 * A second thread write-protects the first page and lifts that, by "clear_refs",
 * "mprotect" or "uffd_wp", once a round. Meanwhile this one takes a reference or
 * pin by GUP-fast, writes and reads what is held; when both are done it writes
 * again, reads again, and returns the reference. lost: rounds in which the holder
 * did not see the last write.
 *
 * Checked under every rule: the holder reads one of the bytes that were written,
 * PIN_STATE says what it reads, and the trace has as many copies as the page frame
 * changed. How the two threads meet is chance, so lost may be any number where
 * the rule allows one. Errors: pin()'s, mprotect(2)'s, clear_refs', uffd_wp()'s.
 */
static int run_race(lua_State *L)
{
	static const char *const ways[] = { "clear_refs", "mprotect", "uffd_wp", NULL };
	struct area *a = prim_area(L, 1);
	struct tally t = { 0 };
	const struct holder *holder;
	lua_Integer copies;
	int err;

	prim_options(L, 2, (const char *const[]){ "protect", "holder", "rounds", NULL });
	lua_getfield(L, 2, "protect");
	race = (struct race){ .addr = a->addr, .fd = -1 };
	race.protection = luaL_checkoption(L, -1, NULL, ways);
	lua_getfield(L, 2, "holder");
	holder = hold_find(L, luaL_optstring(L, -1, "get_ro"));
	luaL_argcheck(L, holder->take == hold_pins->take, 2, "holder: a reference or pin");
	lua_getfield(L, 2, "rounds");
	race.rounds = luaL_optinteger(L, -1, 200);
	luaL_argcheck(L, race.rounds > 0 && race.rounds <= ROUNDS_MAX, 2, "rounds: 1 to 100000");
	if (race.protection == PROTECT_CLEAR_REFS)
		race.fd = open_clear_refs(L);
	else if (race.protection == PROTECT_UFFD_WP)
		race.fd = prim_uffd(L, a);

	sem_init(&race.begun, 0, 0);
	sem_init(&race.ended, 0, 0);
	story_collect(L);
	t.from = story.records.count;
	err = play(L, holder->flags, &t);
	if (race.protection == PROTECT_CLEAR_REFS)
		close(race.fd);
	errno = err ? err : race.error;
	if (errno)
		return prim_failed(L, err ? "pin" : ways[race.protection]);

	copies = copies_since(t.from);
	story_check(L, copies == t.moved, "the trace has %lld copies, but the page moved %lld times",
		    (long long)copies, (long long)t.moved);
	lua_newtable(L);
	prim_set_number(L, "rounds", race.rounds);
	prim_set_number(L, "copies", copies);
	prim_set_number(L, "lost", t.lost);
	return 1;
}

void prim_race(lua_State *L)
{
	static const struct prim globals[] = {
		{ "race", run_race, true },
		{ NULL, NULL, false }
	};

	prim_globals(L, globals);
}
