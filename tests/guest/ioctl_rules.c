// SPDX-License-Identifier: GPL-2.0
/*
 * Each rule of the UAPI header has a call here that breaks this rule alone,
 * and must fail as the header says and leave everything as it was. Also built
 * for 32 bit.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "kit.h"
#include "tap.h"

#define GiB		(1ULL << 30)
#define KERNEL_ADDRESS	0xffff888000000000ULL
#define LAST_PAGE	(-4096ULL)

static int fd;
static char *mem;		/* 4 pages, written */
static char *hole;		/* 2 pages, unmapped */
static char *frozen;		/* 1 page, read-only */

/* What a failed call must not change. */
struct world {
	int pins;
	long locked;
	long long foll, taken;
};

static void world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->pins = pins_listed();
	w->locked = memlock(0);
	w->foll = foll_pins();
	w->taken = stat_now(fd, "recorded.pin") - stat_now(fd, "recorded.unpin");
}

static void expect(int err, unsigned long cmd, void *arg, size_t size, const char *rule)
{
	static char copy[4096];
	struct world before, after;
	bool readable = (uintptr_t)arg >= (uintptr_t)mem - 64 * PAGE &&
			arg != hole && size <= sizeof(copy);
	int got;

	world(&before);
	if (readable)
		memcpy(copy, arg, size);
	got = dev(fd, cmd, arg);
	world(&after);
	if (!tap_ok(got == -err, "%s", rule))
		tap_note("%s, not %s", got ? strerror(-got) : "success", strerror(err));
	if (!memcmp(&before, &after, sizeof(before)) && (!readable || !memcmp(copy, arg, size)))
		return;
	tap_ok(false, "%s: and nothing changed", rule);
	tap_note("pins %d to %d, locked %ld to %ld kB, foll_pin %lld to %lld, taken %lld to %lld",
		 before.pins, after.pins, before.locked, after.locked, before.foll, after.foll,
		 before.taken, after.taken);
}

/* A valid argument of each command; the first fields are all size. */
union arg {
	__u32 size;
	struct cowscope_info info;
	struct cowscope_control control;
	struct cowscope_stats stats;
	struct cowscope_pin pin;
	struct cowscope_unpin unpin;
	struct cowscope_rw rw;
	struct cowscope_pin_state pin_state;
	struct cowscope_page_state page_state;
	struct cowscope_mark mark;
	struct cowscope_filter filter;
	struct cowscope_hold hold;
	struct cowscope_mirror mirror;
	char room[4096];
};

static union arg *a;		/* a page of its own, behind it a hole */
static unsigned int held;	/* a valid id: 2 pages of mem, writable */
static unsigned int held_ro;
static char text[65536];

static const struct {
	const char *name;
	unsigned long cmd;
} commands[] = {
	{ "INFO", COWSCOPE_INFO },
	{ "CONTROL", COWSCOPE_CONTROL },
	{ "STATS", COWSCOPE_STATS },
	{ "PIN", COWSCOPE_PIN },
	{ "UNPIN", COWSCOPE_UNPIN },
	{ "READ", COWSCOPE_READ },
	{ "WRITE", COWSCOPE_WRITE },
	{ "PIN_STATE", COWSCOPE_PIN_STATE },
	{ "PAGE_STATE", COWSCOPE_PAGE_STATE },
	{ "MARK", COWSCOPE_MARK },
	{ "FILTER", COWSCOPE_FILTER },
	{ "HOLD", COWSCOPE_HOLD },
	{ "MIRROR", COWSCOPE_MIRROR },
};

#define COMMANDS (sizeof(commands) / sizeof(*commands))

static size_t fill(unsigned long cmd)
{
	memset(a, 0, sizeof(*a));
	a->size = _IOC_SIZE(cmd);
	switch (cmd) {
	case COWSCOPE_CONTROL:
		a->control.op = COWSCOPE_CONTROL_ENABLE;
		break;
	case COWSCOPE_STATS:
		a->stats.buf = (uintptr_t)text;
		a->stats.len = sizeof(text);
		break;
	case COWSCOPE_PIN:
		a->pin.addr = (uintptr_t)mem;
		a->pin.length = PAGE;
		break;
	case COWSCOPE_HOLD:
		a->hold.addr = (uintptr_t)mem;
		a->hold.length = PAGE;
		break;
	case COWSCOPE_MIRROR:
		a->mirror.addr = (uintptr_t)mem;
		a->mirror.length = PAGE;
		break;
	case COWSCOPE_UNPIN:
		a->unpin.id = held;
		break;
	case COWSCOPE_READ:
	case COWSCOPE_WRITE:
		a->rw.id = held;
		a->rw.length = 1;
		a->rw.data = (uintptr_t)text;
		break;
	case COWSCOPE_PIN_STATE:
		a->pin_state.id = held;
		break;
	case COWSCOPE_PAGE_STATE:
		a->page_state.addr = (uintptr_t)mem;
		a->page_state.count = 4;
		a->page_state.pages = (uintptr_t)text;
		break;
	case COWSCOPE_MARK:
		memcpy(a->mark.text, "rules", 5);
		break;
	}
	return a->size;
}

