/* SPDX-License-Identifier: GPL-2.0 */
/* What hostile.c and hostile_call.c share: a call, and what calls are made on. */
#ifndef COWSCOPE_TEST_HOSTILE_H
#define COWSCOPE_TEST_HOSTILE_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/cowscope.h>

#define FILES		6	/* open files of the device, or none */
#define FILES_SHARED	3	/* of these, all processes have the first ones */
#define AREAS		8	/* pieces of memory */
#define AREA		(2UL << 20)
#define IDS		16	/* that an open file gave out lately */
#define IOCTLS		(_IOC_NR(COWSCOPE_MIRROR) + 1)

/* What is done, whatever the numbers in it are: there is none that is not tried. */
struct call {
	uint8_t what;		/* enum what in hostile_call.c */
	uint8_t file;		/* modulo FILES */
	uint8_t where;		/* its argument is: see place() */
	uint8_t area;		/* modulo AREAS */
	uint32_t cmd;		/* of an ioctl */
	union {
		uint8_t byte[128];
		uint32_t word[32];
		uint64_t pair[16];
	};
};

/* Of one process; its threads share it. */
struct ground {
	int file[FILES];	/* -1: none */
	char *area[AREAS];
	char *scratch;		/* a page, for what is written out */
	uint32_t (*ids)[IDS];	/* by open file, of all processes */
	uint32_t *done;		/* ioctls by number that were no error, of all */
};

/* Memory of all kinds, which stays, and the shared open files. */
void ground_make(struct ground *g);

/* A call as anybody might make it, or with something wrong. */
void call_make(struct call *c, const struct ground *g, uint64_t *random);

/* Another one, not far from it. */
void call_vary(struct call *c, const struct ground *g, uint64_t *random);

/* Makes it. True if it was one of the device. */
bool call_do(const struct call *c, struct ground *g);

static inline uint64_t any(uint64_t *random)
{
	/* xorshift64: Marsaglia, "Xorshift RNGs", 2003 */
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

static inline unsigned int below(uint64_t *random, unsigned int limit)
{
	return (any(random) >> 16) % limit;
}

#endif
