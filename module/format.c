// SPDX-License-Identifier: GPL-2.0
/* A record as text. Pure C: the module and the command compile this file. */
#include "format.h"
#include "text.h"

/* One value as text; the longest is a page's flags, all of them. */
#define VALUE_MAX	112

/* What is no pin is a reference; no flag says so. */
#define PIN_GET		(1U << 31)

static const struct flag {
	u32 bit;
	const char *name;
} page_flags[] = {
	{ COWSCOPE_STATE_LRU, "lru" },
	{ COWSCOPE_STATE_SWAPCACHE, "swapcache" },
	{ COWSCOPE_STATE_LOCKED, "locked" },
	{ COWSCOPE_STATE_WRITEBACK, "writeback" },
	{ COWSCOPE_STATE_PRIVATE, "private" },
	{ COWSCOPE_STATE_MAPPING, "pagecache" },
	{ COWSCOPE_STATE_SHARED_VMA, "shared" },
	{ COWSCOPE_STATE_MM_PINNED, "mm_pinned" },
	{ COWSCOPE_STATE_MM_SHARED, "mm_shared" },
	{ COWSCOPE_STATE_REMOTE, "remote" },
	{ COWSCOPE_STATE_SWAPIN, "swapin" },
}, pin_flags[] = {
	{ PIN_GET, "get" },
	{ COWSCOPE_PIN_FOLL_PIN, "pin" },
	{ COWSCOPE_PIN_WRITE, "write" },
	{ COWSCOPE_PIN_LONGTERM, "longterm" },
	{ COWSCOPE_PIN_FAST, "fast" },
	{ COWSCOPE_PIN_SPECULATIVE, "speculative" },
	{ COWSCOPE_PIN_MIRROR, "mirror" },
	{ COWSCOPE_PIN_MIRROR_KEEP, "keep" },
};

/* As text_make_safe() does it; at most @n bytes. */
static void put_safe(struct text *t, const char *bytes, size_t n)
{
	const char *end = bytes + n;

	while (bytes < end && *bytes) {
		size_t control = text_control(bytes, end - bytes);

		text_char(t, control ? '?' : *bytes);
		bytes += control ? control : 1;
	}
}

static void put_flags(struct text *t, const struct flag *flag, size_t flags, u32 bits)
{
	const char *comma = "";
	size_t i;

	for (i = 0; i < flags; i++) {
		if (!(bits & flag[i].bit))
			continue;
		text_put(t, comma);
		text_put(t, flag[i].name);
		comma = ",";
	}
	if (!*comma)
		text_put(t, "-");
}

size_t cowscope_page_flags(char *buf, size_t size, u32 state)
{
	struct text t = text_begin(buf, size);

	put_flags(&t, page_flags, ARRAY_SIZE(page_flags), state);
	return text_end(&t, buf, size);
}

static void put_pfn(struct text *t, u64 pte)
{
	char hex[TEXT_NUMBER];

	if (!(pte & COWSCOPE_PTE_READ))
		text_put(t, "-");
	else if (!(pte & COWSCOPE_PTE_PRESENT))
		text_put(t, "none");
	else
		text_put(t, text_hex(hex, COWSCOPE_PTE_PFN(pte)));
}

static void put_pte(struct text *t, u64 pte)
{
	if (!(pte & COWSCOPE_PTE_READ)) {
		text_put(t, "-");
		return;
	}
	text_char(t, pte & COWSCOPE_PTE_WRITE ? 'w' : '.');
	text_char(t, pte & COWSCOPE_PTE_DIRTY ? 'd' : '.');
	text_char(t, pte & COWSCOPE_PTE_SOFT_DIRTY ? 's' : '.');
	text_char(t, pte & COWSCOPE_PTE_UFFD_WP ? 'u' : '.');
}

size_t cowscope_pte_flags(char *buf, size_t size, u64 pte)
{
	struct text t = text_begin(buf, size);

	put_pte(&t, pte);
	return text_end(&t, buf, size);
}

