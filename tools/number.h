/* SPDX-License-Identifier: GPL-2.0 */
/* Numbers of the command line. */
#ifndef COWSCOPE_NUMBER_H
#define COWSCOPE_NUMBER_H

#include "pure.h"

/**
 * number_parse - a number, decimal or 0x...
 * @text: all of it must be the number
 * @with_unit: K, M or G may follow
 * @value: filled in
 *
 * Returns false if it is none, or none of 64 bits.
 */
bool number_parse(const char *text, bool with_unit, u64 *value);

#endif
