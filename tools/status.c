// SPDX-License-Identifier: GPL-2.0
/* cowscope status: what is loaded, what it sees, what it missed. */
#include <errno.h>
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "device.h"
#include "experiment.h"
#include "format.h"
#include "output.h"

#define PROBES	"/sys/kernel/debug/cowscope/probes"
#define FILTER	"/sys/kernel/debug/cowscope/filter"
#define GUP_TEST_FILE "/sys/kernel/debug/gup_test"
#define GUP_TEST "/sys/kernel/debug/cowscope/gup_test"

/* enum cowscope_recording */
static const char *const states[] = { "off", "on", "only counting" };
static const enum color paints[] = { COLOR_WARN, COLOR_GOOD, COLOR_WARN };

/* "a b c": the events that can be seen here, or those that cannot. */
static void list_events(char *buf, size_t size, u32 events)
{
	unsigned int i;
	size_t n = 0;

	snprintf(buf, size, "none");
	for (i = 1; i < COWSCOPE_EVENTS && n < size; i++)
		if (events & 1u << i)
			n += snprintf(buf + n, size - n, "%s%s", n ? " " : "",
				      cowscope_event_name(i));
}

/* "comm redis; event cow_fault,fork": what is recorded. */
static void describe_filter(char *buf, size_t size)
{
	FILE *file = fopen(FILTER, "re");
	char line[256];
	size_t n = 0;

	snprintf(buf, size, "not known");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file) && n < size) {
		line[strcspn(line, "\n")] = '\0';
		n += snprintf(buf + n, size - n, "%s%s", n ? "; " : "", line);
	}
	fclose(file);
}

/* A locked-down kernel opens no file of debugfs that has ioctls. */
static bool refused(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EPERM;
}

/* Who serves the file of the kernel's own selftests: one word. */
static void read_gup_test(char *word, size_t size)
{
	FILE *file = fopen(GUP_TEST, "re");

	if (!file || !fgets(word, size, file))
		snprintf(word, size, "not known");
	word[strcspn(word, "\n")] = '\0';
	if (file)
		fclose(file);
	if (strcmp(word, "off") && refused(GUP_TEST_FILE))
		snprintf(word, size, "lockdown");
}

static const char *describe_gup_test(const char *word)
{
	if (!strcmp(word, "cowscope"))
		return "served, so the kernel's own selftests can run";
	if (!strcmp(word, "kernel"))
		return "not served: this kernel has its own";
	if (!strcmp(word, "off"))
		return "not served: the module was given gup_test=0";
	if (!strcmp(word, "lockdown"))
		return "not to be opened: the kernel is locked down, see kernel_lockdown(7)";
	return word;
}

static FILE *open_probes(void)
{
	FILE *file = fopen(PROBES, "re");

	if (!file)
		note("no state of the probes: " PROBES ": %s%s", strerror(errno), errno == ENOENT ?
		     "; mount -t debugfs none /sys/kernel/debug" : "");
	return file;
}

static void print_probes(void)
{
	FILE *file = open_probes();
	char line[512];

	if (!file)
		return;
	putchar('\n');
	while (fgets(line, sizeof(line), file))
		fputs(line, stdout);
	fclose(file);
}

/*
 * The next table of that file: columns as its first line names them, the last
 * one free text, up to an empty line.
 */
static struct json_object *table_json(FILE *file)
{
	struct json_object *rows = json_object_new_array();
	char names[256], line[512];

	if (!file || !fgets(names, sizeof(names), file))
		return rows;
	while (fgets(line, sizeof(line), file) && *line != '\n') {
		struct json_object *row = json_object_new_object();
		char *name = names, *value = line;

		line[strcspn(line, "\n")] = '\0';
		for (;;) {
			size_t length = strcspn(name, "\n ");
			const char *next = name + length + strspn(name + length, "\n ");
			char key[32];

			snprintf(key, sizeof(key), "%.*s", (int)length, name);
			value += strspn(value, " ");
			json_add(row, key, *next ? strsep(&value, " ") : value);
			if (!*next || !value)
				break;
			name += next - name;
		}
		json_object_array_add(rows, row);
	}
	return rows;
}

/* The probe points, and what none of them sees. */
static void add_probes(struct json_object *object)
{
	FILE *file = open_probes();

	json_object_object_add(object, "probes", table_json(file));
	json_object_object_add(object, "hidden", table_json(file));
	if (file)
		fclose(file);
}

static struct json_object *events_json(u32 events)
{
	struct json_object *array = json_object_new_array();
	unsigned int i;

	for (i = 1; i < COWSCOPE_EVENTS; i++)
		if (events & 1u << i)
			json_object_array_add(array,
					      json_object_new_string(cowscope_event_name(i)));
	return array;
}

static struct json_object *stats_json(const char *stats)
{
	struct json_object *object = json_object_new_object();
	char name[64];
	unsigned long long value;
	int n;

	for (; sscanf(stats, "%63s %llu\n%n", name, &value, &n) == 2; stats += n)
		json_add_number(object, name, value);
	return object;
}

/*
 * The rule that an experiment shows, whatever the module thinks, and how it did;
 * failing that the module's, @module, if there is one.
 */
