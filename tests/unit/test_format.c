// SPDX-License-Identifier: GPL-2.0
/* The words and lines of module/format.c. */
#include "unit.h"

#include <stdlib.h>

#include "format.h"

static void expect(const struct cowscope_record *r, const char *comm, const char *line)
{
	char buf[COWSCOPE_LINE_MAX];
	size_t n = cowscope_format(buf, sizeof(buf), r, comm);

	assert_string_equal(buf, line);
	assert_int_equal(n, strlen(line));
}

static void line_of_fault(void **state)
{
	struct cowscope_record r = lost_pin();

	expect(&r, "redis-server",
	       "redis-server-812 [001] 71.204518: cow_fault: level=pte addr=0x7f2a31c00000 pfn=0x1a2b3->0x40c11 pte=.d..->wds. kind=anon order=0 refcount=2 mapcount=1 exclusive=- pinned=no page_flags=lru decision=copy predicted=copy verdict=pin_lost otherwise=fine holder=3 mapcount_rule=reuse page_count_rule=copy exclusive_rule=- ret=0x8 ns=812");
}

static void line_of_fault_reused(void **state)
{
	struct cowscope_record r = lost_pin();

	r.after = r.before | COWSCOPE_PTE_WRITE;
	r.state = KIND(ANON) | LEVEL(PTE) | EXCLUSIVE(YES) | PINNED(NO) | COWSCOPE_STATE_SWAPCACHE |
		  COWSCOPE_STATE_LOCKED;
	r.outcome = COWSCOPE_OUTCOME(COWSCOPE_REUSE, COWSCOPE_EITHER);
	r.verdict = COWSCOPE_VERDICT_FINE;
	r.rules = COWSCOPE_REUSE | COWSCOPE_COPY << 2 | COWSCOPE_REUSE << 4;
	r.holder = 0;
	r.ret = 0;
	expect(&r, NULL,
	       "<...>-812 [001] 71.204518: cow_fault: level=pte addr=0x7f2a31c00000 pfn=0x1a2b3 pte=.d..->wd.. kind=anon order=0 refcount=2 mapcount=1 exclusive=yes pinned=no page_flags=swapcache,locked decision=reuse predicted=either verdict=fine otherwise=- holder=- mapcount_rule=reuse page_count_rule=copy exclusive_rule=reuse ret=0x0 ns=812");
}

static void line_of_fault_barely_read(void **state)
{
	struct cowscope_record r = {
		.type = COWSCOPE_EVENT_COW_FAULT,
		.refcount = COWSCOPE_COUNT_NA,
		.mapcount = COWSCOPE_COUNT_NA,
		.outcome = COWSCOPE_OUTCOME(COWSCOPE_RETRY, 0),
	};

	expect(&r, "x",
	       "x-0 [000] 0.000000: cow_fault: level=- addr=0x0 pfn=- pte=- kind=unknown order=0 refcount=- mapcount=- exclusive=- pinned=- page_flags=- decision=retry predicted=- verdict=- otherwise=- holder=- mapcount_rule=- page_count_rule=- exclusive_rule=- ret=0x0 ns=0");
	r.before = COWSCOPE_PTE_READ | COWSCOPE_PTE_UFFD_WP;
	r.after = COWSCOPE_PTE_READ;
	r.refcount = 0;
	r.mapcount = 0;
	expect(&r, "x",
	       "x-0 [000] 0.000000: cow_fault: level=- addr=0x0 pfn=none pte=...u->.... kind=unknown order=0 refcount=0 mapcount=0 exclusive=- pinned=- page_flags=- decision=retry predicted=- verdict=- otherwise=- holder=- mapcount_rule=- page_count_rule=- exclusive_rule=- ret=0x0 ns=0");
}

static void line_of_forks(void **state)
{
	struct cowscope_record r = {
		.ts = 1000999, .pid = 7, .type = COWSCOPE_EVENT_FORK, .start = 0x1000, .end = 0x3000,
		.op_duration = 5000000000ULL, .target = 8, .seen = 95, .changed = 2, .held = 20,
		.pinned = 1,
	};

	expect(&r, "sh",
	       "sh-7 [000] 0.001000: fork: child=8 vmas=20 pages=95 shared=93 copied=2 splits=1 error=- ns=5000000000");
	r.error = -12;
	r.target = 0;
	expect(&r, "sh",
	       "sh-7 [000] 0.001000: fork: child=- vmas=20 pages=95 shared=93 copied=2 splits=1 error=-12 ns=5000000000");
	r.type = COWSCOPE_EVENT_FORK_RANGE;
	r.error = 0;
	expect(&r, "sh",
	       "sh-7 [000] 0.001000: fork_range: addr=0x1000-0x3000 pages=95 shared=93 copied=2 splits=1 error=- ns=5000000000");
}