/* Where the fields of one record go. */
struct sink {
	const struct cowscope_record *r;
	cowscope_emit emit;
	void *ctx;
};

static void add_word(const struct sink *s, const char *key, const char *value)
{
	s->emit(s->ctx, key, value, false);
}

static void add_number(const struct sink *s, const char *key, s64 value)
{
	char text[TEXT_NUMBER];

	s->emit(s->ctx, key, text_signed(text, value), true);
}

/* One that may need all of its 64 bits. */
static void add_count(const struct sink *s, const char *key, u64 value)
{
	char text[TEXT_NUMBER];

	s->emit(s->ctx, key, text_decimal(text, value, 1), true);
}

static void add_optional(const struct sink *s, const char *key, s64 value, s64 absent)
{
	if (value == absent)
		add_word(s, key, "-");
	else
		add_number(s, key, value);
}

static void add_hex(const struct sink *s, const char *key, u64 value)
{
	char text[TEXT_NUMBER];

	add_word(s, key, text_hex(text, value));
}

static void add_flags(const struct sink *s, const char *key, const struct flag *flag, size_t n,
		  u32 bits)
{
	char buf[VALUE_MAX];
	struct text t = text_begin(buf, sizeof(buf));

	put_flags(&t, flag, n, bits);
	text_end(&t, buf, sizeof(buf));
	add_word(s, key, buf);
}

/* "before->after", or one of them where the other says nothing new. */
static void add_change(const struct sink *s, const char *key, void (*show)(struct text *t, u64 pte),
		   bool both)
{
	char buf[VALUE_MAX], after[VALUE_MAX];
	struct text t = text_begin(buf, sizeof(buf)), a = text_begin(after, sizeof(after));

	show(&t, s->r->before);
	text_end(&t, buf, sizeof(buf));
	if (both && s->r->after & COWSCOPE_PTE_READ) {
		show(&a, s->r->after);
		text_end(&a, after, sizeof(after));
		if (strcmp(buf, after)) {
			text_put(&t, "->");
			text_put(&t, after);
			text_end(&t, buf, sizeof(buf));
		}
	}
	add_word(s, key, buf);
}

/* Of the page itself, however it is mapped. */
static void add_state(const struct sink *s)
{
	const struct cowscope_record *r = s->r;

	add_word(s, "kind", cowscope_kind_name(COWSCOPE_STATE_KIND(r->state)));
	add_number(s, "order", COWSCOPE_STATE_ORDER(r->state));
	add_optional(s, "refcount", r->refcount, COWSCOPE_COUNT_NA);
	add_optional(s, "mapcount", r->mapcount, COWSCOPE_COUNT_NA);
	add_word(s, "exclusive", cowscope_tri_name(COWSCOPE_STATE_EXCLUSIVE(r->state)));
	add_word(s, "pinned", cowscope_tri_name(COWSCOPE_STATE_PINNED(r->state)));
	add_flags(s, "page_flags", page_flags, ARRAY_SIZE(page_flags), r->state);
}

/* Of a page as it was found mapped. */
static void add_page(const struct sink *s, bool both)
{
	add_word(s, "level", cowscope_level_name(COWSCOPE_STATE_LEVEL(s->r->state)));
	add_hex(s, "addr", s->r->addr);
	add_change(s, "pfn", put_pfn, both);
	add_change(s, "pte", put_pte, both);
	add_state(s);
}

