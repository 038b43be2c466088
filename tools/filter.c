// SPDX-License-Identifier: GPL-2.0
/* The options that say which events are wanted. */
#include "filter.h"

#include <errno.h>

#include "cowscope.h"
#include "format.h"
#include "number.h"
#include "output.h"

static void set_comm(struct cowscope_filter *f, const char *text)
{
	if (!*text)
		usage_error("--comm= needs a name");
	memset(f->comm, 0, sizeof(f->comm));
	memcpy(f->comm, text, strnlen(text, sizeof(f->comm) - 1));
}

/* The beginning of a value, of any length. */
static char *copy(const char *text, size_t length)
{
	char *part = strndup(text, length);

	if (part)
		return part;
	fail("out of memory");
	exit(EXIT_FAILURE);
}

static void set_addr(struct cowscope_filter *f, const char *text)
{
	size_t n = strcspn(text, "-+");
	bool is_length = text[n] == '+';
	char *start = copy(text, n);
	u64 end;

	if (!text[n] || !number_parse(start, false, &f->start) ||
	    !number_parse(text + n + 1, is_length, &end))
		usage_error("--addr=%s is neither START-END nor START+LENGTH", text);
	f->end = is_length ? f->start + end : end;
	if (f->end <= f->start)
		usage_error("--addr=%s: there is nothing between", text);
	free(start);
}

/* The value of a name; a verdict that there is none is called so. */
static int find(const char *name, const char *(*name_of)(unsigned int value), unsigned int first,
		unsigned int count)
{
	unsigned int i;

	for (i = first; i < count; i++) {
		const char *known = name_of(i);

		if (!strcmp(name, strcmp(known, "-") ? known : "none"))
			return i;
	}
	return -1;
}

static u32 parse_names(const char *option, const char *text,
		       const char *(*name_of)(unsigned int value), unsigned int first,
		       unsigned int count)
{
	char *names = copy(text, strlen(text)), *rest = names, *name, list[256] = "";
	unsigned int i;
	size_t n = 0;
	u32 bits = 0;

	while ((name = strsep(&rest, ","))) {
		int value = find(name, name_of, first, count);

		if (value >= 0) {
			bits |= 1u << value;
			continue;
		}
		for (i = first; i < count && n < sizeof(list); i++)
			n += snprintf(list + n, sizeof(list) - n, " %s",
				      strcmp(name_of(i), "-") ? name_of(i) : "none");
		usage_error("--%s: '%s' is none of:%s", option, name, list);
	}
	free(names);
	return bits;
}

bool filter_option(struct filter *f, int opt)
{
	switch (opt) {
	case FILTER_COMM:
		set_comm(&f->wanted, optarg);
		break;
	case FILTER_ADDR:
		set_addr(&f->wanted, optarg);
		break;
	case FILTER_EVENT:
		f->wanted.events = parse_names("event", optarg, cowscope_event_name, 1,
					       COWSCOPE_EVENTS);
		break;
	case FILTER_VERDICT:
		f->wanted.verdicts = parse_names("verdict", optarg, cowscope_verdict_name, 0,
						 COWSCOPE_VERDICTS);
		break;
	default:
		return false;
	}
	f->on = true;
	return true;
}

/* Options may come in any order: what follows from all of them. */
static void make_ready(struct filter *f)
{
	if (f->wanted.verdicts && !f->wanted.events)
		f->wanted.events = 1u << COWSCOPE_EVENT_COW_FAULT;
	f->wanted.size = sizeof(f->wanted);
	if (f->match.events || cowscope_match_init(&f->match, &f->wanted))
		return;
	fail("the filter contradicts itself");
	exit(EXIT_FAILURE);
}

int filter_error(int err)
{
	if (err == -EBUSY)
		return fail("another cowscope has set a filter (record, or trace or stat with one): wait for it to end; 'cowscope status' shows what it records");
	return fail("cannot set the filter: %s", strerror(-err));
}

int filter_begin(struct filter *f, const struct device *d)
{
	int err;

	if (!f->on)
		return EXIT_SUCCESS;
	make_ready(f);
	err = device_ioctl(d, COWSCOPE_FILTER, &f->wanted);
	return err ? filter_error(err) : EXIT_SUCCESS;
}

bool filter_passes(struct filter *f, const struct cowscope_record *r, const char *comm)
{
	char name[16] = "";

	if (!f->on)
		return true;
	make_ready(f);
	if (comm)
		memcpy(name, comm, strnlen(comm, sizeof(name) - 1));
	return cowscope_match_record(&f->match, r, name);
}
