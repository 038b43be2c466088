// SPDX-License-Identifier: GPL-2.0
/*
 * Every way to take a reference or pin on every kind of memory: what is read
 * and written through it, what it does to the counts, and that all of it is
 * returned.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "kit.h"
#include "tap.h"

#define PAGES	4
#define BIAS	1024		/* of a pin in a small page's refcount */

static int fd;

struct memory {
	char *at;		/* PAGES pages of it */
	char *all;
	size_t length;
	int file;
};

enum kind { ANON, ZERO, MEMFD, SHARED_FILE, PRIVATE_FILE, THP, HUGETLB, KINDS };

static const char *const kinds[] = {
	"anon", "zero", "memfd", "shared file", "private file", "THP", "hugetlb"
};

static bool is_large(enum kind kind)
{
	return kind == THP || kind == HUGETLB;
}

static bool make(enum kind kind, struct memory *m)
{
	int i;

	*m = (struct memory){ .length = PAGES * PAGE, .file = -1 };
	switch (kind) {
	case ANON:
		m->all = map_anon(m->length);
		memset(m->all, 'A', m->length);
		break;
	case ZERO:
		m->all = map_anon(m->length);
		break;
	case MEMFD:
		m->file = memfd_create("pins", MFD_CLOEXEC);
		m->all = map_file(m->file, m->length, MAP_SHARED);
		break;
	case SHARED_FILE:
	case PRIVATE_FILE:
		m->file = test_file();
		m->all = map_file(m->file, m->length,
				  kind == SHARED_FILE ? MAP_SHARED : MAP_PRIVATE);
		break;
	case THP:
		m->all = map_thp();
		m->length = HUGE;
		break;
	case HUGETLB:
		m->all = map_hugetlb();
		m->length = HUGE;
		break;
	case KINDS:
		break;
	}
	if (!m->all)
		return false;
	m->at = m->all + (is_large(kind) ? 8 * PAGE : 0);
	for (i = 0; i < PAGES; i++)
		peek(m->at + i * PAGE);
	drain();
	return true;
}

static void unmake(struct memory *m)
{
	munmap(m->all, m->length);
	if (m->file >= 0)
		close(m->file);
}

static const char *flag_names(unsigned int flags)
{
	static char text[80];

	snprintf(text, sizeof(text), "%s to %s%s%s",
		 flags & COWSCOPE_PIN_FOLL_PIN ? "pin" : "reference",
		 flags & COWSCOPE_PIN_WRITE ? "write" : "read",
		 flags & COWSCOPE_PIN_LONGTERM ? ", long-term" : "",
		 flags & COWSCOPE_PIN_FAST ? ", fast" : "");
	return text;
}

/*
 * A page may be in an LRU cache, after compaction too: its reference is not
 * explained then, and goes with the next drain.
 */
static bool settled(const struct cowscope_page *p, int try)
{
	if (p->explained == COWSCOPE_COUNT_NA || p->explained == p->refcount || try > 8)
		return true;
	drain();
	return false;
}

static int look(char *at, struct cowscope_page *p)
{
	int err, try = 0;

	do {
		err = dev_pages(fd, 0, at, 1, p);
	} while (!err && !settled(p, try++));
	return err;
}

static int look_pin(int id, struct cowscope_pin_state *s)
{
	int err, try = 0;

	do {
		err = dev_pin_state(fd, id, 0, s);
	} while (!err && !settled(&s->held, try++));
	return err;
}

/* Does the holder keep what the process maps when that writes? */
static bool stays(enum kind kind, unsigned int flags)
{
	if (kind != ZERO && kind != PRIVATE_FILE)
		return true;
	if (flags & COWSCOPE_PIN_WRITE)
		return true;
	/* Since then also pages that are not anonymous are unshared for it. */
	return flags & COWSCOPE_PIN_LONGTERM && kernel_has(6, 2);
}

