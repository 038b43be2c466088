// SPDX-License-Identifier: GPL-2.0
/* A page, those who map and hold it, and what steps do to them. */
#include "model.h"

#include "format.h"
#include "rules.h"

enum { PARENT, CHILD, PROCESSES };

#define HUGE_ORDER	9
#define HUGE_PAGES	(1 << HUGE_ORDER)
#define NOTHING		(-1)
#define PAGES		8	/* each step makes one at most */

/* What the story is about: the first page of a folio. */
struct page {
	u32 kind;		/* enum cowscope_kind */
	u32 order;
	u32 cached;		/* COWSCOPE_STATE_MAPPING or _SWAPCACHE, or 0 */
	bool exclusive;
	s32 refs;		/* what holders add to the refcount */
	s32 pins;
	char text;
};

struct process {
	int page;		/* mapped at the address, or NOTHING */
	int rest;		/* the other pages that it maps are of this folio */
	s32 rest_count;
	bool by_pmd;
	bool writable;		/* the entry */
	bool ever_pinned;	/* MMF_HAS_PINNED */
};

struct holder {
	const char *name;
	bool pin, write, longterm;
	bool known;		/* to cowscope's registry */
};

static const struct holder holders[] = {
	{ .name = "get_ro", .known = true },
	{ .name = "get_rw", .write = true, .known = true },
	{ .name = "pin_ro", .pin = true, .known = true },
	{ .name = "pin_rw", .pin = true, .write = true, .known = true },
	{ .name = "pin_ro_longterm", .pin = true, .longterm = true, .known = true },
	{ .name = "pin_rw_longterm", .pin = true, .write = true, .longterm = true, .known = true },
	{ .name = "vmsplice" },
	{ .name = "uring_fixed", .pin = true, .write = true, .longterm = true },
	{ .name = "vm_readv", .pin = true },
};

/* What the rule leaves open, tried one way and the other. */
enum { OPEN_DECISION = 1, OPEN_WRITABLE = 2, OPENS = 4 };

struct model {
	const struct model_kernel *k;
	unsigned int open;
	struct page page[PAGES];
	int pages;
	struct process process[PROCESSES];
	bool anon_vma, shared, hugetlb;
	bool swapped;		/* counts hang on the swap cache */
	const struct holder *holder;	/* the story's only one, or NULL */
	int held, held_by;
	bool early_copy;
	enum cowscope_decision decision;	/* of the last write */
	struct cowscope_counts at;		/* when it was made */
	char saw;
};

static int new_page(struct model *m, const struct page *like)
{
	struct page *page = &m->page[m->pages];

	*page = *like;
	page->refs = 0;
	page->pins = 0;
	page->cached = 0;
	page->exclusive = m->k->rule == COWSCOPE_RULE_EXCLUSIVE;
	if (page->kind != COWSCOPE_KIND_HUGETLB) {
		page->kind = COWSCOPE_KIND_ANON;
		page->order = 0;
	}
	m->anon_vma = true;
	return m->pages++;
}

static bool is_anon(const struct page *page)
{
	return page->kind == COWSCOPE_KIND_ANON ||
	       (page->kind == COWSCOPE_KIND_HUGETLB && !page->cached);
}

static bool departs(const struct model *m, enum model_departure departure)
{
	return m->k->departures >> departure & 1;
}

/* What the module would read of a page when a process writes to it. */
static struct cowscope_counts observe(const struct model *m, const struct process *p)
{
	const struct page *page = &m->page[p->page];
	struct cowscope_counts c = { .mapcount = 0, .pincount = COWSCOPE_COUNT_NA };
	enum cowscope_tri exclusive = page->exclusive ? COWSCOPE_YES : COWSCOPE_NO;
	enum cowscope_level level = COWSCOPE_LEVEL_PTE;
	s32 held = 0;
	int i, mms = 0;

	for (i = 0; i < PROCESSES; i++) {
		const struct process *o = &m->process[i];
		bool maps = o->page == p->page, rest = o->rest == p->page && o->rest_count;

		c.mapcount += maps;
		c.folio_mapcount += maps + (rest ? o->rest_count : 0);
		mms += maps || rest;
	}
	if (m->hugetlb)
		level = COWSCOPE_LEVEL_HUGETLB;
	else if (p->by_pmd)
		level = COWSCOPE_LEVEL_PMD;
	if (m->k->rule != COWSCOPE_RULE_EXCLUSIVE)
		exclusive = COWSCOPE_NA;

