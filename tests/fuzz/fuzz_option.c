// SPDX-License-Identifier: GPL-2.0
/* Values of options: numbers, ranges, lists of names. */
#include "fuzz.h"

#include <ctype.h>
#include <getopt.h>

#include "filter.h"
#include "format.h"
#include "number.h"
#include "output.h"

/* Once more, slowly: digits one by one. */
static bool parse(const char *text, bool with_unit, u64 *value)
{
	static const char units[] = "kmg";
	unsigned int base = 10;
	__uint128_t n = 0;
	const char *unit;

	if (!isdigit((unsigned char)*text))
		return false;
	if (text[0] == '0' && tolower((unsigned char)text[1]) == 'x') {
		base = 16;
		text += 2;
		if (!isxdigit((unsigned char)*text))
			return false;
	}
	for (; base == 16 ? isxdigit((unsigned char)*text) : isdigit((unsigned char)*text); text++) {
		n = n * base + (isdigit((unsigned char)*text) ? *text - '0' :
				tolower((unsigned char)*text) - 'a' + 10);
		if (n >> 64)
			return false;
	}
	if (with_unit && *text) {
		unit = strchr(units, tolower((unsigned char)*text));
		if (unit) {
			n <<= 10 * (unit - units + 1);
			text++;
		}
	}
	*value = n;
	return !*text && !(n >> 64);
}

static void check_number(const char *text, bool with_unit)
{
	u64 value = 0, expected = 0, again;
	bool is = number_parse(text, with_unit, &value);
	char printed[32];

	HOLDS(is == parse(text, with_unit, &expected), "%s", text);
	HOLDS(!is || value == expected, "%s: %llu, not %llu", text, (unsigned long long)value,
	      (unsigned long long)expected);
	snprintf(printed, sizeof(printed), "%llu", (unsigned long long)value);
	HOLDS(!is || (number_parse(printed, false, &again) && again == value));
}

static struct filter filter;

static int option(int argc, char **argv)
{
	char *none[2] = { "option", NULL };

	/* Usage errors look for --json in what this was given. */
	next_option(1, none, "", NULL);
	optarg = argv[0];
	filter = (struct filter){ 0 };
	HOLDS(filter_option(&filter, argc));
	return EXIT_SUCCESS;
}

/* Is it taken? */
static bool set(int opt, const char *text)
{
	char *argv[2] = { (char *)text, NULL };
	const struct printed *p = printed(option, opt, argv);

	HOLDS(p->status == EXIT_SUCCESS || p->status == EXIT_USAGE);
	HOLDS(!p->status == !p->err_size && !p->out_size);
	check_text(p->err, p->err_size);
	return !p->status;
}

static void check_addr(const char *text)
{
	struct cowscope_filter f;
	size_t n = strcspn(text, "-+");
	char *start = strndup(text, n), again[64];
	u64 from, to;

	if (set(FILTER_ADDR, text)) {
		f = filter.wanted;
		HOLDS(parse(start, false, &from) && parse(text + n + 1, text[n] == '+', &to), "%s",
		      text);
		HOLDS(f.start == from && f.end == (text[n] == '+' ? from + to : to) &&
		      f.start < f.end, "%s", text);
		snprintf(again, sizeof(again), "0x%llx-0x%llx", (unsigned long long)f.start,
			 (unsigned long long)f.end);
		HOLDS(set(FILTER_ADDR, again) && !memcmp(&f, &filter.wanted, sizeof(f)));
	}
	free(start);
}

/* Each name must be one, and each bit must be of one of them. */
static void check_names(int opt, const char *text, const char *(*name_of)(unsigned int value),
			unsigned int first, unsigned int count)
{
	char *copy = strdup(text), *rest = copy, *name;
	bool is = set(opt, text), all = true;
	unsigned int i;
	u32 bits = 0;

	while ((name = strsep(&rest, ","))) {
		for (i = first; i < count; i++)
			if (!strcmp(name, strcmp(name_of(i), "-") ? name_of(i) : "none"))
				break;
		all &= i < count;
		bits |= i < count ? 1u << i : 0;
	}
	HOLDS(is == all, "%s", text);
	HOLDS(!is || bits == (opt == FILTER_EVENT ? filter.wanted.events :
						     filter.wanted.verdicts), "%s", text);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned int what = take_below(&in, 6);
	char *text = strndup((const char *)in.at, in.left);

	output.json = false;
	switch (what) {
	case 0:
	case 1:
		check_number(text, what);
		break;
	case 2:
		check_addr(text);
		break;
	case 3:
		check_names(FILTER_EVENT, text, cowscope_event_name, 1, COWSCOPE_EVENTS);
		break;
	case 4:
		check_names(FILTER_VERDICT, text, cowscope_verdict_name, 0, COWSCOPE_VERDICTS);
		break;
	case 5:
		HOLDS(set(FILTER_COMM, text) == !!*text);
		HOLDS(!*text || (strlen(filter.wanted.comm) <= 15 &&
				 !strncmp(filter.wanted.comm, text, 15)));
		break;
	}
	free(text);
	return 0;
}
