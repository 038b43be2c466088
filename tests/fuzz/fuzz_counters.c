// SPDX-License-Identifier: GPL-2.0
/* The module's counters as text: sums over names, of any text. */
#include "fuzz.h"

#include <ctype.h>

#include "device.h"

/* Line by line: NAME, a blank, digits; a line without them counts as 0. */
static u64 sum(const char *text, const char *name)
{
	size_t want = strlen(name);
	u64 all = 0;

	while (*text) {
		size_t length = strcspn(text, "\n");
		char *line = strndup(text, length);
		size_t key = strcspn(line, " ");

		if (key >= want && !memcmp(line + key - want, name, want) &&
		    (key == want || *name == '.'))
			all += line[key] && isdigit((unsigned char)line[key + 1]) ?
			       strtoull(line + key, NULL, 10) : 0;
		free(line);
		text += length + (text[length] == '\n');
	}
	return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { ".missed", ".skipped", "ring.dropped", ".filtered" };
	char *text = strndup((const char *)data, size);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		HOLDS(stats_sum(text, names[i]) == sum(text, names[i]), "%s in: %s", names[i],
		      text);
	HOLDS(stats_missed(text) == sum(text, names[0]) + sum(text, names[1]) +
				     sum(text, names[2]));
	free(text);
	return 0;
}
