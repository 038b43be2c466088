// SPDX-License-Identifier: GPL-2.0
/* cowscope page: the state of pages, and what a write would do to them. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "device.h"
#include "format.h"
#include "number.h"
#include "output.h"
#include "rules.h"

/* Pages asked for in one go. */
#define CHUNK	1024

struct text {
	char buf[512];
	size_t length;
};

static void append(struct text *t, const char *format, ...) __printf(2, 3);

static void append(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->buf + t->length, sizeof(t->buf) - t->length, format, args);
	va_end(args);
	if (n > 0)
		t->length += n;
	if (t->length > sizeof(t->buf) - 1)
		t->length = sizeof(t->buf) - 1;
}

static s32 unexplained(const struct cowscope_page *p)
{
	if (p->explained == COWSCOPE_COUNT_NA || p->refcount == COWSCOPE_COUNT_NA)
		return COWSCOPE_COUNT_NA;
	return p->refcount > p->explained ? p->refcount - p->explained : 0;
}

static const char *plural(s32 n)
{
	return n == 1 ? "" : "s";
}

/* Whose the references are. */
static void explain_references(struct text *t, const struct cowscope_page *p)
{
	s32 cache = cowscope_cached(p->state & ~COWSCOPE_STATE_MAPPING);
	s32 file = cowscope_cached(p->state & ~COWSCOPE_STATE_SWAPCACHE);
	s32 private = !!(p->state & COWSCOPE_STATE_PRIVATE);
	s32 lru = cowscope_lru_cached(p->state);
	s32 more = unexplained(p);
	s32 held;

	append(t, "%d reference%s", p->refcount, plural(p->refcount));
	if (more == COWSCOPE_COUNT_NA)
		return;
	held = p->explained - p->folio_mapcount - cache - file - private - lru;
	append(t, ": %d mapping%s", p->folio_mapcount, plural(p->folio_mapcount));
	if (cache)
		append(t, ", %d swap cache", cache);
	if (file)
		append(t, ", %d page cache", file);
	if (private)
		append(t, ", 1 file system");
	if (p->holders)
		append(t, ", %d of %u held through cowscope", held, p->holders);
	/* Not on an LRU list: one may be of a per-CPU cache of pages to be put there. */
	if (lru && p->refcount >= p->explained)
		append(t, ", 1 LRU cache");
	if (more)
		append(t, ", %d unexplained (a FOLL_GET holder or a passing lookup)", more);
}

static void explain_write(struct text *t, u8 would, enum cowscope_rule in_force)
{
	const char *before = "a write would ";
	unsigned int rule, decision;

	if (would == (COWSCOPE_COPY | COWSCOPE_COPY << 2 | COWSCOPE_COPY << 4)) {
		append(t, "a write would copy under every rule");
		return;
	}
	for (rule = 0; rule < COWSCOPE_RULES; rule++) {
		decision = COWSCOPE_RULES_WOULD(would, rule);
		if (!decision)
			continue;
		append(t, "%s%s under %s%s", before, cowscope_decision_name(decision),
		       cowscope_rule_name(rule), rule == in_force ? " (in force here)" : "");
		before = ", ";
	}
	if (!would)
		append(t, "what a write would do hangs on what cannot be read");
}

/* One page in plain words. */
static void explain(struct text *t, const struct cowscope_page *p, u8 would,
		    const struct cowscope_info *info)
{
	switch (COWSCOPE_STATE_KIND(p->state)) {
	case COWSCOPE_KIND_ZERO:
		append(t, "the zero page, which everybody shares");
		break;
	case COWSCOPE_KIND_PFN:
		append(t, "memory without a struct page");
		break;
	default:
		explain_references(t, p);
	}
	append(t, "; ");
	if (p->pte & COWSCOPE_PTE_WRITE)
		append(t, "writable, a write does not fault");
	else if (p->state & COWSCOPE_STATE_SHARED_VMA)
		append(t, "shared, a write goes to the page itself");
	else
		explain_write(t, would, info->rule);
}

static u8 would_all(const struct cowscope_page *p, const struct cowscope_info *info)
{
	const struct cowscope_rule_in_force k = { .rule = info->rule, .large = info->large_rule };
	const struct cowscope_counts c = {
		.state = p->state,
		.refcount = p->refcount,
		.mapcount = p->mapcount,
		.folio_mapcount = p->folio_mapcount,
		.pincount = p->pincount,
		.held_own = p->holders,
		.holder = p->holder,
	};

	return cowscope_would_all(&c, &k);
}

static void print_json(const struct cowscope_page *p, u8 would, const char *reason)
{
	struct json_object *object = state_json(p);
	unsigned int rule;
	char key[32];

	json_add_count(object, "unexplained", unexplained(p));
	for (rule = 0; rule < COWSCOPE_RULES; rule++) {
		snprintf(key, sizeof(key), "%s_rule", cowscope_rule_name(rule));
		json_add_word(object, key,
			      cowscope_decision_name(COWSCOPE_RULES_WOULD(would, rule)));
	}
	json_add(object, "reason", reason);
	json_print(object);
}

static void count_cell(struct table *t, s32 count)
{
	if (count == COWSCOPE_COUNT_NA)
		table_cell(t, COLOR_NONE, "-");
	else
		table_cell(t, COLOR_NONE, "%d", count);
}

