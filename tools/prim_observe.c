// SPDX-License-Identifier: GPL-2.0
/* Primitives: looking without touching, and saying what should hold. */
#include "prim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "format.h"

int page_state(u64 addr, struct cowscope_page *page)
{
	struct cowscope_page_state arg = {
		.size = sizeof(arg), .addr = addr, .count = 1, .pages = (uintptr_t)page,
	};

	return device_ioctl(&story.device, COWSCOPE_PAGE_STATE, &arg);
}

/* One 64-bit entry of a file that has one for each page; 0 if it has not. */
static u64 read_entry(const char *path, u64 index)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	u64 entry = 0;

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry), index * sizeof(entry)) != sizeof(entry))
		entry = 0;
	close(fd);
	return entry;
}

u64 pagemap_entry(u64 addr)
{
	return read_entry("/proc/self/pagemap", addr / sysconf(_SC_PAGESIZE));
}

static void set_word(void *ctx, const char *key, const char *value, bool number)
{
	if (number)
		prim_set_number(ctx, key, strtoll(value, NULL, 10));
	else
		prim_set_word(ctx, key, value);
}

void push_record(lua_State *L, const struct cowscope_record *r)
{
	lua_newtable(L);
	prim_set_word(L, "event", cowscope_event_name(r->type));
	prim_set_number(L, "pid", r->pid);
	prim_set_number(L, "ts", r->ts);
	cowscope_fields(r, set_word, L);
	if (r->type == COWSCOPE_EVENT_COW_FAULT)
		prim_set_number(L, "addr", r->addr);
}

void push_page(lua_State *L, const struct cowscope_page *page)
{
	lua_newtable(L);
	prim_set_flag(L, "present", page->pte & COWSCOPE_PTE_PRESENT);
	prim_set_flag(L, "write", page->pte & COWSCOPE_PTE_WRITE);
	prim_set_flag(L, "dirty", page->pte & COWSCOPE_PTE_DIRTY);
	prim_set_flag(L, "soft_dirty", page->pte & COWSCOPE_PTE_SOFT_DIRTY);
	prim_set_flag(L, "uffd_wp", page->pte & COWSCOPE_PTE_UFFD_WP);
	prim_set_flag(L, "protnone", page->pte & COWSCOPE_PTE_PROTNONE);
	prim_set_flag(L, "huge", page->pte & COWSCOPE_PTE_HUGE);
	prim_set_flag(L, "swapcache", page->state & COWSCOPE_STATE_SWAPCACHE);
	prim_set_flag(L, "lru", page->state & COWSCOPE_STATE_LRU);
	prim_set_word(L, "kind", cowscope_kind_name(COWSCOPE_STATE_KIND(page->state)));
	prim_set_word(L, "exclusive",
		      cowscope_tri_name(COWSCOPE_STATE_EXCLUSIVE(page->state)));
	prim_set_word(L, "pinned", cowscope_tri_name(COWSCOPE_STATE_PINNED(page->state)));
	prim_set_number(L, "pfn", COWSCOPE_PTE_PFN(page->pte));
	prim_set_number(L, "order", COWSCOPE_STATE_ORDER(page->state));
	prim_set_number(L, "refcount", page->refcount);
	prim_set_number(L, "mapcount", page->mapcount);
	prim_set_number(L, "explained", page->explained);
	prim_set_number(L, "holders", page->holders);
}

/*
 * MEMORY:state([offset = 0]) -> PAGE
 *
 * COWSCOPE_PAGE_STATE of one page of this process. PAGE has the flags present,
 * write, dirty, soft_dirty, uffd_wp, protnone, huge (of the PTE), swapcache, lru; the
 * words kind, exclusive and pinned ("yes", "no", "-" for not known); the numbers
 * pfn, order, refcount, mapcount, explained (-1: not known), holders.
 */
static int area_state(lua_State *L)
{
	struct area *a = prim_area(L, 1);
	u64 addr = prim_page(a->addr + prim_range(L, 2, 1, a->length));
	struct cowscope_page page = { 0 };
	int err = page_state(addr, &page);

	if (err) {
		errno = -err;
		return prim_failed(L, "page state");
	}
	push_page(L, &page);
	return 1;
}

/*
 * MEMORY:pagemap([offset = 0]) -> { pfn =, present =, swapped =, exclusive =,
 *				     soft_dirty =, uffd_wp = }
 *
 * What /proc/self/pagemap says, which knows nothing of the module. pfn is 0 if
 * the page is not present; exclusive is its own: mapped once. uffd_wp is always
 * false before Linux 5.14.
 */
static int area_pagemap(lua_State *L)
{
	struct area *a = prim_area(L, 1);
	u64 entry = pagemap_entry(a->addr + prim_range(L, 2, 1, a->length));

	lua_newtable(L);
	prim_set_number(L, "pfn", PAGEMAP_PFN(entry));
	prim_set_flag(L, "present", PAGEMAP_PRESENT(entry));
	prim_set_flag(L, "swapped", PAGEMAP_SWAPPED(entry));
	prim_set_flag(L, "exclusive", PAGEMAP_EXCLUSIVE(entry));
	prim_set_flag(L, "soft_dirty", PAGEMAP_SOFT_DIRTY(entry));
	prim_set_flag(L, "uffd_wp", PAGEMAP_UFFD_WP(entry));
	return 1;
}

