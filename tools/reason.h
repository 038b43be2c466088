/* SPDX-License-Identifier: GPL-2.0 */
/* Why a write fault was decided as it was, in a sentence or two. Pure. */
#ifndef COWSCOPE_REASON_H
#define COWSCOPE_REASON_H

#include "judge.h"
#include "pure.h"
#include <linux/cowscope.h>

#define REASON_MAX	768

/**
 * reason - which rule decided from which counts, what the others say, the verdict
 * @buf: where to
 * @size: room there; REASON_MAX always suffices
 * @o: what was seen of the story
 * @in_force: enum cowscope_rule of the kernel where it was told
 */
void reason(char *buf, size_t size, const struct observed *o, unsigned int in_force);

#endif