static const char *find_rule(const struct cowscope_info *module, char *how, size_t size)
{
	const struct experiment *e = experiment();
	unsigned int rule = experiment_rule(e);

	snprintf(how, size, "%s", experiment_text(e));
	if (!module)
		return rule < COWSCOPE_RULES ? cowscope_rule_name(rule) : NULL;
	if (rule >= COWSCOPE_RULES)
		rule = module->rule;
	else if (rule != module->rule)
		snprintf(how, size, "%s; the module goes by %s", experiment_text(e),
			 cowscope_rule_name(module->rule));
	return cowscope_rule_name(rule);
}

static void status_json(const struct cowscope_info *info, const char *release, const char *stats)
{
	struct json_object *object = json_object_new_object();
	char filter[512], gup_test[16], how[256];

	json_object_object_add(object, "loaded", json_object_new_boolean(true));
	json_add(object, "version", info->version);
	json_add(object, "command_version", COWSCOPE_VERSION);
	json_add(object, "kernel", release);
	json_object_object_add(object, "supported", json_object_new_boolean(kernel_supported()));
	json_add(object, "rule", find_rule(info, how, sizeof(how)));
	json_add(object, "rule_shown", how);
	json_object_object_add(object, "recording",
			       json_object_new_boolean(info->enabled == COWSCOPE_RECORDING_ON));
	json_object_object_add(object, "counting",
			       json_object_new_boolean(info->enabled == COWSCOPE_RECORDING_COUNT));
	json_object_object_add(object, "kprobes", json_object_new_boolean(!kprobes_off()));
	describe_filter(filter, sizeof(filter));
	json_add(object, "filter", strcmp(filter, "none") ? filter : NULL);
	read_gup_test(gup_test, sizeof(gup_test));
	json_add(object, "gup_test", gup_test);
	json_add_number(object, "rings", info->cpus);
	json_add_number(object, "ring_records", info->ring_records);
	json_object_object_add(object, "events", events_json(info->events));
	add_probes(object);
	json_object_object_add(object, "stats", stats_json(stats));
	json_print(object);
}

static void status_text(const struct cowscope_info *info, const char *release, const char *stats)
{
	const u32 all = (1u << COWSCOPE_EVENTS) - 2;
	u64 missed = stats_missed(stats);
	unsigned int state = info->enabled < ARRAY_SIZE(states) ? info->enabled : 0;
	char events[256], filter[512], gup_test[16], how[256];
	const char *rule = find_rule(info, how, sizeof(how));

	printf("module     %s%s, recording is %s%s%s\n", info->version,
	       strcmp(info->version, COWSCOPE_VERSION) ? " (the command is " COWSCOPE_VERSION ")" : "",
	       color_on(paints[state]), states[state], color_off(paints[state]));
	if (kprobes_off())
		printf("kprobes    %soff, so nothing is seen: echo 1 > " KPROBES_ENABLED "%s\n",
		       color_on(COLOR_BAD), color_off(COLOR_BAD));
	printf("kernel     %s, %s: %s\n", release,
	       kernel_supported() ? "one of those supported" : "not one of those supported",
	       kernel_list());
	printf("rule       %s (%s)\n", rule, how);
	list_events(events, sizeof(events), info->events);
	printf("sees       %s\n", events);
	if (~info->events & all) {
		list_events(events, sizeof(events), ~info->events & all);
		printf("sees not   %s\n", events);
	}
	describe_filter(filter, sizeof(filter));
	printf("filter     %s\n", filter);
	read_gup_test(gup_test, sizeof(gup_test));
	printf("gup_test   %s\n", describe_gup_test(gup_test));
	printf("records    %llu written, the last %u of each of %u CPUs are kept\n",
	       (unsigned long long)stats_sum(stats, "ring.written"), info->ring_records,
	       info->cpus);
	printf("missed     %s%llu%s\n", color_on(missed ? COLOR_BAD : COLOR_NONE),
	       (unsigned long long)missed, color_off(missed ? COLOR_BAD : COLOR_NONE));
	print_probes();
}

/* What can be said without the module. */
static void status_unloaded(void)
{
	char how[256];
	const char *rule = find_rule(NULL, how, sizeof(how));

	if (output.json) {
		struct json_object *object = json_object_new_object();

		json_object_object_add(object, "loaded", json_object_new_boolean(false));
		json_add(object, "rule", rule);
		json_add(object, "rule_shown", how);
		json_print(object);
	} else {
		printf("rule       %s (%s)\n", rule ? rule : "not known", how);
	}
}

int cmd_status(int argc, char **argv)
{
	struct device d;
	struct utsname u;
	char *stats;
	int err;

	if (next_option(argc, argv, "", NULL) != -1 || optind != argc)
		usage_error("no arguments are taken");
	err = device_open(&d);
	if (err) {
		status_unloaded();
		return fail("%s", device_error(err));
	}
	stats = device_stats(&d);
	if (!stats || uname(&u)) {
		err = errno;
		device_close(&d);
		return fail("cannot read the counters: %s", strerror(err));
	}
	d.info.version[sizeof(d.info.version) - 1] = '\0';
	(output.json ? status_json : status_text)(&d.info, u.release, stats);
	free(stats);
	device_close(&d);
	return finish(EXIT_SUCCESS);
}
