// SPDX-License-Identifier: GPL-2.0
/* Numbers of the command line. */
#include "number.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

bool number_parse(const char *text, bool with_unit, u64 *value)
{
	bool is_hex = text[0] == '0' && (text[1] | 0x20) == 'x';
	const char *units = "KMG", *unit;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = strtoull(text, &end, is_hex ? 16 : 10);
	if (errno)
		return false;
	unit = with_unit && *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		unsigned int shift = 10 * (unit - units + 1);

		if (*value > ~0ULL >> shift)
			return false;
		*value <<= shift;
		end++;
	}
	return !*end;
}