static void line_of_early_copy(void **state)
{
	struct cowscope_record r = lost_pin();

	r.type = COWSCOPE_EVENT_EARLY_COPY;
	r.refcount = 1025;
	r.state = KIND(ANON) | LEVEL(PTE) | PINNED(YES) | EXCLUSIVE(YES) | COWSCOPE_STATE_MM_PINNED;
	expect(&r, "a b",
	       "a b-812 [001] 71.204518: early_copy: level=pte addr=0x7f2a31c00000 pfn=0x1a2b3->0x40c11 pte=.d..->wds. kind=anon order=0 refcount=1025 mapcount=1 exclusive=yes pinned=yes page_flags=mm_pinned holder=3");
}

static void line_of_clear_refs(void **state)
{
	struct cowscope_record r = {
		.ts = 1, .pid = 7, .cpu = 12, .type = COWSCOPE_EVENT_CLEAR_REFS, .target = 812,
		.seen = 1034, .changed = 12, .pinned = 1, .held = 2, .arg = 4,
		.op_lock = COWSCOPE_LOCK_WRITE, .op_duration = 9,
		.wrongly_left = 3, .wrongly_cleared = 4, .soft_dirty = 5,
	};

	expect(&r, "sh",
	       "sh-7 [012] 0.000000: clear_refs: target=812 type=soft_dirty pages=1034 wrprotected=12 skipped_pinned=1 held=2 wrongly_left=3 wrongly_cleared=4 soft_dirty=5 partial=no mmap_lock=write error=- ns=9");
	r.arg = 9;
	r.op_flags = COWSCOPE_OP_PARTIAL;
	r.op_lock = 0;
	r.error = -22;
	expect(&r, "sh",
	       "sh-7 [012] 0.000000: clear_refs: target=812 type=? pages=1034 wrprotected=12 skipped_pinned=1 held=2 wrongly_left=3 wrongly_cleared=4 soft_dirty=5 partial=yes mmap_lock=- error=-22 ns=9");
}

static void line_of_uffd_wp(void **state)
{
	struct cowscope_record r = {
		.pid = 7, .type = COWSCOPE_EVENT_UFFD_WP, .start = 0x7f0000000000,
		.end = 0x7f0000002000, .target = 812, .seen = 2, .changed = 1, .pinned = 1, .arg = 1,
		.op_lock = COWSCOPE_LOCK_READ,
	};

	expect(&r, "qemu",
	       "qemu-7 [000] 0.000000: uffd_wp: target=812 type=protect addr=0x7f0000000000-0x7f0000002000 pages=2 changed=1 pinned=1 held=0 partial=no mmap_lock=read error=- ns=0");
	r.arg = 0;
	expect(&r, "qemu",
	       "qemu-7 [000] 0.000000: uffd_wp: target=812 type=unprotect addr=0x7f0000000000-0x7f0000002000 pages=2 changed=1 pinned=1 held=0 partial=no mmap_lock=read error=- ns=0");
}

static void line_of_pagemap_scan(void **state)
{
	struct cowscope_record r = {
		.pid = 7, .type = COWSCOPE_EVENT_PAGEMAP_SCAN, .start = 0x7f0000000000,
		.end = 0x7f0000002000, .target = 812, .seen = 2, .changed = 1, .pinned = 1,
		.held = 1, .op_lock = COWSCOPE_LOCK_READ,
	};

	expect(&r, "criu",
	       "criu-7 [000] 0.000000: pagemap_scan: target=812 addr=0x7f0000000000-0x7f0000002000 pages=2 wrprotected=1 pinned=1 held=1 partial=no mmap_lock=read error=- ns=0");
}