/* The pins that the other calls name; made anew when a call used one up. */
static void hold(void)
{
	int id = dev_pin(fd, COWSCOPE_PIN_WRITE, mem, 2 * PAGE);
	int ro = dev_pin(fd, 0, mem, 2 * PAGE);

	if (id <= 0 || ro <= 0)
		tap_bail("PIN: %s", strerror(-id));
	held = id;
	held_ro = ro;
}

static void let_go(void)
{
	dev_unpin(fd, held);
	dev_unpin(fd, held_ro);
}

static void undo(unsigned long cmd)
{
	if (cmd == COWSCOPE_PIN)
		dev_unpin(fd, a->pin.id);
	if (cmd == COWSCOPE_HOLD)
		dev_unpin(fd, a->hold.id);
	if (cmd == COWSCOPE_MIRROR)
		dev_unpin(fd, a->mirror.id);
	if (cmd == COWSCOPE_UNPIN) {
		dev_unpin(fd, held_ro);
		hold();
	}
}

/* Every command: size, tail, pointer, command number. */
static void common(const char *name, unsigned long cmd)
{
	union arg *valid = a;
	size_t size = fill(cmd);
	char rule[80];

#define RULE(what) (snprintf(rule, sizeof(rule), "%s: %s", name, what), rule)
	tap_eq(dev(fd, cmd, a), 0, "%s: valid", name);
	undo(cmd);

	fill(cmd);
	a->size = 0;
	expect(EINVAL, cmd, a, size, RULE("size 0"));
	a->size = size - 1;
	expect(EINVAL, cmd, a, size, RULE("size smaller"));
	a->size = size - 4;
	expect(EINVAL, cmd, a, size, RULE("size one field smaller"));

	fill(cmd);
	a->size = size + 64;
	tap_eq(dev(fd, cmd, a), 0, "%s: larger with a zero tail", name);
	undo(cmd);
	fill(cmd);
	a->size = sizeof(*a);
	tap_eq(dev(fd, cmd, a), 0, "%s: a page with a zero tail", name);
	undo(cmd);
	fill(cmd);
	a->size = size + 64;
	a->room[size + 63] = 1;
	expect(E2BIG, cmd, a, size + 64, RULE("last byte of the tail not zero"));
	fill(cmd);
	a->size = size + 64;
	a->room[size] = 1;
	expect(E2BIG, cmd, a, size + 64, RULE("first byte of the tail not zero"));

	fill(cmd);
	expect(EFAULT, cmd, NULL, 0, RULE("NULL"));
	expect(EFAULT, cmd, hole, 0, RULE("unmapped struct"));
	/* Its size can be read, the rest not. */
	*(__u32 *)(hole - 4) = size;
	expect(EFAULT, cmd, hole - 4, 0, RULE("half of the struct unmapped"));
	fill(cmd);
	memcpy(hole - 256, a, 256);
	*(__u32 *)(hole - 256) = 512;
	expect(EFAULT, cmd, hole - 256, 0, RULE("tail unmapped"));
	fill(cmd);
	a->size = PAGE + 1;
	expect(E2BIG, cmd, a, size, RULE("larger than a page"));
	a->size = ~0U;
	expect(E2BIG, cmd, a, size, RULE("size -1"));

	if (_IOC_DIR(cmd) & _IOC_READ) {
		mprotect(frozen, PAGE, PROT_READ | PROT_WRITE);
		fill(cmd);
		memcpy(frozen, a, size);
		mprotect(frozen, PAGE, PROT_READ);
		expect(EFAULT, cmd, frozen, size, RULE("struct read-only"));
	}

	a = valid;
	fill(cmd);
	expect(ENOTTY, _IOC(_IOC_NONE, COWSCOPE_IOC, _IOC_NR(cmd), _IOC_SIZE(cmd)), a, size,
	       RULE("without a direction"));
	expect(ENOTTY, _IOC(_IOC_READ, COWSCOPE_IOC, _IOC_NR(cmd), _IOC_SIZE(cmd)), a, size,
	       RULE("another direction"));
	expect(ENOTTY, _IOC(_IOC_DIR(cmd), COWSCOPE_IOC + 1, _IOC_NR(cmd), _IOC_SIZE(cmd)), a,
	       size, RULE("another type"));
	tap_eq(dev(fd, _IOC(_IOC_DIR(cmd), COWSCOPE_IOC, _IOC_NR(cmd), size + 8), a), 0,
	       "%s: a later version's number", name);
	undo(cmd);
}

#define BREAK(err, cmd, change, rule) do {				\
	size_t size_ = fill(cmd);					\
									\
	change;								\
	expect(err, cmd, a, size_, rule);				\
} while (0)