static void add_cow_fault(const struct sink *s)
{
	static const char *const keys[COWSCOPE_RULES] = {
		[COWSCOPE_RULE_MAPCOUNT] = "mapcount_rule",
		[COWSCOPE_RULE_PAGE_COUNT] = "page_count_rule",
		[COWSCOPE_RULE_EXCLUSIVE] = "exclusive_rule",
	};
	const struct cowscope_record *r = s->r;
	unsigned int rule;

	add_page(s, true);
	add_word(s, "decision", cowscope_decision_name(COWSCOPE_OUTCOME_DECISION(r->outcome)));
	add_word(s, "predicted", cowscope_decision_name(COWSCOPE_OUTCOME_PREDICTED(r->outcome)));
	add_word(s, "verdict", cowscope_verdict_name(r->verdict));
	add_word(s, "otherwise", cowscope_verdict_name(COWSCOPE_STATE_OTHERWISE(r->state)));
	add_optional(s, "holder", r->holder, 0);
	for (rule = 0; rule < COWSCOPE_RULES; rule++)
		add_word(s, keys[rule],
		     cowscope_decision_name(COWSCOPE_RULES_WOULD(r->rules, rule)));
	add_hex(s, "ret", r->ret);
	add_number(s, "ns", r->duration);
}

/* Of a whole operation: the addresses, if it had a range. */
static void add_range(const struct sink *s)
{
	char buf[2 * TEXT_NUMBER], hex[TEXT_NUMBER];
	struct text t = text_begin(buf, sizeof(buf));

	text_put(&t, text_hex(hex, s->r->start));
	text_char(&t, '-');
	text_put(&t, text_hex(hex, s->r->end));
	text_end(&t, buf, sizeof(buf));
	add_word(s, "addr", buf);
}

static void add_end(const struct sink *s)
{
	add_optional(s, "error", s->r->error, 0);
	add_count(s, "ns", s->r->op_duration);
}

static void add_copied(const struct sink *s)
{
	add_number(s, "pages", s->r->seen);
	add_number(s, "shared", (s64)s->r->seen - s->r->changed);
	add_number(s, "copied", s->r->changed);
	add_number(s, "splits", s->r->pinned);
	add_end(s);
}

static void add_fork(const struct sink *s)
{
	add_optional(s, "child", s->r->target, 0);
	add_number(s, "vmas", s->r->held);
	add_copied(s);
}

static void add_fork_range(const struct sink *s)
{
	add_range(s);
	add_copied(s);
}

static void add_counts(const struct sink *s, const char *changed, const char *pinned)
{
	add_number(s, "pages", s->r->seen);
	add_number(s, changed, s->r->changed);
	add_number(s, pinned, s->r->pinned);
	add_number(s, "held", s->r->held);
	if (s->r->type == COWSCOPE_EVENT_CLEAR_REFS) {
		add_number(s, "wrongly_left", s->r->wrongly_left);
		add_number(s, "wrongly_cleared", s->r->wrongly_cleared);
		add_number(s, "soft_dirty", s->r->soft_dirty);
	}
	add_word(s, "partial", s->r->op_flags & COWSCOPE_OP_PARTIAL ? "yes" : "no");
	add_word(s, "mmap_lock", cowscope_lock_name(s->r->op_lock));
	add_end(s);
}

static void add_clear_refs(const struct sink *s)
{
	add_number(s, "target", s->r->target);
	add_word(s, "type", cowscope_clear_refs_name(s->r->arg));
	add_counts(s, "wrprotected", "skipped_pinned");
}

static void add_uffd_wp(const struct sink *s)
{
	add_number(s, "target", s->r->target);
	add_word(s, "type", cowscope_uffd_wp_name(s->r->arg));
	add_range(s);
	add_counts(s, "changed", "pinned");
}

static void add_pagemap_scan(const struct sink *s)
{
	add_number(s, "target", s->r->target);
	add_range(s);
	add_counts(s, "wrprotected", "pinned");
}

static void add_holder(const struct sink *s)
{
	u32 bits = s->r->flags & ~PIN_GET;

	if (!(bits & (COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_SPECULATIVE | COWSCOPE_PIN_MIRROR)) ||
	    bits & COWSCOPE_PIN_MIRROR_GET)
		bits |= PIN_GET;
	add_number(s, "id", s->r->holder);
	add_flags(s, "flags", pin_flags, ARRAY_SIZE(pin_flags), bits);
}

