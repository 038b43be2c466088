/* SPDX-License-Identifier: GPL-2.0 */
/* A device made of memory: rings and names as they are mapped, to be filled at will. */
#ifndef COWSCOPE_MEMORY_DEVICE_H
#define COWSCOPE_MEMORY_DEVICE_H

#include "device.h"

#define CPUS	3
#define SIZE	8
#define TASKS	16

static struct {
	struct cowscope_task task[TASKS];
	struct {
		struct cowscope_ring ring;
		u64 pad[7];
		struct cowscope_record record[SIZE];
	} cpu[CPUS];
} map;

static struct device device = {
	.fd = -1,
	.info = {
		.cpus = CPUS,
		.ring_records = SIZE,
		.tasks = TASKS,
		.map_size = sizeof(map),
		.rings_offset = offsetof(typeof(map), cpu),
		.ring_stride = sizeof(map.cpu[0]),
		.ring_data_offset = offsetof(typeof(map.cpu[0]), record),
	},
	.map = &map,
};

#endif
