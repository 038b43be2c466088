/* SPDX-License-Identifier: GPL-2.0 */
#ifndef COWSCOPE_COMPAT_KPROBES_H
#define COWSCOPE_COMPAT_KPROBES_H

#include <linux/version.h>
#include <linux/kprobes.h>
#include <linux/tracepoint.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
/* d741bf41d7c7 ("kprobes: Remove kretprobe hash"), 5.11 */
static inline struct kretprobe *get_kretprobe(struct kretprobe_instance *ri)
{
	return ri->rp;
}
#endif

#endif