static void padding(void)
{
	unsigned int bit;
	char rule[64];

	BREAK(EINVAL, COWSCOPE_CONTROL, a->control.pad = 1, "CONTROL: padding");
	BREAK(EINVAL, COWSCOPE_CONTROL, a->control.pid = 1, "CONTROL: pid of ENABLE");
	BREAK(EINVAL, COWSCOPE_CONTROL, a->control.op = 0, "CONTROL: operation 0");
	BREAK(EINVAL, COWSCOPE_CONTROL, a->control.op = COWSCOPE_CONTROL_RULE + 1,
	      "CONTROL: unknown operation");
	BREAK(EINVAL, COWSCOPE_CONTROL, a->control.op = ~0U, "CONTROL: operation -1");
	BREAK(EINVAL, COWSCOPE_STATS, a->stats.pad = 1, "STATS: padding");
	BREAK(EINVAL, COWSCOPE_PIN, a->pin.pad = 1, "PIN: padding");
	BREAK(EINVAL, COWSCOPE_MARK, a->mark.pad = 1, "MARK: padding");
	BREAK(EINVAL, COWSCOPE_FILTER, a->filter.pad = 1, "FILTER: padding");
	BREAK(EINVAL, COWSCOPE_HOLD, a->hold.pad = 1, "HOLD: padding");
	BREAK(EINVAL, COWSCOPE_HOLD, a->hold.pad2 = 1, "HOLD: padding at the end");
	BREAK(EINVAL, COWSCOPE_HOLD, a->hold.pad = COWSCOPE_PIN_SPECULATIVE,
	      "HOLD: its own flag as padding");
	BREAK(EINVAL, COWSCOPE_MIRROR, a->mirror.pad = 1, "MIRROR: padding");
	BREAK(EINVAL, COWSCOPE_CONTROL, (a->control.op = COWSCOPE_CONTROL_COUNT,
	      a->control.pid = 1), "CONTROL: pid of COUNT");
	for (bit = 0; bit < 32; bit++) {
		snprintf(rule, sizeof(rule), "MIRROR: unknown flag 1 << %u", bit);
		if (!(1U << bit & (COWSCOPE_MIRROR_WRITE | COWSCOPE_MIRROR_GET |
				   COWSCOPE_MIRROR_KEEP)))
			BREAK(EINVAL, COWSCOPE_MIRROR, a->mirror.flags = 1U << bit, rule);
	}
	for (bit = 4; bit < 32; bit++) {
		snprintf(rule, sizeof(rule), "PIN: unknown flag 1 << %u", bit);
		BREAK(EINVAL, COWSCOPE_PIN, a->pin.flags = 1U << bit, rule);
	}
}

static void pin_rules(void)
{
	BREAK(EINVAL, COWSCOPE_PIN, a->pin.flags = COWSCOPE_PIN_LONGTERM,
	      "PIN: LONGTERM without FOLL_PIN");
	BREAK(EINVAL, COWSCOPE_PIN, a->pin.flags = COWSCOPE_PIN_LONGTERM | COWSCOPE_PIN_WRITE |
	      COWSCOPE_PIN_FAST, "PIN: LONGTERM, WRITE and FAST without FOLL_PIN");
	BREAK(EINVAL, COWSCOPE_PIN, a->pin.addr++, "PIN: address off by one");
	BREAK(EINVAL, COWSCOPE_PIN, a->pin.addr += 512, "PIN: address off by 512");
	BREAK(EINVAL, COWSCOPE_PIN, a->pin.length = 1, "PIN: length 1");
	BREAK(EINVAL, COWSCOPE_PIN, a->pin.length = PAGE + 1, "PIN: length a page and 1");
	BREAK(EINVAL, COWSCOPE_PIN, a->pin.length = 0, "PIN: length 0");
	BREAK(EFAULT, COWSCOPE_PIN, a->pin.length = LAST_PAGE, "PIN: wraps");
	BREAK(EFAULT, COWSCOPE_PIN, a->pin.addr = LAST_PAGE, "PIN: wraps to 0");
	BREAK(EFAULT, COWSCOPE_PIN, a->pin.addr = KERNEL_ADDRESS, "PIN: kernel address");
	BREAK(EFAULT, COWSCOPE_PIN, a->pin.addr = 0, "PIN: address 0");
	BREAK(EFAULT, COWSCOPE_PIN, a->pin.addr = (uintptr_t)hole, "PIN: unmapped");
	BREAK(EFAULT, COWSCOPE_PIN, (a->pin.addr = (uintptr_t)hole - PAGE, a->pin.length = 2 * PAGE),
	      "PIN: second page unmapped");
	BREAK(EFAULT, COWSCOPE_PIN, (a->pin.addr = (uintptr_t)hole - PAGE, a->pin.length = 2 * PAGE,
	      a->pin.flags = COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_WRITE | COWSCOPE_PIN_LONGTERM),
	      "PIN: second page unmapped, pin to write, long-term");
	BREAK(EFAULT, COWSCOPE_PIN, (a->pin.addr = (uintptr_t)hole - PAGE, a->pin.length = 2 * PAGE,
	      a->pin.flags = COWSCOPE_PIN_FAST | COWSCOPE_PIN_FOLL_PIN),
	      "PIN: second page unmapped, pin, fast");
	BREAK(EFAULT, COWSCOPE_PIN, (a->pin.addr = (uintptr_t)frozen,
	      a->pin.flags = COWSCOPE_PIN_WRITE), "PIN: to write, read-only mapping");
	BREAK(EFAULT, COWSCOPE_PIN, (a->pin.addr = (uintptr_t)frozen,
	      a->pin.flags = COWSCOPE_PIN_WRITE | COWSCOPE_PIN_FAST | COWSCOPE_PIN_FOLL_PIN),
	      "PIN: to write, read-only mapping, fast");
	BREAK(ENOSPC, COWSCOPE_PIN, a->pin.length = 4 * GiB + PAGE, "PIN: over 2^20 pages");
	BREAK(ENOSPC, COWSCOPE_PIN, (a->pin.addr = (uintptr_t)hole - PAGE, a->pin.length = 4 * GiB),
	      "PIN: over 2^20 pages with those held");
}

