// SPDX-License-Identifier: GPL-2.0
/* What all primitives share: steps, errors, and how a story is played. */
#include "prim.h"

#include <errno.h>
#include <lualib.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "format.h"

struct story story;

/* The address of this is the error that prim_skip() raises. */
static char skip_error;

void story_text(const char *format, ...)
{
	struct story_log *log = story.log;
	char line[512];
	va_list args;
	u32 at, length;

	va_start(args, format);
	vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	strcat(line, "\n");
	length = strlen(line);
	at = __atomic_fetch_add(&log->text_length, length, __ATOMIC_RELAXED);
	if (at + length < STORY_TEXT)
		memcpy(log->text + at, line, length);
}

void story_finish(enum story_end end, const char *text)
{
	u32 unfinished = STORY_UNFINISHED;

	if (__atomic_compare_exchange_n(&story.log->end, &unfinished, end, false,
					__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) && text)
		story_text("%s", text);
}

void story_error(lua_State *L)
{
	if (lua_touserdata(L, -1) == &skip_error) {
		lua_getfield(L, LUA_REGISTRYINDEX, "cowscope.skip");
		story_finish(STORY_SKIPPED, lua_tostring(L, -1));
	} else {
		story_finish(STORY_BROKEN, luaL_tolstring(L, -1, NULL));
	}
}

void story_check(lua_State *L, bool holds, const char *format, ...)
{
	char text[400];
	va_list args;

	if (holds)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	luaL_where(L, 1);
	__atomic_fetch_add(&story.log->checks_failed, 1, __ATOMIC_RELAXED);
	story_text("%s%s", lua_tostring(L, -1), text);
	lua_pop(L, 1);
}

size_t story_collect(lua_State *L)
{
	size_t before = story.records.count;

	if (reader_collect(&story.reader, &story.device, &story.family, &story.records))
		luaL_error(L, "out of memory for records");
	return before;
}

int prim_failed(lua_State *L, const char *what)
{
	luaL_error(L, "%s: %s", what, strerror(errno));
	__builtin_unreachable();
}

int prim_skip(lua_State *L, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	lua_pushvfstring(L, format, args);
	va_end(args);
	lua_setfield(L, LUA_REGISTRYINDEX, "cowscope.skip");
	lua_pushlightuserdata(L, &skip_error);
	lua_error(L);
	__builtin_unreachable();
}

void prim_set_number(lua_State *L, const char *key, long long value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, key);
}

void prim_set_word(lua_State *L, const char *key, const char *value)
{
	lua_pushstring(L, value);
	lua_setfield(L, -2, key);
}

void prim_set_flag(lua_State *L, const char *key, bool value)
{
	lua_pushboolean(L, value);
	lua_setfield(L, -2, key);
}

u64 prim_range(lua_State *L, int arg, u64 length, u64 size)
{
	lua_Integer offset = luaL_optinteger(L, arg, 0);

	luaL_argcheck(L, offset >= 0 && (u64)offset <= size && length <= size - offset, arg,
		      "that is outside");
	return offset;
}

void prim_options(lua_State *L, int arg, const char *const *names)
{
	const char *const *n;

	if (lua_isnoneornil(L, arg)) {
		lua_settop(L, arg - 1);
		lua_newtable(L);
	}
	luaL_checktype(L, arg, LUA_TTABLE);
	for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1)) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";

		for (n = names; *n && strcmp(*n, key); n++)
			;
		if (!*n)
			luaL_argerror(L, arg, lua_pushfstring(L, "unknown option \"%s\"", key));
	}
}

/* Are steps to be left out of the trace? */
static bool is_untold(void)
{
	return story.named && !*story.name;
}

void prim_got(lua_State *L)
{
	if (is_untold())
		return;
	snprintf(story.step->got, sizeof(story.step->got), "%s", lua_tostring(L, -1));
}

u64 prim_page(u64 addr)
{
	return addr & ~((u64)sysconf(_SC_PAGESIZE) - 1);
}

/* The line of the scenario that called the primitive on top of the call stack. */
static void quote_line(lua_State *L, char *buf, size_t size)
{
	const char *text = "?";
	size_t length = 1;
	lua_Debug ar;

	if (lua_getstack(L, 1, &ar) && lua_getinfo(L, "Sl", &ar) && ar.currentline > 0 &&
	    !strcmp(ar.source + 1, story.scenario->file))
		text = scenario_line(story.scenario, ar.currentline, &length);
	snprintf(buf, size, "%.*s", (int)length, text);
}

/*
 * A step goes into the trace as a mark before it is done: "3. the line". Every
 * reader of the trace then sees which records came of which step.
 */
static void step_begin(lua_State *L)
{
	u32 n = __atomic_fetch_add(&story.log->steps, 1, __ATOMIC_RELAXED);
	char mark[128];

	if (n >= STORY_STEPS)
		luaL_error(L, "a story may have %d steps", STORY_STEPS);
	story.step = &story.log->step[n];
	story.step->pid = story.pid;
	if (story.named)
		strcpy(story.step->text, story.name);
	else
		quote_line(L, story.step->text, sizeof(story.step->text));
	snprintf(mark, sizeof(mark), "%u. %s", n + 1, story.step->text);
	device_mark(&story.device, mark);
}

