// SPDX-License-Identifier: GPL-2.0
/* Primitives: references and pins, taken by the module or by a pipe. */
#include "prim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

/* References or pins of one page or more: the module's, with ids, or a pipe's. */
struct hold {
	u32 id;			/* the first of them; 0: a pipe's */
	u64 addr;
	size_t length;
	pid_t pid;		/* which process of the story took it */
	int pipe[2];
	lua_Integer times;	/* how often each page is held */
	u32 more[];		/* the ids after the first */
};

/* As many as an open file may have. */
#define TIMES_MAX	1024

/* The words by which scenarios name their holders. */
static const struct {
	const char *name;
	u32 flags;
} holders[] = {
	{ "get_ro", 0 },
	{ "get_rw", COWSCOPE_PIN_WRITE },
	{ "pin_ro", COWSCOPE_PIN_FOLL_PIN },
	{ "pin_rw", COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_WRITE },
	{ "pin_ro_longterm", COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_LONGTERM },
	{ "pin_rw_longterm",
	  COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_WRITE | COWSCOPE_PIN_LONGTERM },
	{ "vmsplice", HOLD_VMSPLICE },
};

u32 prim_holder(lua_State *L, const char *name)
{
	luaL_Buffer known;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(holders); i++)
		if (!strcmp(name, holders[i].name))
			return holders[i].flags;

	luaL_buffinit(L, &known);
	for (i = 0; i < ARRAY_SIZE(holders); i++) {
		luaL_addchar(&known, ' ');
		luaL_addstring(&known, holders[i].name);
	}
	luaL_pushresult(&known);
	return luaL_error(L, "no holder \"%s\"; there are:%s", name, lua_tostring(L, -1));
}

/* Makes PIN_STATE failures into Lua errors; those are ours, not the script's. */
static int device_call(lua_State *L, unsigned long command, void *arg, const char *what)
{
	int err = device_ioctl(&story.device, command, arg);

	if (!err)
		return 0;
	errno = -err;
	return prim_failed(L, what);
}

static struct hold *new_hold(lua_State *L, const struct area *a, lua_Integer times)
{
	struct hold *h = lua_newuserdatauv(L, sizeof(*h) + (times - 1) * sizeof(*h->more), 0);

	*h = (struct hold){
		.addr = a->addr, .length = a->length, .pid = story.pid, .times = times,
	};
	luaL_setmetatable(L, HOLD);
	return h;
}

static int take_pin(lua_State *L, const struct area *a, u32 flags, lua_Integer times)
{
	struct cowscope_pin arg = {
		.size = sizeof(arg), .flags = flags, .addr = a->addr, .length = a->length,
	};
	struct hold *h = new_hold(L, a, times);
	lua_Integer i;

	device_call(L, COWSCOPE_PIN, &arg, "pin");
	h->id = arg.id;
	for (i = 1; i < times; i++) {
		device_call(L, COWSCOPE_PIN, &arg, "pin");
		h->more[i - 1] = arg.id;
	}
	story.hold = h->id;
	return 1;
}

static int take_pipe(lua_State *L, const struct area *a)
{
	struct iovec iov = { (void *)(uintptr_t)a->addr, a->length };
	struct hold *h = new_hold(L, a, 1);

	if (pipe2(h->pipe, O_CLOEXEC | O_NONBLOCK))
		return prim_failed(L, "pipe2");
	/* A pipe has 16 pages unless told otherwise. */
	fcntl(h->pipe[1], F_SETPIPE_SZ, a->length);
	if (vmsplice(h->pipe[1], &iov, 1, 0) != (ssize_t)a->length)
		return prim_failed(L, "vmsplice");
	return 1;
}

/*
 * hold(memory, holder [, times = 1]) -> reference
 *
 * Takes a reference or pin on every page by the name of a kind of holder:
 * get_ro, get_rw: FOLL_GET; pin_ro, pin_rw: FOLL_PIN; with _longterm:
 * FOLL_LONGTERM; vmsplice: a pipe, which holds once. Where many are taken, all
 * are returned together. Errors: pin()'s and vmsplice()'s.
 */