/* Since then not what a filesystem wants to see written. */
static bool refused(enum kind kind, unsigned int flags)
{
	unsigned int to_write = COWSCOPE_PIN_WRITE | COWSCOPE_PIN_LONGTERM;

	return kind == SHARED_FILE && (flags & to_write) == to_write && getenv("TEST_DIR") &&
	       kernel_has(6, 5);
}

/* Did the page change because of the pin, not of a write? */
static bool replaced(enum kind kind, unsigned int flags)
{
	return (kind == ZERO || kind == PRIVATE_FILE) && stays(kind, flags);
}

/* The refcount that taking it added, and what the kernel's own files say. */
static bool counts(enum kind kind, unsigned int flags, const struct cowscope_page *before,
		   const struct cowscope_pin_state *s)
{
	unsigned int want = is_large(kind) ? PAGES :
			    flags & COWSCOPE_PIN_FOLL_PIN ? BIAS : 1;
	bool pin = flags & COWSCOPE_PIN_FOLL_PIN, bad = false;
	uint64_t pfn = COWSCOPE_PTE_PFN(s->held.pte);

	if (kind == ZERO && !replaced(kind, flags)) {
		CHECK(s->held.holders == PAGES);	/* all the same page */
		CHECK(COWSCOPE_STATE_KIND(s->mapped.state) == COWSCOPE_KIND_ZERO);
		CHECK(COWSCOPE_STATE_KIND(s->held.state) == COWSCOPE_KIND_ZERO);
		return !bad;
	}
	CHECK(s->held.holders == 1);
	CHECK(COWSCOPE_STATE_KIND(s->held.state) == COWSCOPE_STATE_KIND(s->mapped.state));
	CHECK(s->held.mapcount == s->mapped.mapcount);
	CHECK(s->held.refcount == s->mapped.refcount);
	/* A folio without counts of single pages, and hugetlb, are left out there. */
	if (s->held.mapcount != COWSCOPE_COUNT_NA && kind != HUGETLB)
		CHECK(s->held.mapcount == (int)kpagecount(pfn));
	if (!replaced(kind, flags))
		CHECK(s->held.refcount - before->refcount == (int)want);
	if (is_large(kind))
		CHECK(s->held.pincount == (pin ? PAGES : 0));
	CHECK(COWSCOPE_STATE_PINNED(s->held.state) == (pin ? COWSCOPE_YES : COWSCOPE_NO));
	/* All that refer to it are known: the mapping, the cache, this. */
	if (kind != HUGETLB && s->held.explained != COWSCOPE_COUNT_NA)
		CHECK(s->held.explained == s->held.refcount);
	if (bad)
		tap_note("refcount %d, before %d, explained %d, mapcount %d, pincount %d, state 0x%x, kpagecount %d",
			 s->held.refcount, before->refcount, s->held.explained,
			 s->held.mapcount, s->held.pincount, s->held.state, (int)kpagecount(pfn));
	return !bad;
}

static bool reads(enum kind kind, int id, const char *at)
{
	char buf[PAGES * PAGE], part[64];
	bool bad = false;
	unsigned int i;

	CHECK(!dev_read(fd, id, 0, buf, sizeof(buf)));
	CHECK(!memcmp(buf, at, sizeof(buf)));
	for (i = 0; i < PAGES; i++)
		CHECK(buf[i * PAGE] == (kind == ZERO ? 0 : 'A'));
	CHECK(!dev_read(fd, id, PAGE - 10, part, 20));	/* across pages */
	CHECK(!memcmp(part, at + PAGE - 10, 20));
	CHECK(!dev_read(fd, id, PAGES * PAGE, buf, 0));
	return !bad;
}

static bool writes(int id, const char *at)
{
	bool bad = false;

	CHECK(!dev_write(fd, id, 0, "first", 5));
	CHECK(!dev_write(fd, id, 2 * PAGE - 3, "across", 6));
	CHECK(!dev_write(fd, id, PAGES * PAGE - 4, "last", 4));
	CHECK(!memcmp(at, "first", 5));
	CHECK(!memcmp(at + 2 * PAGE - 3, "across", 6));
	CHECK(!memcmp(at + PAGES * PAGE - 4, "last", 4));
	return !bad;
}