/* Where HOLD and MIRROR have rules of PIN, they have PIN's structs, too. */
static void range_rules(const char *name, unsigned long cmd)
{
	char rule[80];

	BREAK(EINVAL, cmd, a->pin.addr++, RULE("address off by one"));
	BREAK(EINVAL, cmd, a->pin.length = PAGE + 1, RULE("length a page and 1"));
	BREAK(EINVAL, cmd, a->pin.length = 0, RULE("length 0"));
	BREAK(EFAULT, cmd, a->pin.length = LAST_PAGE, RULE("wraps"));
	BREAK(EFAULT, cmd, a->pin.addr = LAST_PAGE, RULE("wraps to 0"));
	BREAK(EFAULT, cmd, a->pin.addr = KERNEL_ADDRESS, RULE("kernel address"));
	BREAK(EFAULT, cmd, a->pin.addr = 0, RULE("address 0"));
	BREAK(EFAULT, cmd, a->pin.addr = (uintptr_t)hole, RULE("unmapped"));
	BREAK(EFAULT, cmd, (a->pin.addr = (uintptr_t)hole - PAGE, a->pin.length = 2 * PAGE),
	      RULE("second page unmapped"));
	BREAK(ENOSPC, cmd, a->pin.length = 4 * GiB + PAGE, RULE("over 2^20 pages"));
	BREAK(ENOSPC, cmd, (a->pin.addr = (uintptr_t)hole - PAGE, a->pin.length = 4 * GiB),
	      RULE("over 2^20 pages with those held"));
}

static void hold_rules(void)
{
	char *untouched = map_anon(64 * PAGE);	/* does not fit the hole */
	unsigned int n, first = 0;
	int id;

	range_rules("HOLD", COWSCOPE_HOLD);
	BREAK(EFAULT, COWSCOPE_HOLD, a->hold.addr = (uintptr_t)untouched, "HOLD: not present");
	peek(untouched);
	BREAK(EFAULT, COWSCOPE_HOLD, a->hold.addr = (uintptr_t)untouched, "HOLD: the zero page");
	fill(COWSCOPE_HOLD);
	tap_eq(dev(fd, COWSCOPE_HOLD, a), 0, "HOLD: one");
	id = a->hold.id;
	tap_eq(a->hold.pad, 0, "HOLD: its padding stays");
	tap_eq(dev_write(fd, id, 0, "W", 1), -EPERM, "HOLD: WRITE");
	tap_eq(dev_read(fd, id, PAGE, text, 1), -EINVAL, "HOLD: READ beyond");
	tap_eq(dev_unpin(fd, id), 0, "HOLD: UNPIN");
	tap_eq(dev_unpin(fd, id), -ENOENT, "HOLD: UNPIN twice");

	range_rules("MIRROR", COWSCOPE_MIRROR);
	BREAK(EINVAL, COWSCOPE_MIRROR, a->mirror.flags = COWSCOPE_MIRROR_KEEP,
	      "MIRROR: KEEP without GET");
	BREAK(EFAULT, COWSCOPE_MIRROR, (a->mirror.addr = (uintptr_t)frozen,
	      a->mirror.flags = COWSCOPE_MIRROR_WRITE), "MIRROR: to write, read-only mapping");
	for (n = 0; n < 2; n++) {
		fill(COWSCOPE_MIRROR);
		a->mirror.flags = n ? COWSCOPE_MIRROR_GET | COWSCOPE_MIRROR_WRITE : 0;
		tap_eq(dev(fd, COWSCOPE_MIRROR, a), 0, "MIRROR: one");
		id = a->mirror.id;
		tap_eq(a->mirror.flags, n ? COWSCOPE_MIRROR_GET | COWSCOPE_MIRROR_WRITE : 0,
		       "MIRROR: its flags stay");
		tap_eq(dev_write(fd, id, 0, "W", 1), n ? 0 : -EPERM, "MIRROR: WRITE");
		tap_eq(dev_read(fd, id, PAGE, text, 1), -EINVAL, "MIRROR: READ beyond");
		tap_eq(dev_read(fd, id, 0, hole, 1), -EFAULT, "MIRROR: READ, data unmapped");
		tap_eq(dev_unpin(fd, id), 0, "MIRROR: UNPIN");
		tap_eq(dev_unpin(fd, id), -ENOENT, "MIRROR: UNPIN twice");
	}

	/* Two are held already. */
	for (n = 2; n < 1024; n++) {
		fill(COWSCOPE_MIRROR);
		if (n % 2 ? dev(fd, COWSCOPE_MIRROR, a) : dev(fd, COWSCOPE_HOLD, a))
			break;
		if (!first)
			first = a->pin.id;
	}
	tap_eq(n, 1024, "1024 in one open file");
	BREAK(ENOSPC, COWSCOPE_HOLD, (void)0, "HOLD: over 1024");
	BREAK(ENOSPC, COWSCOPE_MIRROR, (void)0, "MIRROR: over 1024");
	BREAK(ENOSPC, COWSCOPE_PIN, (void)0, "PIN: over 1024");
	for (n = 0; n < 1200; n++)
		dev_unpin(fd, first + n);
	tap_eq(pins_listed(), 2, "all others are returned");
	munmap(untouched, 64 * PAGE);
}

