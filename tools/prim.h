/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The primitives of the scenario language, and what they share. Each is a C
 * function over one interface of the kernel; doc/scenarios.md is the manual.
 */
#ifndef COWSCOPE_PRIM_H
#define COWSCOPE_PRIM_H

#include <lauxlib.h>
#include <lua.h>
#include <sys/types.h>

#include "cowscope.h"
#include "story.h"

/* Where the registry keeps the table that scenario{} was given. */
#define PRIM_DECLARATION "cowscope.scenario"

/* Names of the object types, also in error messages. */
#define AREA	"memory"
#define HOLD	"reference"
#define PROCESS	"process"

/* The story that this process takes part in; .log is NULL outside of one. */
extern struct story {
	const struct scenario *scenario;
	const struct variant *variant;
	struct story_log *log;
	struct device device;
	struct reader reader;
	struct family family;
	struct records records;	/* read so far */
	pid_t pid;		/* this process */
	u64 page;		/* the page that the steps are about now */
	u32 hold;		/* the reference or pin that they are about, or 0 */
	struct story_step *step;
	bool named;		/* steps are told by this, and not by their lines */
	char name[100];		/* empty: they are not told */
} story;

/* Memory that a story mapped. */
struct area {
	u64 addr;
	size_t length;
	int uffd;		/* -1 until uffd_wp() needs one */
};

/**
 * prim_open - make an interpreter know the primitives
 * @L: the interpreter
 */
void prim_open(lua_State *L);

/* A group of primitives. */
struct prim {
	const char *name;
	lua_CFunction call;
	bool step;		/* it does something: one step of the story */
};

/**
 * prim_globals, prim_methods - let a group be called as NAME(), OBJECT:NAME()
 * @L: the interpreter
 * @type: AREA, HOLD or PROCESS
 * @prim: the group, ended by zeros
 */
void prim_globals(lua_State *L, const struct prim *prim);
void prim_methods(lua_State *L, const char *type, const struct prim *prim);

/* The groups. */
void prim_map(lua_State *L);
void prim_memory(lua_State *L);
void prim_move(lua_State *L);
void prim_protect(lua_State *L);
void prim_userfaultfd(lua_State *L);
void prim_ksm(lua_State *L);
void prim_hold(lua_State *L);
void prim_process(lua_State *L);
void prim_race(lua_State *L);
void prim_observe(lua_State *L);

/**
 * story_play - run story() in this process, which is its first; does not return
 * @s: the scenario
 * @v: with which holder
 * @log: to be written
 */
_Noreturn void story_play(const struct scenario *s, const struct variant *v,
			  struct story_log *log);

/**
 * story_finish - write down how the story ended; the first to say so is right
 * @end: how
 * @text: why, or NULL
 */
void story_finish(enum story_end end, const char *text);

/**
 * story_error - the same from the error that lua_pcall() left on the stack
 * @L: the interpreter
 */
void story_error(lua_State *L);

/**
 * story_text - add a line to the story's log
 * @format: as printf()'s
 */
void story_text(const char *format, ...) __printf(1, 2);

/**
 * story_check - write down a failed check, with the line of the script
 * @L: the interpreter
 * @holds: it did not fail
 * @format: as printf()'s: what is wrong
 */
void story_check(lua_State *L, bool holds, const char *format, ...) __printf(3, 4);

/**
 * story_collect - read what the story's processes have done until now
 *
 * Returns the number of records that were there before.
 */
size_t story_collect(lua_State *L);

/**
 * prim_failed - raise the error that a system call left in errno
 * @L: the interpreter
 * @what: that failed
 *
 * Has a type so that a primitive can end with "return prim_failed()".
 */
_Noreturn int prim_failed(lua_State *L, const char *what);

/**
 * prim_skip - end the story: what it needs is missing here
 * @L: the interpreter
 * @format: as printf()'s: what is missing
 */
_Noreturn int prim_skip(lua_State *L, const char *format, ...) __printf(2, 3);

/**
 * prim_area - argument that is memory, still mapped
 * @L: the interpreter
 * @arg: which argument
 */
struct area *prim_area(lua_State *L, int arg);

/**
 * prim_uffd - a userfaultfd that can write-protect memory, its own from now on
 * @L: the interpreter
 * @a: the memory
 */
int prim_uffd(lua_State *L, struct area *a);

/**
 * prim_mapped - from now on an address range is memory of the story
 * @L: the interpreter
 * @addr: where it begins
 * @length: bytes
 */
void prim_mapped(lua_State *L, u64 addr, u64 length);

/**
 * prim_range - argument that is an offset into memory
 * @L: the interpreter
 * @arg: which argument, optional: 0
 * @length: bytes needed from there
 * @size: bytes that there are
 */
u64 prim_range(lua_State *L, int arg, u64 length, u64 size);

/**
 * prim_options - argument that is a table of options, optional: an empty table
 * @L: the interpreter
 * @arg: which argument, the last
 * @names: the options that there are, ended by NULL
 */
void prim_options(lua_State *L, int arg, const char *const *names);

/**
 * prim_got - the string on top of the stack is what this step read
 * @L: the interpreter
 */
void prim_got(lua_State *L);

/**
 * prim_page - start of the page that an address is in
 * @addr: the address
 */
u64 prim_page(u64 addr);

/**
 * prim_set - set fields of the table on top of the stack
 */
void prim_set_number(lua_State *L, const char *key, long long value);
void prim_set_word(lua_State *L, const char *key, const char *value);
void prim_set_flag(lua_State *L, const char *key, bool value);

/**
 * page_state - state of a page of this process, from the module
 * @addr: of the page
 * @page: filled in
 *
 * Returns 0 or a negative errno.
 */
int page_state(u64 addr, struct cowscope_page *page);

/**
 * pagemap_entry - what /proc/self/pagemap says of a page, 0 if nothing
 * @addr: of the page
 */
u64 pagemap_entry(u64 addr);

/* Fields of an entry, Documentation/admin-guide/mm/pagemap.rst. */
#define PAGEMAP_PFN(e)		((e) >> 63 ? (e) & ((1ULL << 55) - 1) : 0)
#define PAGEMAP_PRESENT(e)	((e) >> 63 & 1)
#define PAGEMAP_SWAPPED(e)	((e) >> 62 & 1)
#define PAGEMAP_UFFD_WP(e)	((e) >> 57 & 1)
#define PAGEMAP_EXCLUSIVE(e)	((e) >> 56 & 1)
#define PAGEMAP_SOFT_DIRTY(e)	((e) >> 55 & 1)

/**
 * push_page - a page's state as a table
 * @L: the interpreter
 * @page: the state
 */
void push_page(lua_State *L, const struct cowscope_page *page);

/**
 * push_record - a record as a table, keys as in its line
 * @L: the interpreter
 * @r: the record
 */
void push_record(lua_State *L, const struct cowscope_record *r);

#endif