static void add_mirror(const struct sink *s)
{
	add_number(s, "id", s->r->mirror);
	add_word(s, "reason", cowscope_invalidation_name(s->r->arg));
	add_number(s, "target", s->r->target);
	add_range(s);
	add_number(s, "pages", s->r->seen);
	add_number(s, "dropped", s->r->changed);
	add_number(s, "kept", s->r->held);
	add_end(s);
}

static void add_mark(const struct sink *s)
{
	char buf[sizeof(s->r->text) + 1];
	struct text t = text_begin(buf, sizeof(buf));

	put_safe(&t, s->r->text, sizeof(s->r->text));
	text_end(&t, buf, sizeof(buf));
	add_word(s, "text", buf);
}

void cowscope_fields(const struct cowscope_record *r, cowscope_emit emit, void *ctx)
{
	const struct sink s = { r, emit, ctx };

	switch (r->type) {
	case COWSCOPE_EVENT_COW_FAULT:
		add_cow_fault(&s);
		break;
	case COWSCOPE_EVENT_FORK:
		add_fork(&s);
		break;
	case COWSCOPE_EVENT_FORK_RANGE:
		add_fork_range(&s);
		break;
	case COWSCOPE_EVENT_EARLY_COPY:
		add_page(&s, true);
		add_optional(&s, "holder", r->holder, 0);
		break;
	case COWSCOPE_EVENT_CLEAR_REFS:
		add_clear_refs(&s);
		break;
	case COWSCOPE_EVENT_UFFD_WP:
		add_uffd_wp(&s);
		break;
	case COWSCOPE_EVENT_PAGEMAP_SCAN:
		add_pagemap_scan(&s);
		break;
	case COWSCOPE_EVENT_WRPROTECT:
		add_word(&s, "source", cowscope_source_name(r->source));
		add_word(&s, "mmap_lock", cowscope_lock_name(r->lock));
		add_page(&s, false);
		add_optional(&s, "holder", r->holder, 0);
		break;
	case COWSCOPE_EVENT_PIN:
	case COWSCOPE_EVENT_UNPIN:
		add_holder(&s);
		add_count(&s, "pages", r->pages);
		add_hex(&s, "addr", r->addr);
		add_change(&s, "pfn", put_pfn, false);
		add_state(&s);
		break;
	case COWSCOPE_EVENT_PIN_LOST:
		add_holder(&s);
		add_hex(&s, "addr", r->addr);
		add_change(&s, "pfn", put_pfn, true);
		break;
	case COWSCOPE_EVENT_MIRROR:
		add_mirror(&s);
		break;
	case COWSCOPE_EVENT_MARK:
		add_mark(&s);
		break;
	}
}

static void put_field(void *ctx, const char *key, const char *value, bool is_number)
{
	text_char(ctx, ' ');
	text_put(ctx, key);
	text_char(ctx, '=');
	text_put(ctx, value);
}

/* "-PID [CPU] SECONDS: EVENT:", as ftrace has it. */
static void put_head(struct text *t, const struct cowscope_record *r)
{
	u64 us = r->ts / 1000;
	char digits[TEXT_NUMBER];

	text_char(t, '-');
	text_put(t, text_decimal(digits, r->pid, 1));
	text_put(t, " [");
	text_put(t, text_decimal(digits, r->cpu, 3));
	text_put(t, "] ");
	text_put(t, text_decimal(digits, us / 1000000, 1));
	text_char(t, '.');
	text_put(t, text_decimal(digits, us % 1000000, 6));
	text_put(t, ": ");
	text_put(t, cowscope_event_name(r->type));
	text_char(t, ':');
}

size_t cowscope_format(char *buf, size_t size, const struct cowscope_record *r, const char *comm)
{
	struct text t = text_begin(buf, size);

	if (comm)
		put_safe(&t, comm, 16);
	else
		text_put(&t, "<...>");
	put_head(&t, r);
	cowscope_fields(r, put_field, &t);
	return text_end(&t, buf, size);
}