static void id_rules(void)
{
	int other = dev_open(), foreign = dev_pin(other, 0, mem, PAGE);

	BREAK(ENOENT, COWSCOPE_UNPIN, a->unpin.id = 0, "UNPIN: id 0");
	BREAK(ENOENT, COWSCOPE_UNPIN, a->unpin.id = ~0U, "UNPIN: id -1");
	BREAK(ENOENT, COWSCOPE_UNPIN, a->unpin.id = foreign, "UNPIN: another file's id");
	BREAK(ENOENT, COWSCOPE_READ, a->rw.id = foreign, "READ: another file's id");
	BREAK(ENOENT, COWSCOPE_WRITE, a->rw.id = foreign, "WRITE: another file's id");
	BREAK(ENOENT, COWSCOPE_PIN_STATE, a->pin_state.id = foreign, "PIN_STATE: another file's id");
	tap_eq(dev_unpin(other, foreign), 0, "UNPIN: its own id");
	tap_eq(dev_unpin(other, foreign), -ENOENT, "UNPIN: twice");
	close(other);

	BREAK(EINVAL, COWSCOPE_READ, a->rw.offset = 2 * PAGE, "READ: offset beyond");
	BREAK(EINVAL, COWSCOPE_READ, a->rw.length = 2 * PAGE + 1, "READ: length beyond");
	BREAK(EINVAL, COWSCOPE_READ, (a->rw.offset = 2 * PAGE - 1, a->rw.length = 2),
	      "READ: end beyond");
	BREAK(EINVAL, COWSCOPE_READ, (a->rw.offset = -1ULL, a->rw.length = 2), "READ: wraps");
	BREAK(EFAULT, COWSCOPE_READ, a->rw.data = (uintptr_t)hole, "READ: data unmapped");
	BREAK(EFAULT, COWSCOPE_READ, a->rw.data = (uintptr_t)frozen, "READ: data read-only");
	BREAK(EFAULT, COWSCOPE_READ, a->rw.data = KERNEL_ADDRESS, "READ: data in the kernel");
	BREAK(EINVAL, COWSCOPE_WRITE, a->rw.offset = 2 * PAGE, "WRITE: offset beyond");
	BREAK(EINVAL, COWSCOPE_WRITE, (a->rw.offset = PAGE, a->rw.length = PAGE + 1),
	      "WRITE: end beyond");
	BREAK(EFAULT, COWSCOPE_WRITE, a->rw.data = (uintptr_t)hole, "WRITE: data unmapped");
	BREAK(EFAULT, COWSCOPE_WRITE, a->rw.data = KERNEL_ADDRESS, "WRITE: data in the kernel");
	BREAK(EPERM, COWSCOPE_WRITE, a->rw.id = held_ro, "WRITE: taken to read");
	BREAK(EINVAL, COWSCOPE_PIN_STATE, a->pin_state.offset = 2 * PAGE, "PIN_STATE: offset beyond");
	BREAK(EINVAL, COWSCOPE_PIN_STATE, a->pin_state.offset = -1ULL, "PIN_STATE: offset -1");
	mem[0] = 'A';
	tap_eq(dev_write(fd, held_ro, 0, "B", 1), -EPERM, "WRITE: taken to read, again");
	tap_ok(mem[0] == 'A', "WRITE: taken to read wrote nothing");
}