static void page_row(struct table *t, const struct cowscope_page *p, const char *reason)
{
	char flags[128], pte[8];
	s32 more = unexplained(p);

	cowscope_page_flags(flags, sizeof(flags), p->state);
	cowscope_pte_flags(pte, sizeof(pte), p->pte);
	table_cell(t, COLOR_BOLD, "0x%llx", (unsigned long long)p->addr);
	table_cell(t, COLOR_NONE, "0x%llx", (unsigned long long)COWSCOPE_PTE_PFN(p->pte));
	table_cell(t, COLOR_NONE, "%s", pte);
	table_cell(t, COLOR_NONE, "%s", cowscope_kind_name(COWSCOPE_STATE_KIND(p->state)));
	table_cell(t, COLOR_NONE, "%u", COWSCOPE_STATE_ORDER(p->state));
	count_cell(t, p->refcount);
	count_cell(t, p->mapcount);
	table_cell(t, COLOR_NONE, "%s", cowscope_tri_name(COWSCOPE_STATE_EXCLUSIVE(p->state)));
	table_cell(t, COLOR_NONE, "%s", cowscope_tri_name(COWSCOPE_STATE_PINNED(p->state)));
	table_cell(t, COLOR_NONE, "%u", p->holders);
	if (more == COWSCOPE_COUNT_NA)
		table_cell(t, COLOR_NONE, "-");
	else
		table_cell(t, more ? COLOR_WARN : COLOR_NONE, "%d", more);
	table_cell(t, COLOR_NONE, "%s", flags);
	table_line(t, "    %s", reason);
}

/* Pages in a row that are not there. */
struct gap {
	u64 addr;
	u64 pages;
};

static void end_gap(struct gap *gap)
{
	struct json_object *object;

	if (!gap->pages)
		return;
	if (output.json) {
		object = json_object_new_object();
		json_add_hex(object, "addr", gap->addr);
		json_object_object_add(object, "pfn", NULL);
		json_add_number(object, "pages", gap->pages);
		json_print(object);
	} else {
		printf("0x%llx  %llu page%s not present\n", (unsigned long long)gap->addr,
		       (unsigned long long)gap->pages, gap->pages == 1 ? "" : "s");
	}
	gap->pages = 0;
}

static void show(const struct cowscope_page *page, u64 count, struct gap *gap,
		 const struct cowscope_info *info)
{
	struct table *t = NULL;
	u64 i;

	for (i = 0; i < count; i++) {
		const struct cowscope_page *p = &page[i];
		u8 would = would_all(p, info);
		struct text reason = { .length = 0 };

		if (!(p->pte & COWSCOPE_PTE_PRESENT)) {
			if (t)
				table_print(t);
			t = NULL;
			if (!gap->pages++)
				gap->addr = p->addr;
			continue;
		}
		end_gap(gap);
		explain(&reason, p, would, info);
		if (output.json) {
			print_json(p, would, reason.buf);
			continue;
		}
		if (!t)
			t = table_new("addr pfn pte kind >order >refs >maps excl pin >held >unexpl flags");
		page_row(t, p, reason.buf);
	}
	if (t)
		table_print(t);
}

static int pages(const struct device *d, u32 pid, u64 addr, u64 length)
{
	struct cowscope_page *page = calloc(CHUNK, sizeof(*page));
	u64 page_size = sysconf(_SC_PAGESIZE);
	u64 end = addr + length;
	struct gap gap = { 0 };
	int err = 0;

	if (!page)
		return fail("out of memory");
	for (addr -= addr % page_size; !err && addr < end;) {
		u64 left = (end - addr - 1) / page_size + 1;
		struct cowscope_page_state arg = {
			.size = sizeof(arg), .pid = pid, .addr = addr,
			.count = left < CHUNK ? left : CHUNK, .pages = (uintptr_t)page,
		};

		err = device_ioctl(d, COWSCOPE_PAGE_STATE, &arg);
		if (err || !arg.count)
			break;
		show(page, arg.count, &gap, &d->info);
		addr += arg.count * page_size;
	}
	end_gap(&gap);
	free(page);
	switch (-err) {
	case 0:
		return EXIT_SUCCESS;
	case ESRCH:
		return fail("no process %u, or one without memory", pid);
	case EPERM:
	case EACCES:
		return fail("no access to the memory of process %u: run as root", pid);
	}
	return fail("process %u, address 0x%llx: %s", pid, (unsigned long long)addr,
		    strerror(-err));
}

int cmd_page(int argc, char **argv)
{
	u64 pid, addr, length = 1;
	struct device d;
	int err, status;

	if (next_option(argc, argv, "", NULL) != -1 || argc - optind < 2 || argc - optind > 3)
		usage_error("PID and ADDRESS are needed");
	argv += optind;
	if (!number_parse(argv[0], false, &pid) || !pid || pid > 0x7fffffff)
		usage_error("'%s' is no process id", argv[0]);
	if (!number_parse(argv[1], false, &addr))
		usage_error("'%s' is no address: give it in decimal, or as 0x...", argv[1]);
	if (argc - optind == 3 && (!number_parse(argv[2], true, &length) || !length))
		usage_error("'%s' is no length: give bytes, or a number with K, M or G", argv[2]);
	if (addr + length < addr)
		usage_error("the range ends beyond the last address");

	err = device_open(&d);
	if (err)
		return fail("%s", device_error(err));
	status = pages(&d, pid, addr, length);
	device_close(&d);
	return finish(status);
}