	c.state = page->kind | page->order << COWSCOPE_STATE_ORDER_SHIFT |
		  level << COWSCOPE_STATE_LEVEL_SHIFT | page->cached | COWSCOPE_STATE_LRU |
		  exclusive << COWSCOPE_STATE_EXCLUSIVE_SHIFT |
		  (page->pins ? COWSCOPE_YES : COWSCOPE_NO) << COWSCOPE_STATE_PINNED_SHIFT |
		  (m->shared ? COWSCOPE_STATE_SHARED_VMA : 0) |
		  (page->order && mms > 1 ? COWSCOPE_STATE_MM_SHARED : 0);
	c.refcount = c.folio_mapcount + cowscope_cached(c.state) + page->refs;
	if (page->order)
		c.pincount = page->pins;
	if (m->holder && m->holder->known && m->held == p->page) {
		held = 1;
		c.held_refs = page->refs;
		c.folio_pins = page->pins;
	}
	c.held = held;
	c.held_pins = held && m->holder->pin;
	c.held_own = held && m->held_by == p - m->process;
	c.held_other = held && !c.held_own;
	return c;
}

/*
 * What is decided at the level of the entry. The rule is its criterion at every
 * level; that of rules.c, which kernels follow there, is a departure from it.
 */
static enum cowscope_decision decide(struct model *m, const struct cowscope_counts *c)
{
	const struct cowscope_rule_in_force how = {
		.rule = m->k->rule,
		.large = m->k->large,
		.pmd = departs(m, MODEL_PMD_BY_MAPCOUNT) ? COWSCOPE_RULE_MAPCOUNT : m->k->rule,
		.huge_zero = COWSCOPE_EITHER,
	};
	enum cowscope_decision d;

	if (m->shared)
		return COWSCOPE_REUSE;
	if (m->hugetlb && !departs(m, MODEL_HUGETLB_BY_MAPCOUNT))
		d = cowscope_would_all(c, &how) >> 2 * how.rule & 3;
	else
		d = cowscope_predict(c, &how);
	if (d == COWSCOPE_COPY || d == COWSCOPE_REUSE || d == COWSCOPE_SPLIT)
		return d;
	return m->open & OPEN_DECISION ? COWSCOPE_COPY : COWSCOPE_REUSE;
}

static void split(struct process *p)
{
	p->by_pmd = false;
	p->rest = p->page;
	p->rest_count = HUGE_PAGES - 1;
}

/* A fault on a page that is not writable; to unshare leaves it so. */
static void fault(struct model *m, struct process *p, bool unshare)
{
	struct cowscope_counts c = observe(m, p);
	enum cowscope_decision d = decide(m, &c);

	if (d == COWSCOPE_SPLIT) {
		split(p);
		c = observe(m, p);
		d = decide(m, &c);
	}
	if (d == COWSCOPE_COPY)
		p->page = new_page(m, &m->page[p->page]);
	else if (m->k->rule == COWSCOPE_RULE_EXCLUSIVE && !m->shared)
		m->page[p->page].exclusive = true;
	p->writable = !unshare;
	m->decision = d;
	m->at = c;
}

/* Maps the page if nothing is mapped: what a read fault does. */
static void touch(struct model *m, struct process *p)
{
	if (p->page != NOTHING)
		return;
	/* What is faulted in and not copied by fork is what map() left there. */
	p->page = 0;
	p->writable = m->shared;
}

static void write(struct model *m, struct process *p, char text)
{
	m->decision = COWSCOPE_DECISION_NONE;
	touch(m, p);
	if (!p->writable)
		fault(m, p, false);
	m->page[p->page].text = text;
}

