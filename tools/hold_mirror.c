// SPDX-License-Identifier: GPL-2.0
/*
 * A secondary MMU maps memory: COWSCOPE_MIRROR. It reads what it has mapped, and
 * faults in what it has not.
 */
#include "hold.h"

#include <errno.h>

static void take(lua_State *L, struct hold *h)
{
	struct cowscope_mirror arg = {
		.size = sizeof(arg), .flags = h->flags, .addr = h->addr, .length = h->length,
	};
	int err = device_ioctl(&story.device, COWSCOPE_MIRROR, &arg);

	if (err == -EOPNOTSUPP)
		prim_skip(L, "this kernel has no mmu notifiers (CONFIG_MMU_NOTIFIER)");
	if (err) {
		errno = -err;
		prim_failed(L, "mirror");
	}
	h->id = arg.id;
}

#define MIRROR(word, bits) {							\
	.name = word, .flags = bits, .take = take, .read = hold_device_read,	\
	.write = hold_device_write, .release = hold_device_release,		\
}

const struct holder hold_mirrors[] = {
	MIRROR("mirror_none", 0),
	MIRROR("mirror_get", COWSCOPE_MIRROR_GET),
	MIRROR("mirror_keep", COWSCOPE_MIRROR_GET | COWSCOPE_MIRROR_KEEP),
	{ 0 }
};