/* The process writes; the holder reads it, or what was before. */
static bool sees(enum kind kind, unsigned int flags, int id, char *at)
{
	bool keep = stays(kind, flags), bad = false;
	struct cowscope_pin_state s;
	char old = at[PAGE + 100], got = 0;

	at[PAGE + 100] = 'P';
	CHECK(!dev_read(fd, id, PAGE + 100, &got, 1));
	CHECK(got == (keep ? 'P' : old));
	CHECK(!dev_pin_state(fd, id, PAGE + 100, &s));
	CHECK(s.coherent == (keep ? COWSCOPE_YES : COWSCOPE_NO));
	CHECK(COWSCOPE_PTE_PFN(s.mapped.pte) == PM_PFN(pagemap_one(at + PAGE)));
	CHECK((COWSCOPE_PTE_PFN(s.held.pte ^ s.mapped.pte) == 0) == keep);
	CHECK(s.held.holders > 0 && s.held.holder == (unsigned int)id);
	CHECK(s.mapped.holders == keep);
	return !bad;
}

static void try(enum kind kind, unsigned int flags)
{
	long long foll = foll_pins();
	struct cowscope_pin_state s;
	struct cowscope_page before, after;
	struct memory m;
	bool bad = false;
	int id;

	if (!make(kind, &m))
		return tap_skip(kinds[kind], "%s: this guest has none free", flag_names(flags));
	CHECK(!look(m.at, &before));
	id = dev_pin(fd, flags, m.at, PAGES * PAGE);
	if (refused(kind, flags)) {
		tap_eq(id, -EFAULT, "%s: %s: refused", kinds[kind], flag_names(flags));
		tap_ok(!pins_listed() && !memlock(0) && foll_pins() == foll,
		       "%s: and nothing is held", kinds[kind]);
		return unmake(&m);
	}
	if (id <= 0) {
		tap_ok(false, "%s: %s", kinds[kind], flag_names(flags));
		tap_note("PIN: %s", strerror(-id));
		return unmake(&m);
	}
	CHECK(pins_listed() == 1 && memlock(0) == PAGES * 4);
	CHECK(!look_pin(id, &s));
	CHECK(s.flags == flags && s.coherent == COWSCOPE_YES);
	CHECK(s.held.addr == (uintptr_t)m.at);
	CHECK(COWSCOPE_PTE_PFN(s.held.pte ^ s.mapped.pte) == 0);
	CHECK(COWSCOPE_PTE_PFN(s.held.pte) == PM_PFN(pagemap_one(m.at)));
	CHECK(counts(kind, flags, &before, &s));
	CHECK(reads(kind, id, m.at));
	if (flags & COWSCOPE_PIN_WRITE)
		CHECK(writes(id, m.at));
	CHECK(sees(kind, flags, id, m.at));
	/* Pins of the zero page are not counted by all kernels. */
	if (flags & COWSCOPE_PIN_FOLL_PIN && (kind != ZERO || stays(kind, flags)))
		CHECK(foll_pins() - foll == PAGES);
	if (!(flags & COWSCOPE_PIN_FOLL_PIN))
		CHECK(foll_pins() == foll);

	CHECK(!dev_unpin(fd, id));
	CHECK(foll_pins() == foll);
	CHECK(!look(m.at, &after));
	CHECK(after.holders == 0);
	if (!replaced(kind, flags))
		CHECK(after.refcount == before.refcount);
	CHECK(pins_listed() == 0 && memlock(0) == 0);
	unmake(&m);
	tap_ok(!bad, "%s: %s", kinds[kind], flag_names(flags));
}

int main(void)
{
	unsigned int kind, flags;

	tap_begin();
	fd = dev_open();
	for (kind = 0; kind < KINDS; kind++)
		for (flags = 0; flags < 16; flags++)
			if (flags & COWSCOPE_PIN_FOLL_PIN || !(flags & COWSCOPE_PIN_LONGTERM))
				try(kind, flags);
	close(fd);
	return tap_end();
}