static int hold(lua_State *L)
{
	struct area *a = prim_area(L, 1);
	u32 flags = prim_holder(L, luaL_checkstring(L, 2));
	lua_Integer times = luaL_optinteger(L, 3, 1);

	luaL_argcheck(L, times > 0 && times <= TIMES_MAX, 3, "1 to 1024 times");
	return flags == HOLD_VMSPLICE ? take_pipe(L, a) : take_pin(L, a, flags, times);
}

/*
 * pin(memory [, { foll_pin = true, write = false, longterm = false,
 *		   fast = false }]) -> reference
 *
 * COWSCOPE_PIN on every page, each flag by itself; foll_pin = false takes
 * FOLL_GET references. Errors: those of COWSCOPE_PIN in <linux/cowscope.h>.
 */
static int pin(lua_State *L)
{
	static const struct {
		const char *name;
		u32 flag;
	} option[] = {
		{ "write", COWSCOPE_PIN_WRITE },
		{ "longterm", COWSCOPE_PIN_LONGTERM },
		{ "fast", COWSCOPE_PIN_FAST },
	};
	struct area *a = prim_area(L, 1);
	u32 flags = COWSCOPE_PIN_FOLL_PIN;
	size_t i;

	prim_options(L, 2, (const char *const[]){ "foll_pin", "write", "longterm", "fast", NULL });
	if (lua_getfield(L, 2, "foll_pin") == LUA_TBOOLEAN && !lua_toboolean(L, -1))
		flags = 0;
	for (i = 0; i < ARRAY_SIZE(option); i++) {
		lua_getfield(L, 2, option[i].name);
		if (lua_toboolean(L, -1))
			flags |= option[i].flag;
	}
	return take_pin(L, a, flags, 1);
}

/*
 * vmsplice(memory) -> reference
 *
 * A read-only FOLL_GET reference in a pipe, which needs no module: vmsplice(2)
 * without SPLICE_F_GIFT. Errors: those of pipe(2) and vmsplice(2); at most
 * /proc/sys/fs/pipe-max-size bytes.
 */
static int splice_memory(lua_State *L)
{
	return take_pipe(L, prim_area(L, 1));
}

/* Reads from a copy of the pipe's references, so that it keeps its own. */
static void read_pipe(lua_State *L, const struct hold *h, char *buf, u64 offset, size_t length)
{
	size_t want = offset + length, got = 0;
	char *all = malloc(want);
	ssize_t n = 0;
	int copy[2];

	if (!all || pipe2(copy, O_CLOEXEC | O_NONBLOCK))
		prim_failed(L, "pipe2");
	fcntl(copy[1], F_SETPIPE_SZ, h->length);
	if (tee(h->pipe[0], copy[1], h->length, 0) < (ssize_t)want)
		prim_failed(L, "tee");
	while (got < want && (n = read(copy[0], all + got, want - got)) > 0)
		got += n;
	close(copy[0]);
	close(copy[1]);
	if (got < want)
		prim_failed(L, "read from the pipe");
	memcpy(buf, all + offset, length);
	free(all);
}

/* What PIN_STATE says must agree with what is read, and with pagemap. */
static void check_coherence(lua_State *L, const struct hold *h, u64 offset, const char *bytes,
			    size_t length)
{
	struct cowscope_pin_state s = { .size = sizeof(s), .id = h->id };
	u64 addr = h->addr + offset, frame;

	if (h->pid != story.pid)
		return;
	s.offset = prim_page(offset);
	device_call(L, COWSCOPE_PIN_STATE, &s, "pin state");
	frame = PAGEMAP_PFN(pagemap_entry(prim_page(addr)));
	if (frame)
		story_check(L, (frame == COWSCOPE_PTE_PFN(s.held.pte)) ==
			    (s.coherent == COWSCOPE_YES),
			    "PIN_STATE says coherent=%s, but pagemap has pfn 0x%llx and the holder 0x%llx",
			    s.coherent == COWSCOPE_YES ? "yes" : "no", (unsigned long long)frame,
			    (unsigned long long)COWSCOPE_PTE_PFN(s.held.pte));
	if (s.coherent != COWSCOPE_YES || prim_page(addr) != prim_page(addr + length - 1) ||
	    s.mapped.pte & COWSCOPE_PTE_PROTNONE)
		return;
	story_check(L, !memcmp((void *)(uintptr_t)addr, bytes, length),
		    "PIN_STATE says coherent, but holder and memory differ");
}

