// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a command between two looks at cowscope's sums and the kernel's own:
 * agree FILE COMMAND [ARGUMENT]...
 *
 * FILE gets whether they agree, as KTAP; FILE.trace the kernel's own trace, a
 * line for each call of a probed function and where somebody gives references back
 * late. The exit status is the command's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sums.h"
#include "tap.h"

/*
 * When somebody gives references back late: from the first entry that a process
 * unmaps to the last reference that it gives back; and while the pages in an LRU
 * cache are put on their lists, all of them before the cache drops the first. Not
 * every kernel has all of these functions.
 */
static const char *const spans[] = {
	"p:guest/guest_unmap tlb_gather_mmu\n",
	"p:guest/guest_unmap tlb_gather_mmu_fullmm\n",
	"p:guest/guest_unmap tlb_gather_mmu_vma\n",
	"r:guest/guest_unmapped tlb_finish_mmu\n",
	"p:guest/guest_lru folio_batch_move_lru\n",
	"r:guest/guest_lru_done folio_batch_move_lru\n",
	"p:guest/guest_lru __pagevec_lru_add\n",
	"r:guest/guest_lru_done __pagevec_lru_add\n",
};

static const char *const span_events[] = {
	"guest_unmap", "guest_unmapped", "guest_lru", "guest_lru_done",
};

static void spans_begin(void)
{
	char path[80];

	for (unsigned int i = 0; i < sizeof(spans) / sizeof(*spans); i++)
		write_file(TRACING "kprobe_events", spans[i]);
	if (!write_file(TRACING "trace_clock", "mono"))
		tap_bail("the kernel's trace has no clock \"mono\": %s", strerror(errno));
	for (unsigned int i = 0; i < sizeof(span_events) / sizeof(*span_events); i++) {
		snprintf(path, sizeof(path), TRACING "events/guest/%s/enable", span_events[i]);
		if (!write_file(path, "1"))
			tap_bail("no kprobe event %s: %s", span_events[i], strerror(errno));
	}
}

static void spans_end(void)
{
	char line[80];

	write_file(TRACING "events/guest/enable", "0");
	for (unsigned int i = 0; i < sizeof(span_events) / sizeof(*span_events); i++) {
		snprintf(line, sizeof(line), "-:guest/%s\n", span_events[i]);
		write_file(TRACING "kprobe_events", line);
	}
}

/* Room for some hundred thousand lines a CPU. */
#define BUFFER_KB	"16384"

static void copy_trace(const char *path)
{
	static char buf[1 << 16];
	FILE *in = fopen(TRACING "trace", "re"), *out = fopen(path, "we");
	size_t n;

	if (!in || !out)
		tap_bail("cannot copy the kernel's trace: %s", strerror(errno));
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		if (fwrite(buf, 1, n, out) != n)
			tap_bail("%s: %s", path, strerror(errno));
	fclose(in);
	if (fclose(out))
		tap_bail("%s: %s", path, strerror(errno));
}

static long long overrun(unsigned int cpus)
{
	long long n = 0;
	char path[80];

	for (unsigned int cpu = 0; cpu < cpus; cpu++) {
		snprintf(path, sizeof(path), TRACING "per_cpu/cpu%u/stats", cpu);
		n += file_value(path, "overrun");
	}
	return n;
}

int main(int argc, char **argv)
{
	static struct sums start, end;
	static struct rings rings;
	char *trace;
	pid_t pid;
	int fd, status;

	if (argc < 3 || asprintf(&trace, "%s.trace", argv[1]) < 0) {
		fprintf(stderr, "usage: agree FILE COMMAND [ARGUMENT]...\n");
		return 2;
	}
	pid = fork();
	if (!pid) {
		/* Stopped until the first look was taken. */
		raise(SIGSTOP);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	waitpid(pid, NULL, WUNTRACED);
	if (!freopen(argv[1], "we", stdout))
		return 2;
	fd = dev_open();
	if (fd < 0)
		tap_bail("no device: %s", strerror(-fd));
	rings_open(fd, &rings);
	if (!write_file(TRACING "buffer_size_kb", BUFFER_KB))
		tap_bail("no room for the kernel's trace: %s", strerror(errno));
	sums_begin(fd);
	spans_begin();
	sums_read(fd, &rings, &start);

	kill(pid, SIGCONT);
	status = wait_status(pid);

	sums_read(fd, &rings, &end);
	copy_trace(trace);
	tap_eq(overrun(rings.info.cpus), 0, "the kernel's own trace is whole");
	spans_end();
	sums_end();
	sums_check(fd, &start, &end, false);
	tap_end();
	return status;
}
