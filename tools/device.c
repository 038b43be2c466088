// SPDX-License-Identifier: GPL-2.0
/* /dev/cowscope: opening it, asking it, and saying why it does not answer. */
#include "device.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "experiment.h"
#include "kernels.h"
#include "output.h"

static const char *const kernels[] = { COWSCOPE_KERNELS };

bool kernel_supported(void)
{
	struct utsname u;
	size_t i;

	if (uname(&u))
		return false;
	for (i = 0; i < ARRAY_SIZE(kernels); i++) {
		size_t n = strlen(kernels[i]);

		if (!strncmp(u.release, kernels[i], n) && !strchr("0123456789", u.release[n]))
			return true;
	}
	return false;
}

const char *kernel_list(void)
{
	static char list[16 * ARRAY_SIZE(kernels)];
	size_t i, n = 0;

	for (i = 0; i < ARRAY_SIZE(kernels) && n < sizeof(list); i++)
		n += snprintf(list + n, sizeof(list) - n, "%s%s", i ? " " : "", kernels[i]);
	return list;
}

int device_ioctl(const struct device *d, unsigned long command, void *arg)
{
	int ret;

	do {
		ret = ioctl(d->fd, command, arg);
	} while (ret && errno == EINTR);
	return ret ? -errno : 0;
}

int device_control(const struct device *d, enum cowscope_control_op op, u32 value)
{
	struct cowscope_control arg = { .size = sizeof(arg), .op = op, .pid = value };

	return device_ioctl(d, COWSCOPE_CONTROL, &arg);
}

/* Whoever comes first tells the module by which rule this kernel decides. */
static void tell_rule(struct device *d)
{
	unsigned int rule;

	if (d->info.rule_found)
		return;
	rule = experiment_rule(experiment());
	if (rule < COWSCOPE_RULES && !device_control(d, COWSCOPE_CONTROL_RULE, rule)) {
		d->info.rule = rule;
		d->info.rule_found = 1;
	}
}

int device_open(struct device *d)
{
	int err;

	*d = (struct device){ .info.size = sizeof(d->info) };
	d->fd = open(DEVICE_PATH, O_RDWR | O_CLOEXEC);
	if (d->fd < 0)
		return -errno;
	err = device_ioctl(d, COWSCOPE_INFO, &d->info);
	if (err) {
		close(d->fd);
		return err;
	}
	d->recording = d->info.enabled;
	tell_rule(d);
	return 0;
}

void device_close(struct device *d)
{
	if (d->map)
		munmap((void *)d->map, d->info.map_size);
	close(d->fd);
}

int device_map(struct device *d)
{
	void *map;

	if (d->map)
		return 0;
	map = mmap(NULL, d->info.map_size, PROT_READ, MAP_SHARED, d->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	d->map = map;
	return 0;
}

const char *device_error(int err)
{
	static char text[512];
	struct utsname u;

	switch (-err) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		if (!kernel_supported() && !uname(&u)) {
			snprintf(text, sizeof(text),
				 "kernel %s is not supported; boot one of these: %s",
				 u.release, kernel_list());
			return text;
		}
		return "module not loaded: insmod /lib/cowscope/cowscope.ko or modprobe cowscope; build it with make";
	case EACCES:
	case EPERM:
		return "no access to " DEVICE_PATH ": run as root";
	case ENOTTY:
	case E2BIG:
	case EINVAL:
		return "the loaded module is of another version: rmmod cowscope, then load the one built with this command";
	}
	snprintf(text, sizeof(text), DEVICE_PATH ": %s", strerror(-err));
	return text;
}

bool kprobes_off(void)
{
	FILE *file = fopen(KPROBES_ENABLED, "re");
	int c = file ? fgetc(file) : EOF;

	if (file)
		fclose(file);
	return c == '0';
}

int device_switch(struct device *d, unsigned int to)
{
	static const enum cowscope_control_op ops[] = {
		[COWSCOPE_RECORDING_OFF] = COWSCOPE_CONTROL_DISABLE,
		[COWSCOPE_RECORDING_ON] = COWSCOPE_CONTROL_ENABLE,
		[COWSCOPE_RECORDING_COUNT] = COWSCOPE_CONTROL_COUNT,
	};
	int err;

	if (to != COWSCOPE_RECORDING_OFF && kprobes_off())
		return fail("nothing can be recorded while kprobes are off: echo 1 > " KPROBES_ENABLED);
	if (to == d->recording)
		return EXIT_SUCCESS;
	err = to < ARRAY_SIZE(ops) ? device_control(d, ops[to], 0) : -EINVAL;
	if (err == -EBUSY)
		return fail("cannot switch recording on while ftrace is off: sysctl kernel.ftrace_enabled=1");
	if (err)
		return fail("cannot switch recording %s: %s; 'cowscope status' shows the probes",
			    to == COWSCOPE_RECORDING_OFF ? "off" : "on", strerror(-err));
	d->recording = to;
	return EXIT_SUCCESS;
}

int device_mark(const struct device *d, const char *text)
{
	struct cowscope_mark arg = { .size = sizeof(arg) };

	memcpy(arg.text, text, strnlen(text, sizeof(arg.text)));
	return device_ioctl(d, COWSCOPE_MARK, &arg);
}

char *device_stats(const struct device *d)
{
	u64 room = 8192;

	for (;;) {
		char *text = malloc(room + 1);
		struct cowscope_stats arg = {
			.size = sizeof(arg), .buf = (uintptr_t)text, .len = room,
		};
		int err;

		if (!text)
			return NULL;
		err = device_ioctl(d, COWSCOPE_STATS, &arg);
		if (!err && arg.len <= room) {
			text[arg.len] = '\0';
			return text;
		}
		free(text);
		if (err) {
			errno = -err;
			return NULL;
		}
		room = arg.len;
	}
}

u64 stats_sum(const char *stats, const char *name)
{
	size_t want = strlen(name);
	u64 sum = 0;

	while (*stats) {
		size_t line = strcspn(stats, "\n");
		size_t key = strcspn(stats, "\n ");

		if (key >= want && !memcmp(stats + key - want, name, want) &&
		    (key == want || *name == '.'))
			sum += stats[key] == ' ' && isdigit((unsigned char)stats[key + 1]) ?
			       strtoull(stats + key, NULL, 10) : 0;
		stats += line + (stats[line] == '\n');
	}
	return sum;
}

u64 stats_missed(const char *stats)
{
	return stats_sum(stats, ".missed") + stats_sum(stats, ".skipped") +
	       stats_sum(stats, "ring.dropped");
}

bool device_task(const struct device *d, u32 pid, struct cowscope_task *task)
{
	const struct cowscope_task *tasks = d->map;
	const struct cowscope_task *t = &tasks[pid & (d->info.tasks - 1)];
	u32 first = __atomic_load_n(&t->pid, __ATOMIC_ACQUIRE);

	task->pid = pid;
	task->tgid = __atomic_load_n(&t->tgid, __ATOMIC_RELAXED);
	memcpy(task->comm, t->comm, sizeof(task->comm));
	task->comm[sizeof(task->comm) - 1] = '\0';
	task->pad = 0;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return first == pid && __atomic_load_n(&t->pid, __ATOMIC_RELAXED) == pid;
}