static void page_rules(void)
{
	unsigned long long addr = (uintptr_t)mem;

	BREAK(EINVAL, COWSCOPE_PAGE_STATE, a->page_state.addr++, "PAGE_STATE: address off by one");
	BREAK(EINVAL, COWSCOPE_PAGE_STATE, a->page_state.count = -1ULL, "PAGE_STATE: count -1");
	BREAK(EINVAL, COWSCOPE_PAGE_STATE, a->page_state.count = 1ULL << 52,
	      "PAGE_STATE: count overflows");
	BREAK(EINVAL, COWSCOPE_PAGE_STATE, (a->page_state.addr = LAST_PAGE, a->page_state.count = 2),
	      "PAGE_STATE: wraps");
	BREAK(EFAULT, COWSCOPE_PAGE_STATE, a->page_state.pages = (uintptr_t)hole,
	      "PAGE_STATE: pages unmapped");
	BREAK(EFAULT, COWSCOPE_PAGE_STATE, a->page_state.pages = KERNEL_ADDRESS,
	      "PAGE_STATE: pages in the kernel");
	BREAK(ESRCH, COWSCOPE_PAGE_STATE, a->page_state.pid = 0x3fffffff,
	      "PAGE_STATE: no such process");
	BREAK(ESRCH, COWSCOPE_PAGE_STATE, a->page_state.pid = 2, "PAGE_STATE: a kernel thread");
	fill(COWSCOPE_PAGE_STATE);
	a->page_state.count = 0;
	tap_eq(dev(fd, COWSCOPE_PAGE_STATE, a), 0, "PAGE_STATE: count 0");
	fill(COWSCOPE_PAGE_STATE);
	a->page_state.addr = KERNEL_ADDRESS;
	a->page_state.count = 1;
	tap_eq(dev(fd, COWSCOPE_PAGE_STATE, a), 0, "PAGE_STATE: a kernel address");
	tap_ok(((struct cowscope_page *)text)->pte == COWSCOPE_PTE_READ &&
	       ((struct cowscope_page *)text)->refcount == COWSCOPE_COUNT_NA,
	       "PAGE_STATE: nothing is told of it");
	tap_ok(addr == (uintptr_t)mem, "PAGE_STATE: own address");

	BREAK(EFAULT, COWSCOPE_STATS, a->stats.buf = (uintptr_t)hole, "STATS: buffer unmapped");
	BREAK(EFAULT, COWSCOPE_STATS, a->stats.buf = KERNEL_ADDRESS, "STATS: buffer in the kernel");
	fill(COWSCOPE_STATS);
	a->stats.len = 7;
	memset(text, '!', sizeof(text));
	tap_eq(dev(fd, COWSCOPE_STATS, a), 0, "STATS: short buffer");
	tap_ok(a->stats.len > 100 && text[6] != '!' && text[7] == '!',
	       "STATS: length of all, no byte beyond");
	fill(COWSCOPE_STATS);
	a->stats.buf = 0;
	a->stats.len = 0;
	tap_eq(dev(fd, COWSCOPE_STATS, a), 0, "STATS: no buffer");
}

static void mark_rules(void)
{
	struct cowscope_record r = { 0 };
	const char wanted[sizeof(r.text)] = "a ~????.";
	struct rings rings;

	rings_open(fd, &rings);
	rings_seek_end(&rings);
	fill(COWSCOPE_MARK);
	memcpy(a->mark.text, "a ~\n\033\177\377.\0not this", 18);
	tap_eq(dev(fd, COWSCOPE_MARK, a), 0, "MARK: with what cannot be printed");
	while (r.type != COWSCOPE_EVENT_MARK && rings_next(&rings, &r))
		;
	tap_ok(!memcmp(r.text, wanted, sizeof(wanted)), "MARK: that is '?', the rest zero");
	rings_close(&rings);
}

