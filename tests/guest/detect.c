// SPDX-License-Identifier: GPL-2.0
/*
 * The scoreboard of the kernel's test for pins: pages whose holders are known
 * to this test, each written to once; what page_maybe_dma_pinned() says of it
 * is the kernel's own, by PAGE_STATE.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <linux/io_uring.h>
#include <linux/kernel-page-flags.h>
#include <linux/userfaultfd.h>

#include "kit.h"
#include "tap.h"

#define MANY	1100		/* more than GUP_PIN_COUNTING_BIAS */

static int fd, uf = -1;
static struct stats before, after;

static const char *const detections[] = {
	"true_positive", "true_negative", "false_positive", "false_positive_folio",
	"false_negative", "false_negative_get", "unverified_pinned", "unverified"
};

static void uffd(unsigned long command, void *arg, const char *what)
{
	if (ioctl(uf, command, arg))
		tap_bail("%s: %s", what, strerror(errno));
}

static void protect(char *at, bool on)
{
	struct uffdio_writeprotect wp = {
		.range = { (uintptr_t)at, PAGE }, .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	uffd(UFFDIO_WRITEPROTECT, &wp, "UFFDIO_WRITEPROTECT");
}

static void watch(char *mem, size_t length)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)mem, length }, .mode = UFFDIO_REGISTER_MODE_WP,
	};

	uffd(UFFDIO_REGISTER, &reg, "UFFDIO_REGISTER");
}

static void *writer(void *at)
{
	poke(at, 'B');
	return NULL;
}

/* A write fault whatever the kernel makes of it: a userfaultfd takes it first. */
static void write_watched(char *at)
{
	struct uffd_msg msg;
	pthread_t thread;

	protect(at, true);
	pthread_create(&thread, NULL, writer, at);
	if (read(uf, &msg, sizeof(msg)) != sizeof(msg))
		tap_bail("userfaultfd: %s", strerror(errno));
	protect(at, false);
	pthread_join(thread, NULL);
}

/* One fault or two on the page: all of them are taken for @what, NULL: nothing. */
static void expect(const char *title, char *at, bool watched, bool pinned, const char *what)
{
	struct cowscope_filter f = {
		.size = sizeof(f), .start = (uintptr_t)at, .end = (uintptr_t)at + PAGE,
	};
	struct cowscope_page page;
	long long n, good = 0, bad = 0;
	char counter[64];
	unsigned int i;

	if (dev_pages(fd, 0, at, 1, &page))
		tap_bail("PAGE_STATE failed");
	if (COWSCOPE_STATE_KIND(page.state) != COWSCOPE_KIND_ZERO)
		tap_eq(COWSCOPE_STATE_PINNED(page.state), pinned ? COWSCOPE_YES : COWSCOPE_NO,
		       "%s: the kernel's test says %s", title, pinned ? "pinned" : "not pinned");
	if (dev(fd, COWSCOPE_FILTER, &f))
		tap_bail("FILTER failed");
	stats_read(fd, &before);
	if (watched)
		write_watched(at);
	else
		poke(at, 'B');
	stats_read(fd, &after);
	for (i = 0; i < sizeof(detections) / sizeof(*detections); i++) {
		snprintf(counter, sizeof(counter), "detect.%s", detections[i]);
		n = stats_get(&after, counter) - stats_get(&before, counter);
		if (what && !strcmp(what, detections[i])) {
			good = n;
		} else if (n) {
			tap_note("%s: %lld %s", title, n, detections[i]);
			/* Compaction may just have it off its list, for one reference. */
			bad += !what && !strcmp(detections[i], "true_negative") ? 0 : n;
		}
	}
	n = stats_get(&after, "cow_fault.ended") - stats_get(&before, "cow_fault.ended");
	tap_ok(n > 0 && !bad && (what ? good > 0 : !good), "%s: %s", title, what ? what : "nothing");
	if (what && !good)
		tap_note("%lld faults, refcount %d mapcount %d explained %d state 0x%x", n,
			 page.refcount, page.mapcount, page.explained, page.state);
}

/* Until no cache and no look-up refers to it. */
static void settle(char *at)
{
	struct cowscope_page page;
	int tries;

	for (tries = 0; tries < 200; tries++) {
		drain();
		if (dev_pages(fd, 0, at, 1, &page))
			tap_bail("PAGE_STATE failed");
		if (page.refcount == page.folio_mapcount)
			return;
		usleep(10000);
	}
	tap_note("refcount %d, mappings %d: it does not settle", page.refcount,
		 page.folio_mapcount);
}

static char *fresh(void)
{
	char *mem = map_anon(4 * PAGE);

	watch(mem, 4 * PAGE);
	poke(mem, 'A');
	return mem;
}

static char *settled(void)
{
	char *mem = fresh();

	settle(mem);
	return mem;
}

static void held(void)
{
	char *mem = settled();
	int id;

	expect("nobody", mem, true, false, NULL);

	id = dev_pin(fd, COWSCOPE_PIN_FOLL_PIN, mem, PAGE);
	expect("a pin", mem, true, true, "true_positive");
	dev_unpin(fd, id);

	mem = settled();
	id = dev_pin(fd, COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_WRITE | COWSCOPE_PIN_LONGTERM, mem,
		     PAGE);
	expect("a long-term pin", mem, true, true, "true_positive");
	dev_unpin(fd, id);

	mem = settled();
	id = dev_pin(fd, 0, mem, PAGE);
	expect("one FOLL_GET", mem, true, false, "false_negative_get");
	dev_unpin(fd, id);
}