static void hold(struct model *m, struct process *p, const struct holder *holder)
{
	const bool unshares = m->k->rule == COWSCOPE_RULE_EXCLUSIVE && holder->pin;
	const struct page *page;

	touch(m, p);
	page = &m->page[p->page];
	if (holder->write && !p->writable)
		fault(m, p, false);
	else if (unshares && is_anon(page) && !page->exclusive)
		fault(m, p, true);
	else if (unshares && holder->longterm && !is_anon(page) && !m->shared &&
		 !departs(m, MODEL_LONGTERM_NOT_UNSHARED))
		fault(m, p, true);

	m->holder = holder;
	m->held = p->page;
	m->held_by = p - m->process;
	m->page[p->page].pins += holder->pin;
	m->page[p->page].refs += holder->pin && !m->page[p->page].order ?
				 COWSCOPE_PIN_REFERENCES : 1;
	p->ever_pinned |= holder->pin;
}

/* fork() copies at once what may be pinned, and leaves the parent's as it is. */
static void fork_process(struct model *m)
{
	struct process *p = &m->process[PARENT], *c = &m->process[CHILD];
	struct page *page = &m->page[p->page];

	/* Without an anon_vma there is nothing that a fault could not find again. */
	if (m->shared || !m->anon_vma)
		return;
	if (p->ever_pinned && page->pins && is_anon(page) &&
	    (page->exclusive || m->k->rule != COWSCOPE_RULE_EXCLUSIVE) &&
	    !(m->hugetlb && departs(m, MODEL_FORK_SHARES_HUGETLB))) {
		if (p->by_pmd)
			split(p);
		c->page = new_page(m, page);
		c->writable = true;
		m->early_copy = true;
		return;
	}
	page->exclusive = false;
	p->writable = false;
	*c = *p;
	c->ever_pinned = false;
}

static void clear_refs(struct model *m, struct process *p)
{
	/* There is no pte_is_pinned() for a PMD, and no hugetlb_entry at all. */
	if (m->hugetlb)
		return;
	if (p->writable && m->page[p->page].pins && p->ever_pinned && !m->shared &&
	    !(p->by_pmd && departs(m, MODEL_CLEAR_REFS_PINNED_PMD)))
		return;
	p->writable = false;
}

/* The protection is lifted: an exclusive page may be made writable at once. */
static void unprotect(struct model *m, struct process *p)
{
	if (m->open & OPEN_WRITABLE && (m->page[p->page].exclusive || m->shared))
		p->writable = true;
}

/* Who is pinned is not reclaimed; who is held otherwise stays in the swap cache. */
static void swap_out(struct model *m, struct process *p)
{
	struct page *page = &m->page[p->page];

	if (page->pins)
		return;
	m->swapped = true;
	p->writable = m->open & OPEN_WRITABLE && page->exclusive;
	if (page->refs)
		page->cached = COWSCOPE_STATE_SWAPCACHE;
}

static void unmap(struct process *p)
{
	*p = (struct process){ .page = NOTHING, .rest = NOTHING };
}

static bool map(struct model *m, const char *kind)
{
	static const struct {
		const char *name;
		struct page page;
		bool by_ptes, by_pmd, hugetlb, shared, file;
	} kinds[] = {
		{ .name = "small", .page = { .kind = COWSCOPE_KIND_ANON } },
		{ .name = "pmd", .by_pmd = true,
		  .page = { .kind = COWSCOPE_KIND_ANON, .order = HUGE_ORDER } },
		{ .name = "pte", .by_ptes = true,
		  .page = { .kind = COWSCOPE_KIND_ANON, .order = HUGE_ORDER } },
		{ .name = "hugetlb", .hugetlb = true,
		  .page = { .kind = COWSCOPE_KIND_HUGETLB, .order = HUGE_ORDER } },
		{ .name = "file", .file = true,
		  .page = { .kind = COWSCOPE_KIND_SHMEM, .cached = COWSCOPE_STATE_MAPPING } },
		{ .name = "shared", .file = true, .shared = true,
		  .page = { .kind = COWSCOPE_KIND_SHMEM, .cached = COWSCOPE_STATE_MAPPING } },
		{ .name = "zero", .file = true, .page = { .kind = COWSCOPE_KIND_ZERO } },
	};
	struct process *p = &m->process[PARENT];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds) && strcmp(kinds[i].name, kind); i++)
		;
	if (i == ARRAY_SIZE(kinds))
		return false;
	m->page[0] = kinds[i].page;
	m->page[0].text = '0';
	m->page[0].exclusive = !kinds[i].file && m->k->rule == COWSCOPE_RULE_EXCLUSIVE;
	m->pages = 1;
	m->hugetlb = kinds[i].hugetlb;
	m->shared = kinds[i].shared;
	m->anon_vma = !kinds[i].file;
	unmap(p);
	unmap(&m->process[CHILD]);
	p->page = 0;
	p->writable = !kinds[i].file || kinds[i].shared;
	p->by_pmd = kinds[i].by_pmd;
	if (kinds[i].by_ptes)
		split(p);
	return true;
}