static void line_of_wrprotect(void **state)
{
	struct cowscope_record r = lost_pin();

	r.type = COWSCOPE_EVENT_WRPROTECT;
	r.after = 0;
	r.duration = 0;
	r.source = COWSCOPE_SOURCE_CLEAR_REFS;
	r.lock = COWSCOPE_LOCK_WRITE;
	r.before |= COWSCOPE_PTE_WRITE;
	expect(&r, "sh",
	       "sh-812 [001] 71.204518: wrprotect: source=clear_refs mmap_lock=write level=pte addr=0x7f2a31c00000 pfn=0x1a2b3 pte=wd.. kind=anon order=0 refcount=2 mapcount=1 exclusive=- pinned=no page_flags=lru holder=3");
}

static void line_of_pins(void **state)
{
	struct cowscope_record r = lost_pin();

	r.type = COWSCOPE_EVENT_PIN;
	r.pages = 512;
	r.flags = COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_WRITE | COWSCOPE_PIN_LONGTERM |
		  COWSCOPE_PIN_FAST;
	expect(&r, "a",
	       "a-812 [001] 71.204518: pin: id=3 flags=pin,write,longterm,fast pages=512 addr=0x7f2a31c00000 pfn=0x1a2b3 kind=anon order=0 refcount=2 mapcount=1 exclusive=- pinned=no page_flags=lru");
	r.type = COWSCOPE_EVENT_UNPIN;
	r.flags = 0;
	expect(&r, "a",
	       "a-812 [001] 71.204518: unpin: id=3 flags=get pages=512 addr=0x7f2a31c00000 pfn=0x1a2b3 kind=anon order=0 refcount=2 mapcount=1 exclusive=- pinned=no page_flags=lru");
	r.type = COWSCOPE_EVENT_PIN_LOST;
	r.after = PTE(0x40c11, 0);
	expect(&r, "a",
	       "a-812 [001] 71.204518: pin_lost: id=3 flags=get addr=0x7f2a31c00000 pfn=0x1a2b3->0x40c11");
}

static void line_of_mirror(void **state)
{
	struct cowscope_record r = {
		.ts = 1, .pid = 812, .type = COWSCOPE_EVENT_MIRROR, .start = 0x7f0000000000,
		.end = 0x7f0000002000, .target = 812, .mirror = 3, .seen = 2, .changed = 2,
		.arg = COWSCOPE_INVALIDATION_CLEAR, .op_duration = 90,
	};

	expect(&r, "a",
	       "a-812 [000] 0.000000: mirror: id=3 reason=clear target=812 addr=0x7f0000000000-0x7f0000002000 pages=2 dropped=2 kept=0 error=- ns=90");
	r = lost_pin();
	r.type = COWSCOPE_EVENT_PIN_LOST;
	r.after = PTE(0x40c11, 0);
	r.flags = COWSCOPE_PIN_MIRROR | COWSCOPE_PIN_MIRROR_GET | COWSCOPE_PIN_MIRROR_KEEP;
	expect(&r, "a",
	       "a-812 [001] 71.204518: pin_lost: id=3 flags=get,mirror,keep addr=0x7f2a31c00000 pfn=0x1a2b3->0x40c11");
	r.flags = COWSCOPE_PIN_MIRROR | COWSCOPE_PIN_WRITE;
	expect(&r, "a",
	       "a-812 [001] 71.204518: pin_lost: id=3 flags=write,mirror addr=0x7f2a31c00000 pfn=0x1a2b3->0x40c11");
	r.flags = COWSCOPE_PIN_SPECULATIVE;
	expect(&r, "a",
	       "a-812 [001] 71.204518: pin_lost: id=3 flags=speculative addr=0x7f2a31c00000 pfn=0x1a2b3->0x40c11");
}

static void line_of_mark(void **state)
{
	struct cowscope_record r = { .type = COWSCOPE_EVENT_MARK };
	char line[COWSCOPE_LINE_MAX];

	snprintf(r.text, sizeof(r.text), "the owner writes B");
	expect(&r, "a", "a-0 [000] 0.000000: mark: text=the owner writes B");
	r.text[0] = 0;
	expect(&r, "a", "a-0 [000] 0.000000: mark: text=");
	/* Filled to its end; and nobody's text may steer a terminal. */
	memset(r.text, 'x', sizeof(r.text));
	r.text[1] = '\033';
	r.text[2] = 0x7f;
	r.text[3] = '\n';
	assert_int_equal(cowscope_format(line, sizeof(line), &r, "\033[2Jevil"),
			 strlen("?[2Jevil-0 [000] 0.000000: mark: text=") + sizeof(r.text));
	assert_ptr_equal(strstr(line, "?[2Jevil-0 "), line);
	assert_non_null(strstr(line, "text=x???xxx"));
}

