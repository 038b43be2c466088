// SPDX-License-Identifier: GPL-2.0
/*
 * The interface has the same layout for 32 and 64 bit callers: compiled for
 * both, never linked. A line that fails here is a change of the interface.
 */
#include <linux/cowscope.h>

#define SIZE(type, bytes)	_Static_assert(sizeof(struct type) == (bytes), #type)
#define AT(type, field, offset)	\
	_Static_assert(__builtin_offsetof(struct type, field) == (offset), #type "." #field)
#define IOCTL(command, number)	_Static_assert((command) == (number), #command)

SIZE(cowscope_record, 64);
AT(cowscope_record, ts, 0);
AT(cowscope_record, pid, 8);
AT(cowscope_record, cpu, 12);
AT(cowscope_record, type, 14);
AT(cowscope_record, verdict, 15);
AT(cowscope_record, addr, 16);
AT(cowscope_record, before, 24);
AT(cowscope_record, refcount, 32);
AT(cowscope_record, mapcount, 36);
AT(cowscope_record, state, 40);
AT(cowscope_record, holder, 44);
AT(cowscope_record, after, 48);
AT(cowscope_record, pages, 48);
AT(cowscope_record, duration, 56);
AT(cowscope_record, flags, 56);
AT(cowscope_record, source, 56);
AT(cowscope_record, lock, 57);
AT(cowscope_record, ret, 60);
AT(cowscope_record, outcome, 62);
AT(cowscope_record, rules, 63);
AT(cowscope_record, start, 16);
AT(cowscope_record, end, 24);
AT(cowscope_record, wrongly_left, 16);
AT(cowscope_record, soft_dirty, 24);
AT(cowscope_record, op_duration, 32);
AT(cowscope_record, target, 40);
AT(cowscope_record, seen, 44);
AT(cowscope_record, changed, 48);
AT(cowscope_record, pinned, 52);
AT(cowscope_record, mirror, 52);
AT(cowscope_record, held, 56);
AT(cowscope_record, arg, 60);
AT(cowscope_record, op_lock, 61);
AT(cowscope_record, op_flags, 62);
AT(cowscope_record, error, 63);
AT(cowscope_record, text, 16);

SIZE(cowscope_ring, 8);
SIZE(cowscope_task, 32);
AT(cowscope_task, comm, 8);

SIZE(cowscope_file_header, 136);
AT(cowscope_file_header, records, 16);
AT(cowscope_file_header, missed, 40);
AT(cowscope_file_header, release, 56);
AT(cowscope_file_header, version, 120);

SIZE(cowscope_info, 80);
AT(cowscope_info, map_size, 16);
AT(cowscope_info, events, 48);
AT(cowscope_info, version, 64);
SIZE(cowscope_control, 16);
SIZE(cowscope_filter, 48);
AT(cowscope_filter, start, 16);
AT(cowscope_filter, comm, 32);
SIZE(cowscope_stats, 24);
AT(cowscope_stats, buf, 8);
SIZE(cowscope_pin, 32);
AT(cowscope_pin, addr, 8);
AT(cowscope_pin, id, 24);
SIZE(cowscope_hold, 32);
AT(cowscope_hold, addr, 8);
AT(cowscope_hold, id, 24);
SIZE(cowscope_mirror, 32);
AT(cowscope_mirror, addr, 8);
AT(cowscope_mirror, id, 24);
SIZE(cowscope_unpin, 8);
SIZE(cowscope_rw, 32);
AT(cowscope_rw, data, 24);
SIZE(cowscope_page, 48);
AT(cowscope_page, holder, 44);
SIZE(cowscope_pin_state, 120);
AT(cowscope_pin_state, held, 24);
AT(cowscope_pin_state, mapped, 72);
SIZE(cowscope_page_state, 32);
AT(cowscope_page_state, pages, 24);
SIZE(cowscope_mark, 56);

IOCTL(COWSCOPE_INFO, 0xc050c500);
IOCTL(COWSCOPE_CONTROL, 0x4010c501);
IOCTL(COWSCOPE_STATS, 0xc018c502);
IOCTL(COWSCOPE_PIN, 0xc020c503);
IOCTL(COWSCOPE_UNPIN, 0x4008c504);
IOCTL(COWSCOPE_READ, 0x4020c505);
IOCTL(COWSCOPE_WRITE, 0x4020c506);
IOCTL(COWSCOPE_PIN_STATE, 0xc078c507);
IOCTL(COWSCOPE_PAGE_STATE, 0xc020c508);
IOCTL(COWSCOPE_MARK, 0x4038c509);
IOCTL(COWSCOPE_FILTER, 0x4030c50a);