static const struct holder *find_holder(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(holders); i++)
		if (!strcmp(holders[i].name, name))
			return &holders[i];
	return NULL;
}

/* Is it that verb? @argument is what follows it then. */
static bool is(const char *step, const char *verb, const char **argument)
{
	size_t length = strlen(verb);

	if (strncmp(step, verb, length) || (step[length] && step[length] != ' '))
		return false;
	*argument = step + length + (step[length] == ' ');
	return true;
}

static bool take(struct model *m, const char *step)
{
	struct process *p = &m->process[PARENT];
	const struct holder *holder;
	const char *what;

	if (is(step, "child", &what)) {
		p = &m->process[CHILD];
		step = what;
	}
	if (is(step, "map", &what))
		return map(m, what);
	if (is(step, "hold", &what)) {
		holder = find_holder(what);
		if (holder)
			hold(m, p, holder);
		return holder;
	}
	if (is(step, "write", &what))
		write(m, p, *what);
	else if (is(step, "touch", &what))
		touch(m, p);
	else if (is(step, "clear_refs", &what))
		clear_refs(m, p);
	else if (is(step, "uffd_wp on", &what) || is(step, "mprotect r", &what))
		p->writable = false;
	else if (is(step, "uffd_wp off", &what) || is(step, "mprotect rw", &what))
		unprotect(m, p);
	else if (is(step, "swap_out", &what))
		swap_out(m, p);
	else if (is(step, "fork", &what))
		fork_process(m);
	else if (is(step, "exit", &what) || is(step, "munmap", &what))
		unmap(p);
	else if (is(step, "read", &what))
		m->saw = m->page[m->held].text;
	else if (is(step, "look", &what))
		m->saw = (touch(m, p), m->page[p->page].text);
	else
		return is(step, "settle", &what);
	return true;
}

/* What is certain of the fault, in the words of an expectation. */
static void tell(const struct model *m, char *text, size_t size)
{
	static const char *const exclusive[] = {
		[COWSCOPE_NA] = "-", [COWSCOPE_NO] = "no", [COWSCOPE_YES] = "yes",
	};
	const u32 counted = 1U << COWSCOPE_KIND_ANON | 1U << COWSCOPE_KIND_HUGETLB;
	const bool copied = m->decision == COWSCOPE_COPY;
	int n;

	n = snprintf(text, size, "%c %s", m->saw ? m->saw : '-', m->decision ?
		     cowscope_decision_name(m->decision) : "none");
	if (m->decision) {
		n += snprintf(text + n, size - n, " %s",
			      cowscope_verdict_name(cowscope_judge(&m->at, m->decision, copied)));
		if (counted >> COWSCOPE_STATE_KIND(m->at.state) & 1 && !m->swapped)
			n += snprintf(text + n, size - n, " refcount=%d mapcount=%d exclusive=%s",
				      m->at.refcount, m->at.mapcount,
				      exclusive[COWSCOPE_STATE_EXCLUSIVE(m->at.state)]);
	}
	if (m->early_copy)
		snprintf(text + n, size - n, " early_copy");
}

const char *model_predict(char *text, size_t size, const char *const *steps,
			  const struct model_kernel *k)
{
	char told[OPENS][128];
	unsigned int open, i;
	size_t n = 0;

	for (open = 0; open < OPENS; open++) {
		struct model m = { .k = k, .open = open };
		const char *const *step;

		for (step = steps; *step; step++)
			if (!take(&m, *step))
				return *step;
		tell(&m, told[open], sizeof(told[open]));
		for (i = 0; i < open && strcmp(told[i], told[open]); i++)
			;
		if (i == open && n < size)
			n += snprintf(text + n, size - n, "%s%s", n ? " or " : "", told[open]);
	}
	return NULL;
}