/*
 * REFERENCE:read([length = 1 [, offset = 0]]) -> bytes
 *
 * What the holder sees: through the pages that it holds, not through the page
 * tables. Errors: those of COWSCOPE_READ, or of tee(2) and read(2) on a pipe.
 */
static int hold_read(lua_State *L)
{
	struct hold *h = luaL_checkudata(L, 1, HOLD);
	lua_Integer length = luaL_optinteger(L, 2, 1);
	u64 offset = prim_range(L, 3, length, h->length);
	luaL_Buffer b;
	char *buf = luaL_buffinitsize(L, &b, length);

	if (h->id) {
		struct cowscope_rw arg = {
			.size = sizeof(arg), .id = h->id, .offset = offset, .length = length,
			.data = (uintptr_t)buf,
		};

		device_call(L, COWSCOPE_READ, &arg, "read");
		check_coherence(L, h, offset, buf, length);
	} else {
		read_pipe(L, h, buf, offset, length);
	}
	luaL_pushresultsize(&b, length);
	prim_got(L);
	return 1;
}

/* A reference or pin of the module's, of which more is known than of a pipe's. */
static struct hold *check_pin(lua_State *L)
{
	struct hold *h = luaL_checkudata(L, 1, HOLD);

	luaL_argcheck(L, h->id, 1, "a pipe cannot do that");
	return h;
}

/*
 * REFERENCE:write(bytes [, offset = 0])
 *
 * Writes as a device would, through the pages that are held. Errors: those of
 * COWSCOPE_WRITE; EPERM if it was not taken for writing.
 */
static int hold_write(lua_State *L)
{
	struct hold *h = check_pin(L);
	size_t length;
	const char *bytes = luaL_checklstring(L, 2, &length);
	struct cowscope_rw arg = {
		.size = sizeof(arg), .id = h->id, .length = length,
		.offset = prim_range(L, 3, length, h->length), .data = (uintptr_t)bytes,
	};

	device_call(L, COWSCOPE_WRITE, &arg, "write");
	return 0;
}

/*
 * REFERENCE:state([offset = 0]) -> { coherent = true | false | nil, held = PAGE,
 *				      mapped = PAGE }
 *
 * COWSCOPE_PIN_STATE: coherent if the page held is the one mapped in the
 * process that took it, nil if that process is gone. PAGE as MEMORY:state().
 */
static int hold_state(lua_State *L)
{
	struct hold *h = check_pin(L);
	struct cowscope_pin_state s = { .size = sizeof(s), .id = h->id };

	s.offset = prim_range(L, 2, 1, h->length);
	device_call(L, COWSCOPE_PIN_STATE, &s, "pin state");
	lua_newtable(L);
	if (s.coherent != COWSCOPE_NA)
		prim_set_flag(L, "coherent", s.coherent == COWSCOPE_YES);
	push_page(L, &s.held);
	lua_setfield(L, -2, "held");
	push_page(L, &s.mapped);
	lua_setfield(L, -2, "mapped");
	return 1;
}

/*
 * REFERENCE:unpin()
 *
 * Returns it. Not needed at the end: everything goes with the story's processes.
 */
static int hold_unpin(lua_State *L)
{
	struct hold *h = luaL_checkudata(L, 1, HOLD);
	struct cowscope_unpin arg = { .size = sizeof(arg), .id = h->id };
	lua_Integer i;

	if (h->id) {
		device_call(L, COWSCOPE_UNPIN, &arg, "unpin");
		for (i = 1; i < h->times; i++) {
			arg.id = h->more[i - 1];
			device_call(L, COWSCOPE_UNPIN, &arg, "unpin");
		}
		if (story.hold == h->id)
			story.hold = 0;
	} else {
		close(h->pipe[0]);
		close(h->pipe[1]);
	}
	return 0;
}

void prim_hold(lua_State *L)
{
	static const struct prim globals[] = {
		{ "hold", hold, true },
		{ "pin", pin, true },
		{ "vmsplice", splice_memory, true },
		{ NULL, NULL, false }
	};
	static const struct prim methods[] = {
		{ "read", hold_read, true },
		{ "write", hold_write, true },
		{ "unpin", hold_unpin, true },
		{ "state", hold_state, false },
		{ NULL, NULL, false }
	};

	prim_globals(L, globals);
	prim_methods(L, HOLD, methods);
}