static void control_rules(void)
{
	int other = dev_open();

	BREAK(ESRCH, COWSCOPE_CONTROL, (a->control.op = COWSCOPE_CONTROL_FOLLOW,
	      a->control.pid = 0x3fffffff), "CONTROL: FOLLOW nobody");
	BREAK(ESRCH, COWSCOPE_CONTROL, a->control.op = COWSCOPE_CONTROL_FOLLOW,
	      "CONTROL: FOLLOW pid 0");
	tap_eq(stat_now(fd, "filter.active"), 0, "CONTROL: no filter after that");
	tap_eq(dev_control(other, COWSCOPE_CONTROL_FOLLOW, getpid()), 0, "CONTROL: FOLLOW");
	tap_eq(dev_control(other, COWSCOPE_CONTROL_FOLLOW, 1), 0, "CONTROL: FOLLOW another");
	BREAK(EBUSY, COWSCOPE_CONTROL, (a->control.op = COWSCOPE_CONTROL_FOLLOW,
	      a->control.pid = getpid()), "CONTROL: second owner follows");
	BREAK(EBUSY, COWSCOPE_CONTROL, a->control.op = COWSCOPE_CONTROL_FOLLOW_ALL,
	      "CONTROL: second owner ends it");
	tap_eq(stat_now(fd, "filter.active"), 1, "CONTROL: filter still there");
	close(other);
	tap_eq(stat_now(fd, "filter.active"), 0, "CONTROL: filter goes with its file");
	tap_eq(dev_control(fd, COWSCOPE_CONTROL_FOLLOW, getpid()), 0, "CONTROL: now this one");
	tap_eq(dev_control(fd, COWSCOPE_CONTROL_FOLLOW_ALL, 0), 0, "CONTROL: FOLLOW_ALL");
	tap_eq(dev_control(fd, COWSCOPE_CONTROL_DISABLE, 0), 0, "CONTROL: DISABLE");
	tap_eq(dev_control(fd, COWSCOPE_CONTROL_DISABLE, 0), 0, "CONTROL: DISABLE twice");
	fill(COWSCOPE_INFO);
	dev(fd, COWSCOPE_INFO, a);
	tap_eq(a->info.enabled, 0, "INFO: says so");
	tap_eq(dev_control(fd, COWSCOPE_CONTROL_COUNT, 0), 0, "CONTROL: COUNT");
	tap_eq(dev_control(fd, COWSCOPE_CONTROL_COUNT, 0), 0, "CONTROL: COUNT twice");
	dev(fd, COWSCOPE_INFO, a);
	tap_eq(a->info.enabled, COWSCOPE_RECORDING_COUNT, "INFO: says so");
	tap_eq(dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0), 0, "CONTROL: ENABLE");
	tap_eq(dev_control(fd, COWSCOPE_CONTROL_ENABLE, 0), 0, "CONTROL: ENABLE twice");
	dev(fd, COWSCOPE_INFO, a);
	tap_eq(a->info.enabled, 1, "INFO: says so");
	tap_ok(a->info.version[0] &&
	       !a->info.version[sizeof(a->info.version) - 1], "INFO: version is a string");
}

/* What is told of the rule in force is believed, if it can be. */
static void told_rules(void)
{
	unsigned int was, rule;

	fill(COWSCOPE_INFO);
	dev(fd, COWSCOPE_INFO, a);
	was = a->info.rule;
	tap_ok(was < COWSCOPE_RULES && a->info.rule_found <= 1, "INFO: a rule in force");
	BREAK(EINVAL, COWSCOPE_CONTROL, (a->control.op = COWSCOPE_CONTROL_RULE,
	      a->control.rule = COWSCOPE_RULES), "CONTROL: no such RULE");
	BREAK(EINVAL, COWSCOPE_CONTROL, (a->control.op = COWSCOPE_CONTROL_RULE,
	      a->control.rule = ~0U), "CONTROL: RULE -1");
	BREAK(EINVAL, COWSCOPE_CONTROL, (a->control.op = COWSCOPE_CONTROL_RULE,
	      a->control.pad = 1), "CONTROL: padding of RULE");
	if (!kernel_has(5, 19))
		BREAK(EINVAL, COWSCOPE_CONTROL, (a->control.op = COWSCOPE_CONTROL_RULE,
		      a->control.rule = COWSCOPE_RULE_EXCLUSIVE),
		      "CONTROL: RULE exclusive without PageAnonExclusive");
	fill(COWSCOPE_INFO);
	dev(fd, COWSCOPE_INFO, a);
	tap_eq(a->info.rule, was, "INFO: the same rule after that");
	for (rule = 0; rule < (kernel_has(5, 19) ? COWSCOPE_RULES : COWSCOPE_RULE_EXCLUSIVE); rule++) {
		tap_eq(dev_control(fd, COWSCOPE_CONTROL_RULE, rule), 0, "CONTROL: RULE %u", rule);
		dev(fd, COWSCOPE_INFO, a);
		tap_ok(a->info.rule == rule && a->info.rule_found == 1, "INFO: says so, and how");
	}
	tap_eq(dev_control(fd, COWSCOPE_CONTROL_RULE, was), 0, "CONTROL: RULE as it was");
}

