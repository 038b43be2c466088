/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of the guest share: the device, memory, the kernel's own view. */
#ifndef COWSCOPE_TEST_KIT_H
#define COWSCOPE_TEST_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/cowscope.h>

#define PAGE		4096UL
#define HUGE		(512 * PAGE)
#define DEBUG		"/sys/kernel/debug/cowscope/"
#define TRACING		"/sys/kernel/tracing/"

/* The device; each call is 0 or a negative errno. */
int dev_open(void);
int dev(int fd, unsigned long cmd, void *arg);
int dev_pin(int fd, unsigned int flags, const void *addr, size_t length);	/* id */
int dev_unpin(int fd, unsigned int id);
int dev_read(int fd, unsigned int id, uint64_t offset, void *data, size_t length);
int dev_write(int fd, unsigned int id, uint64_t offset, const void *data, size_t length);
int dev_pin_state(int fd, unsigned int id, uint64_t offset, struct cowscope_pin_state *s);
int dev_pages(int fd, pid_t pid, const void *addr, size_t count, struct cowscope_page *out);
int dev_control(int fd, unsigned int op, unsigned int value);
unsigned int dev_rule(int fd);	/* enum cowscope_rule in force */

/* The module, which must be there; 0 or an errno. */
int module_load(const char *parameters);
int module_unload(void);

/* The counters, all read at once into memory that is already there. */
struct stats {
	char text[32768];
	size_t length;
};

void stats_read(int fd, struct stats *s);
long long stats_get(const struct stats *s, const char *name);	/* 0 if not there */
/* Sum of all counters whose name begins and ends so. */
long long stats_sum(const struct stats *s, const char *begin, const char *end);
long long stat_now(int fd, const char *name);

/* A value of a "name value" file; -1 if it is not there. */
long long file_value(const char *path, const char *name);
long long vmstat(const char *name);
long long foll_pins(void);	/* pins that the kernel counts as held */
long memlock(pid_t pid);	/* kB charged */
int pins_listed(void);		/* lines of debugfs pins */
bool write_file(const char *path, const char *text);
bool read_file(const char *path, char *buf, size_t size);
void count_lines(const char *path, const char *begin, int *lines);

/* /proc/PID/pagemap, /proc/kpage* */
#define PM_PRESENT	(1ULL << 63)
#define PM_SWAP		(1ULL << 62)
#define PM_FILE		(1ULL << 61)
#define PM_UFFD_WP	(1ULL << 57)
#define PM_EXCLUSIVE	(1ULL << 56)
#define PM_SOFT_DIRTY	(1ULL << 55)
#define PM_PFN(e)	((e) & ((1ULL << 55) - 1))
void pagemap(pid_t pid, const void *addr, size_t count, uint64_t *out);
uint64_t pagemap_one(const void *addr);
uint64_t kpagecount(uint64_t pfn);
uint64_t kpageflags(uint64_t pfn);

/* Memory; what fails ends the test. */
void *map_anon(size_t length);
void *map_thp(void);		/* one huge page, or NULL */
void *map_thps(size_t n);	/* one after the other, or NULL */
void *map_hugetlb(void);	/* one huge page, or NULL */
void *map_hugetlbs(size_t n);
int test_file(void);		/* in TEST_DIR, without a name */
void *map_file(int fd, size_t length, int flags);	/* filled with 'A' */
size_t present(const void *mem, size_t pages);
/* Has KSM merge a range, then stop; "2" into its file run undoes it. */
bool ksm_merge(void *mem, size_t length);
bool kernel_has(int major, int minor);
bool kernel_configured(const char *option);	/* without its CONFIG_ */
void drain(void);		/* LRU caches of all CPUs, as far as they go */

/* One access each, which the compiler may not leave out or move. */
static inline char peek(const char *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static inline void poke(char *at, char c)
{
	__atomic_store_n(at, c, __ATOMIC_RELAXED);
}

/* Processes. */
int wait_status(pid_t pid);	/* exit status, 128 + N for signal N */
struct gate { int fd[2]; };	/* one waits for the other */
void gate_open(struct gate *g);
void gate_pass(struct gate *g);	/* lets one waiter on */
void gate_wait(struct gate *g);
void on_cpu(int cpu);

/* The rings, as the UAPI header says to read them. */
struct ring_place { uint64_t next, lost; };
struct rings {
	struct cowscope_info info;
	const char *map;
	struct ring_place place[64];
};
void rings_open(int fd, struct rings *r);
void rings_close(struct rings *r);
void rings_seek_end(struct rings *r);
uint64_t rings_head(const struct rings *r, unsigned int cpu);
bool rings_read(struct rings *r, unsigned int cpu, struct cowscope_record *out);
/* The next record of any CPU, one CPU after the other. */
bool rings_next(struct rings *r, struct cowscope_record *out);

#endif