static void step_end(void)
{
	struct cowscope_pin_state held = { .size = sizeof(held), .id = story.hold };
	struct timespec now;

	if (story.page)
		page_state(story.page, &story.step->page);
	if (story.hold && !device_ioctl(&story.device, COWSCOPE_PIN_STATE, &held))
		story.step->held = held.held;
	clock_gettime(CLOCK_MONOTONIC, &now);
	story.step->end = now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* Calls the primitive that is the upvalue. */
static int call_prim(lua_State *L)
{
	lua_CFunction call = lua_tocfunction(L, lua_upvalueindex(1));
	int results;

	if (!story.log)
		return luaL_error(L, "the top of a file only declares; do this in story()");
	if (!lua_toboolean(L, lua_upvalueindex(2)) || is_untold())
		return call(L);
	step_begin(L);
	results = call(L);
	step_end();
	return results;
}

static void push_prim(lua_State *L, const struct prim *prim)
{
	lua_pushcfunction(L, prim->call);
	lua_pushboolean(L, prim->step);
	lua_pushcclosure(L, call_prim, 2);
}

void prim_globals(lua_State *L, const struct prim *prim)
{
	for (; prim->name; prim++) {
		push_prim(L, prim);
		lua_setglobal(L, prim->name);
	}
}

void prim_methods(lua_State *L, const char *type, const struct prim *prim)
{
	luaL_newmetatable(L, type);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	for (; prim->name; prim++) {
		push_prim(L, prim);
		lua_setfield(L, -2, prim->name);
	}
	lua_pop(L, 1);
}

/*
 * scenario { title =, holders =, expect = }: declares the scenario. Called once,
 * before story() is defined; read by scenario.c.
 */
static int declare(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	if (lua_getfield(L, LUA_REGISTRYINDEX, PRIM_DECLARATION) != LUA_TNIL)
		return luaL_error(L, "scenario{} was called already: one in a file");
	lua_pushvalue(L, 1);
	lua_setfield(L, LUA_REGISTRYINDEX, PRIM_DECLARATION);
	return 0;
}

/* Lua's own libraries but for package: dlopen() and a static command don't mix. */
static void open_libraries(lua_State *L)
{
	static const luaL_Reg libraries[] = {
		{ LUA_GNAME, luaopen_base },
		{ LUA_COLIBNAME, luaopen_coroutine },
		{ LUA_TABLIBNAME, luaopen_table },
		{ LUA_IOLIBNAME, luaopen_io },
		{ LUA_OSLIBNAME, luaopen_os },
		{ LUA_STRLIBNAME, luaopen_string },
		{ LUA_MATHLIBNAME, luaopen_math },
		{ LUA_UTF8LIBNAME, luaopen_utf8 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(libraries); i++)
		luaL_requiref(L, libraries[i].name, libraries[i].func, 1);
	lua_settop(L, 0);
}

void prim_open(lua_State *L)
{
	open_libraries(L);
	lua_register(L, "scenario", declare);
	prim_map(L);
	prim_memory(L);
	prim_move(L);
	prim_protect(L);
	prim_userfaultfd(L);
	prim_ksm(L);
	prim_hold(L);
	prim_process(L);
	prim_race(L);
	prim_observe(L);
}

/* Opens the device for the story alone: what it holds goes when it ends. */
static const char *open_device(void)
{
	int err = device_open(&story.device);
	size_t i;

	if (err)
		return device_error(err);
	if (reader_open(&story.reader, &story.device, READER_NOW) ||
	    family_add(&story.family, story.pid))
		return "no memory to read the trace";

	device_mark(&story.device, story.scenario->name);
	if (reader_collect(&story.reader, &story.device, &story.family, &story.records))
		return "no memory to read the trace";
	for (i = 0; i < story.records.count; i++)
		if (story.records.record[i].type == COWSCOPE_EVENT_MARK)
			return NULL;
	return "the trace does not show this process: has 'cowscope record' set a filter?";
}

_Noreturn void story_play(const struct scenario *s, const struct variant *v,
			  struct story_log *log)
{
	lua_State *L = s->lua;
	const char *wrong, *saw;

	story = (struct story){
		.scenario = s, .variant = v, .log = log, .pid = getpid(),
	};
	wrong = open_device();
	if (wrong) {
		story_finish(STORY_BROKEN, wrong);
		_exit(EXIT_FAILURE);
	}

	lua_pushstring(L, cowscope_rule_name(story.device.info.rule));
	lua_setglobal(L, "rule");
	lua_pushstring(L, cowscope_large_rule_name(story.device.info.large_rule));
	lua_setglobal(L, "large_rule");
	lua_getglobal(L, "story");
	lua_pushstring(L, v->holder);
	if (lua_pcall(L, 1, 1, 0)) {
		story_error(L);
		_exit(EXIT_FAILURE);
	}

	saw = lua_tostring(L, -1);
	if (saw) {
		snprintf(log->saw, sizeof(log->saw), "%s", saw);
		log->has_saw = true;
	}
	story_finish(STORY_TOLD, NULL);
	_exit(EXIT_SUCCESS);
}
