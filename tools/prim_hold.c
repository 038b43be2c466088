// SPDX-License-Identifier: GPL-2.0
/* Primitives: taking hold of memory, and what a holder can do with it. */
#include "hold.h"

#include <errno.h>

/* All that hold() knows by name. */
static const struct holder *const kinds[] = {
	hold_pins, hold_pipe, hold_lookup, hold_mirrors, hold_direct, hold_uring, hold_vm,
	hold_rdma,
};

/* As many as an open file may have. */
#define TIMES_MAX	1024

static int take(lua_State *L, const struct area *a, const struct holder *holder, u32 flags,
		lua_Integer times)
{
	struct hold *h = lua_newuserdatauv(L, sizeof(*h) + (times - 1) * sizeof(*h->more), 0);
	u32 first;

	*h = (struct hold){
		.holder = holder, .flags = flags, .addr = a->addr, .length = a->length,
		.pid = story.pid,
	};
	luaL_setmetatable(L, HOLD);
	holder->take(L, h);
	first = h->id;
	luaL_argcheck(L, times == 1 || first, 3, "only the module holds a page many times");
	for (h->times = 1; h->times < times; h->times++) {
		holder->take(L, h);
		h->more[h->times - 1] = h->id;
		h->id = first;
	}
	if (first)
		story.hold = first;
	return 1;
}

const struct holder *hold_find(lua_State *L, const char *name)
{
	const struct holder *holder;
	luaL_Buffer known;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		for (holder = kinds[i]; holder->name; holder++)
			if (!strcmp(name, holder->name))
				return holder;

	luaL_buffinit(L, &known);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (holder = kinds[i]; holder->name; holder++) {
			luaL_addchar(&known, ' ');
			luaL_addstring(&known, holder->name);
		}
	}
	luaL_pushresult(&known);
	luaL_error(L, "no holder \"%s\"; there are:%s", name, lua_tostring(L, -1));
	return NULL;
}

/*
 * hold(memory, holder [, times = 1]) -> reference
 *
 * Takes hold of every page by the name of a kind of holder, as doc/scenarios.md
 * lists them. Where one of the module's is taken many times, all are returned
 * together. Errors: those of the interface that it stands for.
 */
static int hold(lua_State *L)
{
	struct area *a = prim_area(L, 1);
	const struct holder *holder = hold_find(L, luaL_checkstring(L, 2));
	lua_Integer times = luaL_optinteger(L, 3, 1);

	luaL_argcheck(L, times > 0 && times <= TIMES_MAX, 3, "1 to 1024 times");
	return take(L, a, holder, holder->flags, times);
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
	return take(L, a, hold_pins, flags, 1);
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
	return take(L, prim_area(L, 1), hold_pipe, 0, 1);
}

static struct hold *held(lua_State *L)
{
	struct hold *h = luaL_checkudata(L, 1, HOLD);

	luaL_argcheck(L, !h->released, 1, "that was given back");
	return h;
}

/*
 * REFERENCE:read([length = 1 [, offset = 0]]) -> bytes
 *
 * What the holder sees: through the pages that it holds, not through the page
 * tables. Errors: those of COWSCOPE_READ, or of the interface that holds.
 */
static int hold_read(lua_State *L)
{
	struct hold *h = held(L);
	lua_Integer length = luaL_optinteger(L, 2, 1);
	u64 offset = prim_range(L, 3, length, h->length);
	luaL_Buffer b;
	char *buf = luaL_buffinitsize(L, &b, length);

	h->holder->read(L, h, buf, offset, length);
	luaL_pushresultsize(&b, length);
	prim_got(L);
	return 1;
}

/*
 * REFERENCE:write(bytes [, offset = 0])
 *
 * Writes as a device would, through the pages that are held. Errors: those of
 * COWSCOPE_WRITE; EPERM if it was not taken for writing.
 */
static int hold_write(lua_State *L)
{
	struct hold *h = held(L);
	size_t length;
	const char *bytes = luaL_checklstring(L, 2, &length);
	u64 offset = prim_range(L, 3, length, h->length);

	luaL_argcheck(L, h->holder->write, 1, "this holder cannot write");
	h->holder->write(L, h, bytes, offset, length);
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
	struct hold *h = held(L);
	struct cowscope_pin_state s = { .size = sizeof(s), .id = h->id };
	int err;

	luaL_argcheck(L, h->id, 1, "the module knows nothing of this holder");
	s.offset = prim_range(L, 2, 1, h->length);
	err = device_ioctl(&story.device, COWSCOPE_PIN_STATE, &s);
	if (err) {
		errno = -err;
		return prim_failed(L, "pin state");
	}
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
	struct hold *h = held(L);

	if (h->id && story.hold == h->id)
		story.hold = 0;
	h->holder->release(L, h);
	while (--h->times) {
		h->id = h->more[h->times - 1];
		h->holder->release(L, h);
	}
	h->released = true;
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
