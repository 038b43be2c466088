// SPDX-License-Identifier: GPL-2.0
/* Rings and names as mapped, whatever is in them, read while they are written. */
#include "fuzz.h"

#include "cursor.h"
#include "../unit/memory_device.h"

/* A record of cpu @i; its number is in `addr`. */
static void put(struct input *in, unsigned int i)
{
	u64 n = map.cpu[i].ring.head;
	struct cowscope_record *r = &map.cpu[i].record[n & (SIZE - 1)];

	take(in, r, 24);
	r->cpu = i;
	r->addr = n;
	map.cpu[i].ring.head++;
}

/* What was read of each ring, against what was written to it. */
struct account {
	u64 first[CPUS];	/* number of the first that can be read */
	u64 next[CPUS];		/* number of the next that may come */
	u64 got;
};

static void read_batch(struct input *in, struct reader *reader, struct account *a)
{
	struct cowscope_record r;
	struct cowscope_task task;
	u64 horizon = READER_ALL;

	if (in->left && take_below(in, 2))
		take(in, &horizon, sizeof(horizon));
	reader_batch(reader, horizon);
	while (reader_next(reader, &r)) {
		HOLDS(r.ts <= horizon && r.cpu < CPUS);
		HOLDS(r.addr - a->next[r.cpu] < 1ULL << 32, "not in order");
		a->next[r.cpu] = r.addr + 1;
		a->got++;
		if (device_task(&device, r.pid, &task))
			HOLDS(task.pid == r.pid && strlen(task.comm) < sizeof(task.comm));
		if (take_below(in, 4) == 3)
			put(in, take_below(in, CPUS));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct family family = { 0 };
	struct records records = { 0 };
	struct account a = { .got = 0 };
	struct reader reader = { 0 };
	enum reader_from from;
	unsigned int i;
	u64 all = 0;

	for (i = 0; i < CPUS; i++)
		take(&in, memset(&map.cpu[i].ring.head, 0, 8), 1 + take_below(&in, 7));
	for (i = 0; i < TASKS; i++)
		take(&in, &map.task[i], 24);
	for (i = 0; i < CPUS * SIZE; i++)
		put(&in, i % CPUS);
	from = take_below(&in, 2) ? READER_NOW : READER_OLDEST;
	HOLDS(!reader_open(&reader, &device, from));
	for (i = 0; i < CPUS; i++) {
		u64 head = map.cpu[i].ring.head;

		a.first[i] = from == READER_NOW ? head : ring_oldest(head, SIZE);
		a.next[i] = a.first[i];
	}

	while (in.left) {
		if (take_below(&in, 3))
			put(&in, take_below(&in, CPUS));
		else
			read_batch(&in, &reader, &a);
	}
	read_batch(&in, &reader, &a);
	for (i = 0; i < CPUS; i++)
		all += map.cpu[i].ring.head - a.first[i];
	HOLDS(a.got + reader_lost(&reader) == all, "%llu read, %llu lost, of %llu",
	      (unsigned long long)a.got, (unsigned long long)reader_lost(&reader),
	      (unsigned long long)all);

	reader_seek(&reader, READER_OLDEST);
	HOLDS(!family_add(&family, map.task[0].tgid));
	HOLDS(!reader_collect(&reader, &device, &family, &records));
	HOLDS(records.count <= CPUS * SIZE);
	free(records.record);
	free(family.tgid);
	reader_close(&reader);
	return 0;
}