static void held_by_many(void)
{
	int other = dev_open(), i, errors = 0;
	char *mem = settled();

	for (i = 0; i < MANY; i++)
		errors += dev_pin(i & 1 ? other : fd, 0, mem, PAGE) <= 0;
	tap_eq(errors, 0, "%d references are taken", MANY);
	expect("so many FOLL_GET", mem, true, true, "false_positive");
	close(other);
	close(fd);
	fd = dev_open();
}

static void held_unknown(void)
{
	struct io_uring_params params = { .flags = 0 };
	char *mem = settled();
	struct iovec v = { mem, PAGE };
	int pair[2], ring, id;

	if (pipe(pair) || vmsplice(pair[1], &v, 1, 0) != (ssize_t)PAGE)
		tap_bail("vmsplice: %s", strerror(errno));
	expect("vmsplice", mem, true, false, "unverified");
	id = dev_pin(fd, 0, mem, PAGE);
	expect("vmsplice and FOLL_GET", mem, true, false, "false_negative_get");
	dev_unpin(fd, id);
	close(pair[0]);
	close(pair[1]);

	mem = settled();
	v.iov_base = mem;
	ring = syscall(SYS_io_uring_setup, 1, &params);
	if (ring < 0 || syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &v, 1))
		return tap_skip("io_uring buffer", "%s", strerror(errno));
	expect("io_uring buffer", mem, true, true, "unverified_pinned");
	close(ring);
}

static bool has_state(char *at, unsigned int bits, unsigned int want)
{
	struct cowscope_page page;

	if (dev_pages(fd, 0, at, 1, &page))
		tap_bail("PAGE_STATE failed");
	return page.pte & COWSCOPE_PTE_PRESENT && (page.state & bits) == want;
}

static void cached(void)
{
	char *mem = fresh();
	struct gate gate;
	pid_t pid;
	int tries;

	/* Nobody has drained the cache since the page was made. */
	if (kpageflags(PM_PFN(pagemap_one(mem))) & 1ULL << KPF_LRU)
		tap_skip("LRU cache", "the page is on its list already");
	else
		expect("LRU cache", mem, true, false, "true_negative");

	mem = settled();
	for (tries = 0; tries < 20; tries++) {
		madvise(mem, PAGE, MADV_PAGEOUT);
		if (!(pagemap_one(mem) & PM_PRESENT))
			break;
		usleep(10000);
	}
	/* A slot with two users is not read past the cache, even from memory. */
	gate_open(&gate);
	pid = fork();
	if (!pid) {
		gate_wait(&gate);
		_exit(0);
	}
	peek(mem);
	drain();
	if (!has_state(mem, COWSCOPE_STATE_SWAPCACHE, COWSCOPE_STATE_SWAPCACHE))
		tap_skip("swap cache", "the page came back without it");
	else
		expect("swap cache", mem, true, false, "true_negative");
	gate_pass(&gate);
	wait_status(pid);
}

static void files(void)
{
	int file = test_file(), i;
	char *mem = map_file(file, PAGE, MAP_PRIVATE);

	peek(mem);
	drain();
	expect("private file", mem, false, false, "true_negative");
	for (i = 0; i < MANY; i++) {
		mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
		if (mem == MAP_FAILED)
			tap_bail("mmap: %s", strerror(errno));
		peek(mem);
	}
	expect("so many mappings of a file", mem, false, true, "false_positive");
	close(file);

	mem = map_anon(PAGE);
	peek(mem);
	expect("zero page", mem, false, false, NULL);
}

static void merged(void)
{
	char *mem = map_anon(4 * PAGE);
	int tries;

	memset(mem, 'K', 4 * PAGE);
	if (madvise(mem, 4 * PAGE, MADV_MERGEABLE) ||
	    !write_file("/sys/kernel/mm/ksm/pages_to_scan", "10000") ||
	    !write_file("/sys/kernel/mm/ksm/sleep_millisecs", "10") ||
	    !write_file("/sys/kernel/mm/ksm/run", "1"))
		return tap_skip("KSM", "this kernel has none");
	for (tries = 0; tries < 500; tries++) {
		if (has_state(mem, 0xf, COWSCOPE_KIND_KSM))
			break;
		usleep(10000);
	}
	write_file("/sys/kernel/mm/ksm/run", "0");
	settle(mem);
	if (!tap_ok(tries < 500, "KSM merges"))
		return;
	expect("KSM", mem, false, false, NULL);
	write_file("/sys/kernel/mm/ksm/run", "2");
}

static void huge(void)
{
	char *mem = map_thp();
	int id;

	if (!mem)
		return tap_skip("THP", "no huge page to be had");
	/* Mapped by PTEs from here on. */
	mprotect(mem + 7 * PAGE, PAGE, PROT_READ);
	watch(mem, 4 * PAGE);
	settle(mem);
	id = dev_pin(fd, 0, mem + 3 * PAGE, PAGE);
	expect("THP, another page by FOLL_GET", mem + PAGE, true, false, "true_negative");
	dev_unpin(fd, id);
	id = dev_pin(fd, COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_WRITE, mem + 3 * PAGE, PAGE);
	expect("THP, the pinned page", mem + 3 * PAGE, true, true, "true_positive");
	expect("THP, another page", mem + 2 * PAGE, true, true, "false_positive_folio");
	dev_unpin(fd, id);
	munmap(mem, HUGE);
}

int main(void)
{
	struct uffdio_api api = { .api = UFFD_API };

	tap_begin();
	fd = dev_open();
	uf = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uf < 0)
		tap_bail("userfaultfd: %s", strerror(errno));
	uffd(UFFDIO_API, &api, "UFFDIO_API");
	held();
	held_by_many();
	held_unknown();
	cached();
	files();
	merged();
	huge();
	stats_read(fd, &after);
	tap_eq(stats_get(&after, "detect.false_negative"), 0, "no pin was overlooked");
	close(fd);
	return tap_end();
}
