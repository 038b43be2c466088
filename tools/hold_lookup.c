// SPDX-License-Identifier: GPL-2.0
/* Somebody passes by: COWSCOPE_HOLD, the reference of a look-up that is no GUP. */
#include "hold.h"

static void take(lua_State *L, struct hold *h)
{
	struct cowscope_hold arg = {
		.size = sizeof(arg), .addr = h->addr, .length = h->length,
	};

	hold_device_call(L, COWSCOPE_HOLD, &arg, "hold");
	h->id = arg.id;
}

const struct holder hold_lookup[] = {
	{
		.name = "speculative", .take = take, .read = hold_device_read,
		.write = hold_device_write, .release = hold_device_release,
	},
	{ 0 }
};
