// SPDX-License-Identifier: GPL-2.0
/* Primitives: more than one process in a story. */
#include "prim.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The other end of a fork, seen from either side. */
struct process {
	pid_t pid;
	int sock;		/* -1: waited for */
};

/* The first byte of a message: at a barrier, or the result of a child. */
enum { MESSAGE_BARRIER = 'b', MESSAGE_NOTHING = 'n', MESSAGE_RESULT = 'r' };

#define MESSAGE_MAX 256

static struct process *new_process(lua_State *L, pid_t pid, int sock)
{
	struct process *p = lua_newuserdatauv(L, sizeof(*p), 0);

	*p = (struct process){ .pid = pid, .sock = sock };
	luaL_setmetatable(L, PROCESS);
	return p;
}

static struct process *check_process(lua_State *L)
{
	struct process *p = luaL_checkudata(L, 1, PROCESS);

	luaL_argcheck(L, p->sock >= 0, 1, "that has been waited for");
	return p;
}

/* Runs the child's function, which is on top of the stack. */
static _Noreturn void play_child(lua_State *L, pid_t parent, int sock)
{
	char message[MESSAGE_MAX] = { MESSAGE_NOTHING };
	size_t length = 0;
	const char *result;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	story.pid = getpid();
	story.hold = 0;

	new_process(L, parent, sock);
	if (lua_pcall(L, 1, 1, 0)) {
		story_error(L);
		_exit(EXIT_FAILURE);
	}
	result = lua_tolstring(L, -1, &length);
	if (result) {
		message[0] = MESSAGE_RESULT;
		if (length > sizeof(message) - 1)
			length = sizeof(message) - 1;
		memcpy(message + 1, result, length);
	}
	/* A parent that does not wait has no use for the result. */
	send(sock, message, length + 1, MSG_NOSIGNAL);
	_exit(EXIT_SUCCESS);
}

/*
 * fork(f) -> process
 *
 * Forks the interpreter: the child calls f(parent) and ends; what f returns, a
 * string or nil, is handed out by wait(). Both sides go on with the same
 * variables, of which each has its own from now on; references and pins stay
 * valid on both. A child ends at the latest with the process that forked it.
 */
static int fork_story(lua_State *L)
{
	pid_t parent = story.pid, pid;
	int sock[2];

	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	/* Messages, so that a barrier and a result never run together. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock))
		return prim_failed(L, "socketpair");
	pid = fork();
	if (pid < 0)
		return prim_failed(L, "fork");
	if (!pid) {
		close(sock[0]);
		play_child(L, parent, sock[1]);
	}
	close(sock[1]);
	new_process(L, pid, sock[0]);
	return 1;
}

/*
 * The other side's next message; what it has to say at its end is not lost.
 *
 * A receiver that waits looks for a message first and for the end of the other
 * side then (__skb_wait_for_more_packets()): if both came in between it is told
 * of the end only, and the message is there when it asks again.
 */
static ssize_t receive(struct process *p, char *message)
{
	ssize_t n;

	do {
		n = recv(p->sock, message, MESSAGE_MAX, 0);
	} while (n < 0 && errno == EINTR);
	return n ? n : recv(p->sock, message, MESSAGE_MAX, MSG_DONTWAIT);
}

/* It ended where a barrier was awaited: an error that says how, as far as is known. */
static int ended_early(lua_State *L, struct process *p)
{
	int status = 0;
	pid_t waited;

	close(p->sock);
	p->sock = -1;
	do {
		waited = waitpid(p->pid, &status, 0);
	} while (waited < 0 && errno == EINTR);
	if (waited == p->pid && WIFSIGNALED(status))
		return luaL_error(L, "the child was killed by signal %d before this barrier",
				  WTERMSIG(status));
	return luaL_error(L, "the other process ended before this barrier");
}

/*
 * PROCESS:barrier()
 *
 * Waits until the other side is at its next barrier too. An error if the other
 * side ends without one.
 */
static int process_barrier(lua_State *L)
{
	struct process *p = check_process(L);
	char message[MESSAGE_MAX] = { MESSAGE_BARRIER };

	if (send(p->sock, message, 1, MSG_NOSIGNAL) != 1 || receive(p, message) < 1 ||
	    message[0] != MESSAGE_BARRIER)
		return ended_early(L, p);
	return 0;
}

/*
 * PROCESS:wait() -> string or nil
 *
 * Waits until a child has ended and its memory is gone; returns what its
 * function returned. An error if it was killed or is at a barrier.
 */
static int process_wait(lua_State *L)
{
	struct process *p = check_process(L);
	char message[MESSAGE_MAX];
	ssize_t n = receive(p, message);
	int status;

	if (n > 0 && message[0] == MESSAGE_BARRIER)
		return luaL_error(L, "the child is at a barrier that nobody comes to");
	while (waitpid(p->pid, &status, 0) < 0)
		if (errno != EINTR)
			return prim_failed(L, "wait");
	close(p->sock);
	p->sock = -1;
	if (WIFSIGNALED(status))
		return luaL_error(L, "the child was killed by signal %d", WTERMSIG(status));
	if (n < 1)
		return luaL_error(L, "the child failed");
	if (message[0] == MESSAGE_NOTHING)
		return 0;
	lua_pushlstring(L, message + 1, n - 1);
	return 1;
}

/* PROCESS:pid() -> number */
static int process_pid(lua_State *L)
{
	struct process *p = luaL_checkudata(L, 1, PROCESS);

	lua_pushinteger(L, p->pid);
	return 1;
}

/*
 * cpu(number)
 *
 * From now on this process, and those that it forks, run on that CPU only. A
 * machine that does not have it skips the story.
 */
static int run_on_cpu(lua_State *L)
{
	lua_Integer number = luaL_checkinteger(L, 1);
	cpu_set_t set;

	CPU_ZERO(&set);
	luaL_argcheck(L, number >= 0 && number < CPU_SETSIZE, 1, "no such CPU");
	CPU_SET(number, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return prim_skip(L, "there is no CPU %d to run on", (int)number);
	return 0;
}

void prim_process(lua_State *L)
{
	static const struct prim globals[] = {
		{ "cpu", run_on_cpu, true },
		{ "fork", fork_story, true },
		{ NULL, NULL, false }
	};
	static const struct prim methods[] = {
		{ "barrier", process_barrier, true },
		{ "wait", process_wait, true },
		{ "pid", process_pid, false },
		{ NULL, NULL, false }
	};

	prim_globals(L, globals);
	prim_methods(L, PROCESS, methods);
}
