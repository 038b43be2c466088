// SPDX-License-Identifier: GPL-2.0
/*
 * HOLD and MIRROR: what they see, what they are told, which references they hold
 * and return, and what is said of a copy that was made for them.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mirror.h"
#include "tap.h"

int fd;
struct rings rings;
bool by_mapcount, by_page_count;	/* the rule in force */

const char *mode(unsigned int flags)
{
	return flags & COWSCOPE_MIRROR_KEEP ? "keep" : flags & GET ? "get" : "none";
}

char *fresh(void)
{
	char *mem = map_anon(SIZE);

	madvise(mem, SIZE, MADV_NOHUGEPAGE);
	memset(mem, 'A', SIZE);
	drain();
	return mem;
}

int mirror(int file, unsigned int flags, const void *at, size_t length)
{
	struct cowscope_mirror m = { .size = sizeof(m), .flags = flags,
		.addr = (uintptr_t)at, .length = length };
	int err = dev(file, COWSCOPE_MIRROR, &m);

	return err ? err : (int)m.id;
}

int hold(int file, const void *at, size_t length)
{
	struct cowscope_hold h = { .size = sizeof(h), .addr = (uintptr_t)at, .length = length };
	int err = dev(file, COWSCOPE_HOLD, &h);

	return err ? err : (int)h.id;
}

int taken(int id)
{
	if (id <= 0)
		tap_bail("MIRROR or HOLD: %s", strerror(-id));
	return id;
}

struct cowscope_page page_at(const void *at)
{
	struct cowscope_page p = { 0 };

	dev_pages(fd, 0, at, 1, &p);
	return p;
}

int refcount(const void *at)
{
	struct cowscope_page p;
	int try;

	for (try = 0; try < 8; try++) {
		p = page_at(at);
		if (p.refcount <= p.explained &&
		    (p.state & COWSCOPE_STATE_LRU ||
		     COWSCOPE_STATE_KIND(p.state) == COWSCOPE_KIND_HUGETLB))
			break;
		drain();
	}
	return p.refcount;
}

char seen_by(int file, int id, size_t offset)
{
	char byte = 0;
	int err = dev_read(file, id, offset, &byte, 1);

	if (err)
		tap_note("READ: %s", strerror(-err));
	return err ? 0 : byte;
}

unsigned int coherent(int id, size_t offset)
{
	struct cowscope_pin_state s;

	return dev_pin_state(fd, id, offset, &s) ? ~0U : s.coherent;
}

struct told told(int id, const char *at)
{
	struct cowscope_record r;
	struct told t = { .wrong = 0 };

	while (rings_next(&rings, &r)) {
		if (r.type == COWSCOPE_EVENT_MIRROR && r.mirror == (unsigned int)id) {
			t.mirror++;
			t.events[r.arg]++;
			t.last[r.arg] = r;
			t.wrong += r.error || r.seen != r.changed + r.held;
		} else if (r.type == COWSCOPE_EVENT_PIN_LOST) {
			t.lost += r.holder == (unsigned int)id;
		} else if (r.type == COWSCOPE_EVENT_COW_FAULT && r.addr == (uintptr_t)at &&
			   COWSCOPE_OUTCOME_DECISION(r.outcome) <= COWSCOPE_REUSE) {
			t.faults++;
			t.verdict = r.verdict;
		}
	}
	return t;
}

static void speculative(void)
{
	char *mem = fresh(), byte = 0;
	int before = refcount(mem), id = taken(hold(fd, mem, SIZE));
	struct cowscope_pin_state s;
	struct cowscope_page p;
	struct told t;

	p = page_at(mem);
	tap_eq(p.refcount, before + 1, "HOLD: one reference more");
	tap_eq(p.explained, p.refcount, "HOLD: it is explained");
	tap_ok(!p.holders && !p.holder, "HOLD: not among the holders");
	tap_ok(pins_listed() == 1 && memlock(0) == SIZE / 1024, "HOLD: listed and charged");
	tap_ok(!dev_read(fd, id, PAGE, &byte, 1) && byte == 'A', "HOLD: READ");
	tap_eq(dev_write(fd, id, 0, "W", 1), -EPERM, "HOLD: WRITE");
	tap_ok(!dev_pin_state(fd, id, 0, &s) && s.coherent == COWSCOPE_YES &&
	       s.flags == COWSCOPE_PIN_SPECULATIVE && !s.held.holders, "HOLD: PIN_STATE");

	if (fork() == 0)
		_exit(0);
	wait(NULL);
	rings_seek_end(&rings);
	mem[0] = 'B';
	t = told(id, mem);
	if (by_mapcount) {
		tap_ok(t.faults == 1 && t.verdict == COWSCOPE_VERDICT_FINE,
		       "HOLD, fork, exit, write: a reuse");
		tap_ok(seen_by(fd, id, 0) == 'B' && coherent(id, 0) == COWSCOPE_YES,
		       "HOLD: it has the page");
	} else {
		tap_ok(t.faults == 1 && t.verdict == COWSCOPE_VERDICT_SUPERFLUOUS && !t.lost,
		       "HOLD, fork, exit, write: a superfluous copy and nobody lost it");
		tap_ok(seen_by(fd, id, 0) == 'A' && coherent(id, 0) == COWSCOPE_NO,
		       "HOLD: it has the old page");
	}
	tap_eq(dev_unpin(fd, id), 0, "HOLD: UNPIN");
	tap_ok(refcount(mem) == before && refcount(mem + PAGE) == before && !pins_listed() &&
	       !memlock(0), "HOLD: returned");

	madvise(mem + PAGE, PAGE, MADV_DONTNEED);
	tap_eq(hold(fd, mem, SIZE), -EFAULT, "HOLD: a page is not present");
	tap_ok(!(page_at(mem + PAGE).pte & COWSCOPE_PTE_PRESENT), "HOLD: and is not faulted in");
	tap_ok(refcount(mem) == before && !pins_listed() && !memlock(0), "HOLD: nothing is taken");
	peek(mem + PAGE);
	tap_eq(hold(fd, mem, SIZE), -EFAULT, "HOLD: the zero page");
	tap_ok(refcount(mem) == before && refcount(mem + 2 * PAGE) == before,
	       "HOLD: nothing is taken then");
	munmap(mem, SIZE);
}

static void speculative_huge(void)
{
	char *mem = map_thp();
	int before, id;

	if (!mem)
		return tap_skip("HOLD: a huge page", "this guest has none free");
	before = refcount(mem);
	id = taken(hold(fd, mem + 8 * PAGE, 4 * PAGE));
	tap_eq(refcount(mem), before + 4, "HOLD: pages of a huge one");
	dev_unpin(fd, id);
	tap_eq(refcount(mem), before, "HOLD: pages of a huge one returned");
	munmap(mem, HUGE);
}

int main(void)
{
	static const unsigned int modes[] = { NONE, GET, KEEP };
	unsigned int i;
	long long foll;

	tap_begin();
	fd = dev_open();
	rings_open(dev_open(), &rings);
	by_mapcount = rings.info.rule == COWSCOPE_RULE_MAPCOUNT;
	by_page_count = rings.info.rule == COWSCOPE_RULE_PAGE_COUNT;
	foll = foll_pins();
	speculative();
	speculative_huge();
	for (i = 0; i < 3; i++) {
		told_of_acts(modes[i]);
		ends_with_memory(modes[i]);
	}
	at_the_same_time();
	tap_eq(foll_pins(), foll, "no pin was taken");
	close(fd);
	return tap_end();
}