/*
 * kpagecount(pfn) -> number
 *
 * How often a page is mapped, from /proc/kpagecount; 0 if that cannot be read.
 */
static int read_kpagecount(lua_State *L)
{
	lua_pushinteger(L, read_entry("/proc/kpagecount", luaL_checkinteger(L, 1)));
	return 1;
}

/*
 * vmstat(name) -> number
 *
 * A counter of /proc/vmstat, for the whole system: pgreuse counts what
 * wp_page_reuse() did, by whomever. One that this kernel lacks skips the story.
 */
static int read_vmstat(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	FILE *f = fopen("/proc/vmstat", "re");
	char key[64];
	unsigned long long value;

	if (!f)
		return prim_failed(L, "/proc/vmstat");
	while (fscanf(f, "%63s %llu", key, &value) == 2) {
		if (strcmp(key, name))
			continue;
		fclose(f);
		lua_pushinteger(L, value);
		return 1;
	}
	fclose(f);
	return prim_skip(L, "/proc/vmstat has no %s", name);
}

/*
 * trace([event [, memory]]) -> { RECORD, ... }
 *
 * What the story's processes have done until now, in order of time, all of it
 * or one kind of event, with the keys of `cowscope trace --json`. A fork makes
 * many write faults that are not about the story's memory: give the memory.
 */
static int trace(lua_State *L)
{
	const char *event = luaL_optstring(L, 1, NULL);
	const struct area *a = lua_isnoneornil(L, 2) ? NULL : luaL_checkudata(L, 2, AREA);
	lua_Integer n = 0;
	size_t i;

	story_collect(L);
	lua_newtable(L);
	for (i = 0; i < story.records.count; i++) {
		const struct cowscope_record *r = &story.records.record[i];

		if (event && strcmp(event, cowscope_event_name(r->type)))
			continue;
		if (a && (r->addr < a->addr || r->addr - a->addr >= a->length))
			continue;
		push_record(L, r);
		lua_rawseti(L, -2, ++n);
	}
	return 1;
}

/*
 * copies(memory [, verdict]) -> number
 *
 * How many write faults on it were copied until now, or those of one verdict.
 */
static int count_copies(lua_State *L)
{
	const struct area *a = luaL_checkudata(L, 1, AREA);
	const char *verdict = luaL_optstring(L, 2, NULL);
	lua_Integer n = 0;
	size_t i;

	story_collect(L);
	for (i = 0; i < story.records.count; i++) {
		const struct cowscope_record *r = &story.records.record[i];

		n += r->type == COWSCOPE_EVENT_COW_FAULT && r->addr >= a->addr &&
		     r->addr - a->addr < a->length &&
		     COWSCOPE_OUTCOME_DECISION(r->outcome) == COWSCOPE_COPY &&
		     (!verdict || !strcmp(verdict, cowscope_verdict_name(r->verdict)));
	}
	lua_pushinteger(L, n);
	return 1;
}

/* mark(text): writes a text into the trace, at most 48 bytes of it. */
static int mark(lua_State *L)
{
	device_mark(&story.device, luaL_checkstring(L, 1));
	return 0;
}

/*
 * step([text]): the steps that follow are told by this text and not by the line
 * that called them, for a script that does different things on one line; "" tells
 * none of them, nil is back to lines.
 */
static int step(lua_State *L)
{
	const char *text = luaL_optstring(L, 1, NULL);

	story.named = text;
	snprintf(story.name, sizeof(story.name), "%s", text ? text : "");
	return 0;
}

/*
 * check(condition [, message]) -> condition
 *
 * If it does not hold, the scenario has failed, with the message and the line;
 * the story goes on. To end it there, use Lua's assert() or error().
 */
static int check(lua_State *L)
{
	luaL_checkany(L, 1);
	story_check(L, lua_toboolean(L, 1), "%s", luaL_optstring(L, 2, "check failed"));
	lua_settop(L, 1);
	return 1;
}

/* skip(reason): ends the story; what it needs is missing here. */
static int skip(lua_State *L)
{
	return prim_skip(L, "%s", luaL_checkstring(L, 1));
}

/*
 * print(...): a note below the result, whatever the format of the output.
 */
static int print_note(lua_State *L)
{
	int i, n = lua_gettop(L);
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	for (i = 1; i <= n; i++) {
		if (i > 1)
			luaL_addchar(&b, '\t');
		luaL_tolstring(L, i, NULL);
		luaL_addvalue(&b);
	}
	luaL_pushresult(&b);
	story_text("%s", lua_tostring(L, -1));
	return 0;
}

void prim_observe(lua_State *L)
{
	static const struct prim globals[] = {
		{ "kpagecount", read_kpagecount, false },
		{ "vmstat", read_vmstat, false },
		{ "trace", trace, false },
		{ "copies", count_copies, false },
		{ "mark", mark, false },
		{ "step", step, false },
		{ "check", check, false },
		{ "skip", skip, false },
		{ "print", print_note, false },
		{ NULL, NULL, false }
	};
	static const struct prim methods[] = {
		{ "state", area_state, false },
		{ "pagemap", area_pagemap, false },
		{ NULL, NULL, false }
	};

	prim_globals(L, globals);
	prim_methods(L, AREA, methods);
}
