/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Holders: who gets hold of memory that a story mapped, by a reference or pin of
 * cowscope's or through an interface of the kernel that takes one itself. A kind
 * of holder is one struct and one file; stories name it, hold(memory, "NAME").
 */
#ifndef COWSCOPE_HOLD_H
#define COWSCOPE_HOLD_H

#include "prim.h"

struct hold;

struct holder {
	const char *name;
	u32 flags;		/* what tells names of one kind apart */

	/*
	 * Takes hold of [addr, addr + length). Raises an error, or skips the story
	 * if this kernel or machine lacks what is needed, and leaves nothing behind
	 * then but what dies with the process.
	 */
	void (*take)(lua_State *L, struct hold *h);

	/* What the holder sees at offset, through what it holds. */
	void (*read)(lua_State *L, struct hold *h, char *buf, u64 offset, size_t length);

	/* Writes as a device would; NULL: it cannot. */
	void (*write)(lua_State *L, struct hold *h, const char *buf, u64 offset, size_t length);

	/* Gives it back. */
	void (*release)(lua_State *L, struct hold *h);
};

/* Memory that is held. */
struct hold {
	const struct holder *holder;
	u32 flags;
	u64 addr;
	size_t length;
	pid_t pid;		/* which process of the story took it */
	u32 id;			/* the module's, or 0: it knows nothing of it */
	bool released;
	int fd[2];		/* of an interface that is one or two files */
	void *own;		/* what else the kind needs */
	lua_Integer times;	/* how often each page is held */
	u32 more[];		/* the ids after the first */
};

/* The kinds, each ended by zeros. */
extern const struct holder hold_pins[];
extern const struct holder hold_pipe[];
extern const struct holder hold_lookup[];
extern const struct holder hold_mirrors[];
extern const struct holder hold_direct[];
extern const struct holder hold_uring[];
extern const struct holder hold_vm[];
extern const struct holder hold_rdma[];

/**
 * hold_find - a kind of holder by its name; another one is an error
 * @L: the interpreter
 * @name: as scenarios name it
 */
const struct holder *hold_find(lua_State *L, const char *name);

/**
 * hold_device_call - an ioctl of the module, which raises an error if it fails
 * @L: the interpreter
 * @command: COWSCOPE_*
 * @arg: its struct
 * @what: for the error
 */
void hold_device_call(lua_State *L, unsigned long command, void *arg, const char *what);

/* The members of a kind that the module itself holds, by the id in struct hold. */
void hold_device_read(lua_State *L, struct hold *h, char *buf, u64 offset, size_t length);
void hold_device_write(lua_State *L, struct hold *h, const char *buf, u64 offset,
		       size_t length);
void hold_device_release(lua_State *L, struct hold *h);

#endif