static void filter_rules(void)
{
	int other = dev_open();
	unsigned int bit;
	char rule[64];

	for (bit = 0; bit < 32; bit++) {
		snprintf(rule, sizeof(rule), "FILTER: no event 1 << %u", bit);
		if (!bit || bit >= COWSCOPE_EVENTS)
			BREAK(EINVAL, COWSCOPE_FILTER, a->filter.events = 1U << bit, rule);
		snprintf(rule, sizeof(rule), "FILTER: no verdict 1 << %u", bit);
		if (bit >= COWSCOPE_VERDICTS)
			BREAK(EINVAL, COWSCOPE_FILTER, a->filter.verdicts = 1U << bit, rule);
	}
	BREAK(EINVAL, COWSCOPE_FILTER, a->filter.start = 1, "FILTER: start without end");
	BREAK(EINVAL, COWSCOPE_FILTER, a->filter.start = a->filter.end = 4096,
	      "FILTER: start is end");
	BREAK(EINVAL, COWSCOPE_FILTER, (a->filter.start = 2, a->filter.end = 1),
	      "FILTER: start above end");
	BREAK(EINVAL, COWSCOPE_FILTER, memcpy(a->filter.comm, "ab\0c", 4),
	      "FILTER: name not zero padded");
	BREAK(EINVAL, COWSCOPE_FILTER, a->filter.comm[15] = 'x', "FILTER: last byte of the name");
	tap_eq(stat_now(fd, "filter.active"), 0, "FILTER: none after that");

	fill(COWSCOPE_FILTER);
	a->filter.events = 1U << COWSCOPE_EVENT_FORK;
	a->filter.verdicts = 1U << COWSCOPE_VERDICT_LEAK;
	a->filter.end = 4096;
	memset(a->filter.comm, 'x', sizeof(a->filter.comm));
	tap_eq(dev(other, COWSCOPE_FILTER, a), 0, "FILTER: all parts");
	tap_eq(stat_now(fd, "filter.active"), 1, "FILTER: there it is");
	BREAK(EBUSY, COWSCOPE_FILTER, a->filter.events = 2, "FILTER: second owner sets");
	BREAK(EBUSY, COWSCOPE_FILTER, a->filter.events = 0, "FILTER: second owner removes");
	BREAK(EBUSY, COWSCOPE_CONTROL, (a->control.op = COWSCOPE_CONTROL_FOLLOW,
	      a->control.pid = getpid()), "FILTER: second owner follows");
	BREAK(EBUSY, COWSCOPE_CONTROL, a->control.op = COWSCOPE_CONTROL_FOLLOW_ALL,
	      "FILTER: second owner follows all");
	tap_eq(dev_control(other, COWSCOPE_CONTROL_FOLLOW, getpid()), 0, "FILTER: and FOLLOW");
	tap_eq(dev_control(other, COWSCOPE_CONTROL_FOLLOW_ALL, 0), 0, "FILTER: FOLLOW_ALL");
	tap_eq(stat_now(fd, "filter.active"), 1, "FILTER: is not FOLLOW_ALL's to remove");
	tap_eq(dev_control(other, COWSCOPE_CONTROL_FOLLOW, getpid()), 0, "FILTER: FOLLOW again");
	fill(COWSCOPE_FILTER);
	tap_eq(dev(other, COWSCOPE_FILTER, a), 0, "FILTER: all zero");
	tap_eq(stat_now(fd, "filter.active"), 1, "FILTER: does not end FOLLOW");
	tap_eq(dev_control(other, COWSCOPE_CONTROL_FOLLOW_ALL, 0), 0, "FILTER: both gone");
	tap_eq(stat_now(fd, "filter.active"), 0, "FILTER: so there is none");
	tap_eq(dev(fd, COWSCOPE_FILTER, a), 0, "FILTER: nor an owner");
	fill(COWSCOPE_FILTER);
	a->filter.start = 4096;
	a->filter.end = -1ULL;
	tap_eq(dev(other, COWSCOPE_FILTER, a), 0, "FILTER: up to the last address");
	close(other);
	tap_eq(stat_now(fd, "filter.active"), 0, "FILTER: goes with its file");
}

int main(void)
{
	char *block = map_anon(8 * PAGE);
	unsigned int i;

	tap_begin();
	fd = dev_open();
	mem = block;
	memset(mem, 'A', 5 * PAGE);
	hole = block + 5 * PAGE;
	a = (void *)(hole - PAGE);
	frozen = block + 7 * PAGE;
	memset(frozen, 'A', PAGE);
	mprotect(frozen, PAGE, PROT_READ);
	munmap(hole, 2 * PAGE);
	hold();

	expect(ENOTTY, _IOWR(COWSCOPE_IOC, 13, struct cowscope_info), a, 8, "unknown command");
	expect(ENOTTY, _IOWR(COWSCOPE_IOC, 255, struct cowscope_info), a, 8, "unknown command 255");
	expect(ENOTTY, 0, a, 8, "command 0");
	expect(ENOTTY, ~0U, a, 8, "command -1");
	for (i = 0; i < COMMANDS; i++)
		common(commands[i].name, commands[i].cmd);
	padding();
	pin_rules();
	hold_rules();
	id_rules();
	page_rules();
	mark_rules();
	control_rules();
	told_rules();
	filter_rules();

	let_go();
	tap_eq(pins_listed(), 0, "no pin is left");
	tap_eq(memlock(0), 0, "no memory is charged");
	close(fd);
	return tap_end();
}