static void line_of_unknown_event(void **state)
{
	struct cowscope_record r = { .type = 200 };

	expect(&r, "a", "a-0 [000] 0.000000: ?:");
}

/* A name that fills its field has no terminating zero. */
static void line_of_full_comm(void **state)
{
	struct cowscope_record r = { .type = COWSCOPE_EVENT_MARK, .text = "t" };
	char comm[17] = "0123456789abcdefX";

	expect(&r, comm, "0123456789abcdef-0 [000] 0.000000: mark: text=t");
}

/* What others chose steers no terminal: no control of ASCII, nor of Unicode besides. */
static void line_without_controls(void **state)
{
	struct cowscope_record r = { .type = COWSCOPE_EVENT_MARK,
				     .text = "\033[2J \302\233 \177 K\303\274che \302\240" };

	expect(&r, "a\033[31m\302\205\tb", "a?[31m??b-0 [000] 0.000000: mark: text=?[2J ? ? K\303\274che \302\240");
	/* The room ends within one. */
	memset(r.text, 'x', sizeof(r.text));
	r.text[sizeof(r.text) - 1] = '\302';
	expect(&r, NULL, "<...>-0 [000] 0.000000: mark: text=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\302");
}

static void line_of_large_numbers(void **state)
{
	struct cowscope_record r = { .type = COWSCOPE_EVENT_FORK, .op_duration = ~0ULL };

	expect(&r, "a", "a-0 [000] 0.000000: fork: child=- vmas=0 pages=0 shared=0 copied=0 splits=0 error=- ns=18446744073709551615");
	r = (struct cowscope_record){ .type = COWSCOPE_EVENT_PIN, .pages = 1ULL << 63 };
	expect(&r, "a", "a-0 [000] 0.000000: pin: id=0 flags=get pages=9223372036854775808 addr=0x0 pfn=- kind=unknown order=0 refcount=0 mapcount=0 exclusive=- pinned=- page_flags=-");
}

/* The longest line there can be, cut off at every length. */
static void no_overflow(void **state)
{
	struct cowscope_record r;
	char whole[COWSCOPE_LINE_MAX], *buf;
	size_t type, size, n;

	for (type = 0; type < COWSCOPE_EVENTS + 2; type++) {
		memset(&r, 0xff, sizeof(r));
		r.type = type;
		r.refcount = r.mapcount = INT32_MIN;
		r.state = KIND(HUGETLB) | ORDER(31) | LEVEL(HUGETLB) | EXCLUSIVE(YES) | PINNED(YES) |
			  0xffff8000;
		r.after &= ~1ULL;
		r.verdict = COWSCOPE_VERDICT_SUPERFLUOUS;
		r.outcome = COWSCOPE_OUTCOME(COWSCOPE_UNSHARE, COWSCOPE_UNSHARE);
		r.rules = COWSCOPE_REUSE | COWSCOPE_REUSE << 2 | COWSCOPE_REUSE << 4;
		r.source = COWSCOPE_SOURCE_CLEAR_REFS;
		r.lock = COWSCOPE_LOCK_WRITE;
		n = cowscope_format(whole, sizeof(whole), &r, "0123456789abcdef");
		assert_int_equal(n, strlen(whole));
		/* One less than full: nothing was cut off. */
		assert_true(n < sizeof(whole) - 1);
		for (size = 0; size <= n + 1; size++) {
			size_t length, fits = size && size <= n ? size - 1 : size ? n : 0;

			/* Exactly as large, so that the sanitizer sees one byte too many. */
			buf = malloc(size ? size : 1);
			assert_non_null(buf);
			*buf = '#';
			length = cowscope_format(buf, size, &r, "0123456789abcdef");
			assert_int_equal(length, fits);
			if (size)
				assert_int_equal(buf[length], 0);
			else
				assert_int_equal(*buf, '#');
			assert_memory_equal(buf, size ? whole : "#", size ? length : 1);
			free(buf);
		}
	}
}

/* Every value has its word, no two the same, none beyond the last. */
static void names_of(const char *(*name)(unsigned int), unsigned int first, unsigned int end,
		     const char *const *words)
{
	unsigned int i, k;

	for (i = first; i < end; i++) {
		assert_string_equal(name(i), words[i - first]);
		assert_string_not_equal(name(i), "?");
		for (k = first; k < i; k++)
			assert_string_not_equal(name(i), name(k));
	}
	assert_string_equal(name(end), "?");
	assert_string_equal(name(~0U), "?");
}

