// SPDX-License-Identifier: GPL-2.0
/* The module holds memory: COWSCOPE_PIN, references and pins as a driver's. */
#include "hold.h"

#include <errno.h>

/* A failure is ours, not the script's, but it is the script's line. */
void hold_device_call(lua_State *L, unsigned long command, void *arg, const char *what)
{
	int err = device_ioctl(&story.device, command, arg);

	if (!err)
		return;
	errno = -err;
	prim_failed(L, what);
}

static void take(lua_State *L, struct hold *h)
{
	struct cowscope_pin arg = {
		.size = sizeof(arg), .flags = h->flags, .addr = h->addr, .length = h->length,
	};

	hold_device_call(L, COWSCOPE_PIN, &arg, "pin");
	h->id = arg.id;
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
	hold_device_call(L, COWSCOPE_PIN_STATE, &s, "pin state");
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

void hold_device_read(lua_State *L, struct hold *h, char *buf, u64 offset, size_t length)
{
	struct cowscope_rw arg = {
		.size = sizeof(arg), .id = h->id, .offset = offset, .length = length,
		.data = (uintptr_t)buf,
	};

	hold_device_call(L, COWSCOPE_READ, &arg, "read");
	check_coherence(L, h, offset, buf, length);
}

void hold_device_write(lua_State *L, struct hold *h, const char *buf, u64 offset,
		       size_t length)
{
	struct cowscope_rw arg = {
		.size = sizeof(arg), .id = h->id, .offset = offset, .length = length,
		.data = (uintptr_t)buf,
	};

	hold_device_call(L, COWSCOPE_WRITE, &arg, "write");
}

void hold_device_release(lua_State *L, struct hold *h)
{
	struct cowscope_unpin arg = { .size = sizeof(arg), .id = h->id };

	hold_device_call(L, COWSCOPE_UNPIN, &arg, "unpin");
}

#define PIN(word, bits) {							\
	.name = word, .flags = bits, .take = take, .read = hold_device_read,	\
	.write = hold_device_write, .release = hold_device_release,			\
}

const struct holder hold_pins[] = {
	PIN("get_ro", 0),
	PIN("get_rw", COWSCOPE_PIN_WRITE),
	PIN("pin_ro", COWSCOPE_PIN_FOLL_PIN),
	PIN("pin_rw", COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_WRITE),
	PIN("pin_ro_longterm", COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_LONGTERM),
	PIN("pin_rw_longterm",
	    COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_WRITE | COWSCOPE_PIN_LONGTERM),
	{ 0 }
};
