// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kit.h"
#include "tap.h"

int tap_checks, tap_failed, tap_skipped;

int dev_open(void)
{
	int fd = open("/dev/cowscope", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		tap_bail("/dev/cowscope: %s", strerror(errno));
	return fd;
}

int dev(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? -errno : 0;
}

int dev_pin(int fd, unsigned int flags, const void *addr, size_t length)
{
	struct cowscope_pin p = { .size = sizeof(p), .flags = flags,
		.addr = (uintptr_t)addr, .length = length };
	int err = dev(fd, COWSCOPE_PIN, &p);

	return err ? err : (int)p.id;
}

int dev_unpin(int fd, unsigned int id)
{
	struct cowscope_unpin u = { .size = sizeof(u), .id = id };

	return dev(fd, COWSCOPE_UNPIN, &u);
}

static int dev_rw(int fd, unsigned long cmd, unsigned int id, uint64_t offset,
		  const void *data, size_t length)
{
	struct cowscope_rw rw = { .size = sizeof(rw), .id = id, .offset = offset,
		.length = length, .data = (uintptr_t)data };

	return dev(fd, cmd, &rw);
}

int dev_read(int fd, unsigned int id, uint64_t offset, void *data, size_t length)
{
	return dev_rw(fd, COWSCOPE_READ, id, offset, data, length);
}

int dev_write(int fd, unsigned int id, uint64_t offset, const void *data, size_t length)
{
	return dev_rw(fd, COWSCOPE_WRITE, id, offset, data, length);
}

int dev_pin_state(int fd, unsigned int id, uint64_t offset, struct cowscope_pin_state *s)
{
	*s = (struct cowscope_pin_state){ .size = sizeof(*s), .id = id, .offset = offset };
	return dev(fd, COWSCOPE_PIN_STATE, s);
}

int dev_pages(int fd, pid_t pid, const void *addr, size_t count, struct cowscope_page *out)
{
	struct cowscope_page_state ps = { .size = sizeof(ps), .pid = pid,
		.addr = (uintptr_t)addr, .count = count, .pages = (uintptr_t)out };
	int err = dev(fd, COWSCOPE_PAGE_STATE, &ps);

	return err ? err : ps.count == count ? 0 : -ERANGE;
}

int dev_control(int fd, unsigned int op, unsigned int value)
{
	struct cowscope_control c = { .size = sizeof(c), .op = op, .pid = value };

	return dev(fd, COWSCOPE_CONTROL, &c);
}

unsigned int dev_rule(int fd)
{
	struct cowscope_info info = { .size = sizeof(info) };

	if (dev(fd, COWSCOPE_INFO, &info))
		tap_bail("INFO");
	return info.rule;
}

int module_load(const char *parameters)
{
	int fd = open("/lib/cowscope/cowscope.ko", O_RDONLY | O_CLOEXEC);
	int err = syscall(SYS_finit_module, fd, parameters, 0) ? errno : 0;

	close(fd);
	return err;
}

int module_unload(void)
{
	return syscall(SYS_delete_module, "cowscope", O_NONBLOCK) ? errno : 0;
}

void stats_read(int fd, struct stats *s)
{
	struct cowscope_stats arg = { .size = sizeof(arg), .buf = (uintptr_t)s->text,
		.len = sizeof(s->text) - 1 };
	int err = dev(fd, COWSCOPE_STATS, &arg);

	if (err || arg.len >= sizeof(s->text))
		tap_bail("STATS: error %d, length %llu", err, (unsigned long long)arg.len);
	s->text[arg.len] = 0;
	s->length = arg.len;
}

long long stats_sum(const struct stats *s, const char *begin, const char *end)
{
	size_t nb = strlen(begin), ne = strlen(end);
	const char *line = s->text;
	long long sum = 0;

	while (*line) {
		const char *space = strchr(line, ' ');
		const char *next = strchr(line, '\n');
		size_t len = space ? (size_t)(space - line) : 0;

		if (!space || !next)
			tap_bail("STATS has a line without a value: %s", line);
		if (len >= nb && len >= ne && !memcmp(line, begin, nb) &&
		    !memcmp(space - ne, end, ne))
			sum += atoll(space);
		line = next + 1;
	}
	return sum;
}

long long stats_get(const struct stats *s, const char *name)
{
	char key[80];
	const char *at;

	if (!strncmp(s->text, name, strlen(name)) && s->text[strlen(name)] == ' ')
		return atoll(s->text + strlen(name));
	snprintf(key, sizeof(key), "\n%s ", name);
	at = strstr(s->text, key);
	return at ? atoll(at + strlen(key)) : 0;
}

long long stat_now(int fd, const char *name)
{
	static struct stats s;

	stats_read(fd, &s);
	return stats_get(&s, name);
}

bool read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t done = 0;
	ssize_t n = 0;

	if (fd < 0)
		return false;
	while (done < size - 1 && (n = read(fd, buf + done, size - 1 - done)) > 0)
		done += n;
	buf[done] = 0;
	close(fd);
	return n >= 0;
}

bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_APPEND);
	ssize_t n;

	if (fd < 0)
		return false;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text);
}

long long file_value(const char *path, const char *name)
{
	static char text[65536];
	const char *line = text;

	if (!read_file(path, text, sizeof(text)))
		return -1;
	while (line) {
		size_t n = strlen(name);

		if (!strncmp(line, name, n) && strchr(" :\t", line[n]))
			return atoll(line + n + 1);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return -1;
}

long long vmstat(const char *name)
{
	return file_value("/proc/vmstat", name);
}

long long foll_pins(void)
{
	/* Each CPU keeps some of the count to itself until asked. */
	if (!write_file("/proc/sys/vm/stat_refresh", "1"))
		tap_bail("stat_refresh: %s", strerror(errno));
	return vmstat("nr_foll_pin_acquired") - vmstat("nr_foll_pin_released");
}

long memlock(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid ? pid : getpid());
	return file_value(path, "VmLck");
}

int pins_listed(void)
{
	static char text[262144];
	int lines = -1;		/* the heading */
	char *at;

	if (!read_file(DEBUG "pins", text, sizeof(text)))
		tap_bail(DEBUG "pins: %s", strerror(errno));
	for (at = text; (at = strchr(at, '\n')); at++)
		lines++;
	return lines;
}

int wait_status(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		tap_bail("waitpid: %s", strerror(errno));
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void gate_open(struct gate *g)
{
	if (pipe(g->fd))
		tap_bail("pipe: %s", strerror(errno));
}

void gate_pass(struct gate *g)
{
	if (write(g->fd[1], "", 1) != 1)
		tap_bail("gate: %s", strerror(errno));
}

void gate_wait(struct gate *g)
{
	char c;

	while (read(g->fd[0], &c, 1) != 1)
		if (errno != EINTR)
			tap_bail("gate: %s", strerror(errno));
}

void on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

void rings_open(int fd, struct rings *r)
{
	int err;

	memset(r, 0, sizeof(*r));
	r->info.size = sizeof(r->info);
	err = dev(fd, COWSCOPE_INFO, &r->info);
	if (err || r->info.cpus > 64)
		tap_bail("INFO: error %d, %u CPUs", err, r->info.cpus);
	r->map = mmap(NULL, r->info.map_size, PROT_READ, MAP_SHARED, fd, 0);
	if (r->map == MAP_FAILED)
		tap_bail("mmap of the rings: %s", strerror(errno));
}

void rings_close(struct rings *r)
{
	munmap((void *)r->map, r->info.map_size);
}

static const struct cowscope_ring *ring(const struct rings *r, unsigned int cpu)
{
	return (const void *)(r->map + r->info.rings_offset + cpu * r->info.ring_stride);
}

uint64_t rings_head(const struct rings *r, unsigned int cpu)
{
	return __atomic_load_n(&ring(r, cpu)->head, __ATOMIC_ACQUIRE);
}

void rings_seek_end(struct rings *r)
{
	unsigned int cpu;

	for (cpu = 0; cpu < r->info.cpus; cpu++)
		r->place[cpu] = (struct ring_place){ .next = rings_head(r, cpu) };
}

bool rings_read(struct rings *r, unsigned int cpu, struct cowscope_record *out)
{
	const struct cowscope_record *records =
		(const void *)((const char *)ring(r, cpu) + r->info.ring_data_offset);
	struct ring_place *p = &r->place[cpu];
	uint64_t size = r->info.ring_records;

	for (;;) {
		uint64_t head = rings_head(r, cpu);

		if (p->next >= head)
			return false;
		if (p->next + size <= head) {
			p->lost += head + 1 - size - p->next;
			p->next = head + 1 - size;
		}
		memcpy(out, &records[p->next & (size - 1)], sizeof(*out));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		head = __atomic_load_n(&ring(r, cpu)->head, __ATOMIC_RELAXED);
		p->next++;
		if (p->next - 1 + size > head)
			return true;
		p->lost++;
	}
}

bool rings_next(struct rings *r, struct cowscope_record *out)
{
	unsigned int cpu;

	for (cpu = 0; cpu < r->info.cpus; cpu++)
		if (rings_read(r, cpu, out))
			return true;
	return false;
}