static void names(void **state)
{
	static const char *const events[] = {
		"cow_fault", "fork", "fork_range", "early_copy", "clear_refs", "uffd_wp",
		"pagemap_scan", "wrprotect", "pin", "unpin", "pin_lost", "mirror", "mark",
	};
	static const char *const levels[] = { "-", "pte", "pmd", "hugetlb" };
	static const char *const kinds[] = {
		"unknown", "anon", "ksm", "file", "shmem", "hugetlb", "zero", "pfn",
	};
	static const char *const decisions[] = {
		"-", "copy", "reuse", "unshare", "uffd", "split", "raced", "retry", "failed", "either",
	};
	static const char *const verdicts[] = {
		"-", "leak", "pin_lost", "maybe_lost", "needed", "superfluous", "fine", "unknown",
	};
	static const char *const rules[] = { "mapcount", "page_count", "exclusive" };
	static const char *const tris[] = { "-", "no", "yes" };
	static const char *const sources[] = {
		"-", "clear_refs", "uffd_wp", "mprotect", "pagemap_scan", "numa",
	};
	static const char *const invalidations[] = {
		"-", "unmap", "clear", "protection_vma", "protection_page", "soft_dirty",
		"release", "migrate", "exclusive",
	};
	static const char *const locks[] = { "-", "read", "write" };

	names_of(cowscope_event_name, 1, COWSCOPE_EVENTS, events);
	assert_string_equal(cowscope_event_name(0), "?");
	names_of(cowscope_level_name, 0, COWSCOPE_LEVELS, levels);
	names_of(cowscope_kind_name, 0, COWSCOPE_KINDS, kinds);
	names_of(cowscope_decision_name, 0, COWSCOPE_DECISIONS, decisions);
	names_of(cowscope_verdict_name, 0, COWSCOPE_VERDICTS, verdicts);
	names_of(cowscope_rule_name, 0, COWSCOPE_RULES, rules);
	names_of(cowscope_tri_name, 0, COWSCOPE_YES + 1, tris);
	names_of(cowscope_source_name, 0, COWSCOPE_SOURCES, sources);
	names_of(cowscope_invalidation_name, 0, COWSCOPE_INVALIDATIONS, invalidations);
	names_of(cowscope_lock_name, 0, COWSCOPE_LOCKS, locks);
}

static void flags(void **state)
{
	char buf[16];

	assert_int_equal(cowscope_page_flags(buf, sizeof(buf), 0), 1);
	assert_string_equal(buf, "-");
	cowscope_page_flags(buf, sizeof(buf), COWSCOPE_STATE_SWAPCACHE | COWSCOPE_STATE_LRU);
	assert_string_equal(buf, "lru,swapcache");
	assert_int_equal(cowscope_page_flags(buf, 6, COWSCOPE_STATE_SWAPCACHE), 5);
	assert_string_equal(buf, "swapc");
	cowscope_pte_flags(buf, sizeof(buf), COWSCOPE_PTE_READ | COWSCOPE_PTE_WRITE);
	assert_string_equal(buf, "w...");
	cowscope_pte_flags(buf, sizeof(buf), 0);
	assert_string_equal(buf, "-");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(line_of_fault),
	cmocka_unit_test(line_of_fault_reused),
	cmocka_unit_test(line_of_fault_barely_read),
	cmocka_unit_test(line_of_forks),
	cmocka_unit_test(line_of_early_copy),
	cmocka_unit_test(line_of_clear_refs),
	cmocka_unit_test(line_of_uffd_wp),
	cmocka_unit_test(line_of_pagemap_scan),
	cmocka_unit_test(line_of_wrprotect),
	cmocka_unit_test(line_of_pins),
		cmocka_unit_test(line_of_mirror),
	cmocka_unit_test(line_of_mark),
	cmocka_unit_test(line_of_unknown_event),
	cmocka_unit_test(line_of_full_comm),
	cmocka_unit_test(line_without_controls),
	cmocka_unit_test(line_of_large_numbers),
	cmocka_unit_test(no_overflow),
	cmocka_unit_test(names),
	cmocka_unit_test(flags),
};

GROUP(format, tests);
