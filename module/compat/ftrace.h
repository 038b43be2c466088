/* SPDX-License-Identifier: GPL-2.0 */
/* A hook of our own on a function's entry, through ftrace. */
#ifndef COWSCOPE_COMPAT_FTRACE_H
#define COWSCOPE_COMPAT_FTRACE_H

#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/version.h>

#ifdef CONFIG_KPROBES_ON_FTRACE
#define compat_ftrace_ops	ftrace_ops

/*
 * May a kretprobe's own handler be called outside of a kprobe? On a rethook that
 * is lock-free, and fprobe does the same; before "kprobes: Use rethook
 * for kretprobe if possible", 5.18, it takes a lock that an NMI may want which
 * meets another kretprobe.
 */
#define COMPAT_HOOK_AND_RETURN	IS_ENABLED(CONFIG_KRETPROBE_ON_RETHOOK)

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
/*
 * "ftrace: Have the callbacks receive a struct ftrace_regs instead of pt_regs" and
 * "ftrace/x86: Allow for arguments to be passed in to ftrace_regs by default", 5.11:
 * before, arguments came only with all other registers. "ftrace: Reverse what the
 * RECURSION flag means in the ftrace_ops", 5.11.
 */
#define compat_ftrace_regs	pt_regs
#define COMPAT_HOOK_FLAGS	(FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_RECURSION_SAFE)
#else
#define compat_ftrace_regs	ftrace_regs
#define COMPAT_HOOK_FLAGS	0
#endif

/* Arguments and stack pointer; the rest is not to be relied on. */
static inline struct pt_regs *compat_ftrace_pt_regs(struct compat_ftrace_regs *fregs)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
	return fregs;
#elif defined(arch_ftrace_regs)
	/* "ftrace: Make ftrace_regs abstract from direct use", 6.13 */
	return &arch_ftrace_regs(fregs)->regs;
#else
	return &fregs->regs;
#endif
}

/*
 * Frees its filter. ftrace_set_filter_ip() does not, from "ftrace: Add
 * ftrace_set_filter_ips function", 5.18, on: it wants an address then.
 */
static inline void compat_ftrace_free(struct ftrace_ops *ops)
{
	ftrace_set_filter(ops, NULL, 0, 1);
}

/**
 * compat_hook - have each call of a function told
 * @ops: not in use
 * @func: called at the entry, maybe with preemption on; may not call the function
 * @addr: a place that ftrace patches
 *
 * Returns -EBUSY if ftrace is switched off (kernel.ftrace_enabled), which is
 * refused as long as the hook is there.
 */
static inline int compat_hook(struct ftrace_ops *ops, ftrace_func_t func, unsigned long addr)
{
	int err;

	*ops = (struct ftrace_ops){
		.func = func,
		.flags = COMPAT_HOOK_FLAGS | FTRACE_OPS_FL_PERMANENT,
	};
	err = ftrace_set_filter_ip(ops, addr, 0, 0);
	if (err)
		return err;
	err = register_ftrace_function(ops);
	if (err)
		compat_ftrace_free(ops);
	return err;
}

/* When it returns @func does not run any more. Sleeps until all tasks have slept. */
static inline void compat_unhook(struct ftrace_ops *ops)
{
	unregister_ftrace_function(ops);
	compat_ftrace_free(ops);
}
#else
/* No kprobe says then that ftrace patches its place, and nothing is hooked. */
struct compat_ftrace_ops {
	int unused;
};

#define compat_ftrace_regs	pt_regs
#define COMPAT_HOOK_AND_RETURN	0

static inline struct pt_regs *compat_ftrace_pt_regs(struct compat_ftrace_regs *fregs)
{
	return fregs;
}

static inline int compat_hook(struct compat_ftrace_ops *ops,
			      void (*func)(unsigned long, unsigned long,
					   struct compat_ftrace_ops *, struct pt_regs *),
			      unsigned long addr)
{
	return -EOPNOTSUPP;
}

static inline void compat_unhook(struct compat_ftrace_ops *ops)
{
}
#endif

#endif
