// SPDX-License-Identifier: GPL-2.0
/*
 * Copies against what the kernel and its page tables say of them: those of KSM
 * pages against cow_ksm of /proc/vmstat, those that fork makes at once against
 * the page frames of parent and child.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "sums.h"
#include "tap.h"

#define MOST	8192UL		/* pages */
#define FORKS	3

static uint64_t seed = 5190;
static int fd;
static struct rings rings;

static unsigned int random_below(unsigned int n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % n;
}

static void check_complete(void)
{
	unsigned int cpu;

	for (cpu = 0; cpu < rings.info.cpus; cpu++)
		if (rings.place[cpu].lost)
			tap_bail("the ring is too small for this test");
}

/* --- KSM ------------------------------------------------------------------- */

static void ksm(void)
{
	size_t pages = 3000, i, copies = 0, wrong = 0;
	char *mem = map_anon(pages * PAGE);
	long long before, counted;
	struct cowscope_record r;
	static uint64_t was[MOST];

	for (i = 0; i < pages; i++)
		memset(mem + i * PAGE, 'a' + i % 12, PAGE);
	if (!ksm_merge(mem, pages * PAGE)) {
		munmap(mem, pages * PAGE);
		return tap_skip("KSM", "this kernel has none");
	}
	pagemap(0, mem, pages, was);
	before = vmstat("cow_ksm");
	rings_seek_end(&rings);
	for (i = 0; i < pages; i++)
		poke(mem + i * PAGE, 'W');
	counted = vmstat("cow_ksm") - before;
	while (rings_next(&rings, &r)) {
		if (r.type != COWSCOPE_EVENT_COW_FAULT ||
		    COWSCOPE_STATE_KIND(r.state) != COWSCOPE_KIND_KSM ||
		    COWSCOPE_OUTCOME_DECISION(r.outcome) != COWSCOPE_COPY)
			continue;
		copies++;
		i = (r.addr - (uintptr_t)mem) / PAGE;
		wrong += i >= pages || PM_PFN(was[i]) != COWSCOPE_PTE_PFN(r.before) ||
			 PM_PFN(pagemap_one(mem + i * PAGE)) != COWSCOPE_PTE_PFN(r.after);
	}
	check_complete();
	tap_ok(copies > pages / 2 && !wrong, "KSM: %zu copies of %zu pages, %zu of another frame",
	       copies, pages, wrong);
	if (before < 0)
		tap_skip("KSM copies are what cow_ksm counts",
			 "this kernel's vmstat has no cow_ksm (6.1)");
	else
		tap_eq(copies, counted, "KSM copies are what cow_ksm counts: %lld", counted);
	write_file("/sys/kernel/mm/ksm/run", "2");
	munmap(mem, pages * PAGE);
}

/* --- fork's early copies --------------------------------------------------- */

struct range {
	const char *what;
	char *mem;
	size_t pages;
	bool huge;		/* one pin holds all pages of its folio */
	bool held[MOST];
};

/* Pins of random pages and runs, between what is not held. */
static void pin_some(struct range *r, size_t runs)
{
	static const unsigned int flags[] = {
		COWSCOPE_PIN_FOLL_PIN, COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_WRITE,
		COWSCOPE_PIN_FOLL_PIN | COWSCOPE_PIN_FAST, 0
	};

	while (runs--) {
		size_t at = random_below(r->pages), n = 1 + random_below(r->huge ? 3 : 30), i;
		unsigned int how = flags[random_below(4)];
		int id;

		if (n > r->pages - at)
			n = r->pages - at;
		id = dev_pin(fd, how, r->mem + at * PAGE, n * PAGE);
		if (id <= 0)
			tap_bail("PIN: %s", strerror(-id));
		for (i = at; i < at + n && how; i++)
			r->held[i] = true;
	}
	if (r->huge) {
		size_t i, first;

		for (i = 0; i < r->pages; i++)
			for (first = i & ~511UL; r->held[i] && first <= (i | 511); first++)
				r->held[first] = true;
	}
}

/* Each page that child and parent do not share has one record, and no other. */
static void check_range(const struct range *r, pid_t child)
{
	static uint64_t ours[MOST], theirs[MOST];
	static unsigned char said[MOST];
	size_t copied = 0, records = 0, wrong = 0, unheld = 0, missing = 0, i;
	struct cowscope_record rec;
	struct rings again = rings;	/* each range reads all */

	pagemap(0, r->mem, r->pages, ours);
	pagemap(child, r->mem, r->pages, theirs);
	memset(said, 0, sizeof(said));
	while (rings_next(&again, &rec)) {
		i = (rec.addr - (uintptr_t)r->mem) / PAGE;
		if (rec.type != COWSCOPE_EVENT_EARLY_COPY || rec.addr < (uintptr_t)r->mem ||
		    i >= r->pages)
			continue;
		records++;
		wrong += said[i]++ || COWSCOPE_PTE_PFN(rec.before) != PM_PFN(ours[i]) ||
			 COWSCOPE_PTE_PFN(rec.after) != PM_PFN(theirs[i]) ||
			 rec.pid != (unsigned int)getpid() ||
			 COWSCOPE_STATE_PINNED(rec.state) != COWSCOPE_YES;
	}
	for (i = 0; i < r->pages; i++) {
		bool differ = PM_PFN(ours[i]) != PM_PFN(theirs[i]);

		if (!(ours[i] & theirs[i] & PM_PRESENT))
			missing++;
		copied += differ;
		wrong += differ != said[i];
		unheld += differ != r->held[i];
	}
	tap_ok(!missing && records == copied && !wrong,
	       "%s: %zu of %zu pages are others in the child, %zu early copies", r->what, copied,
	       r->pages, records);
	if (missing || wrong)
		tap_note("%zu not present, %zu wrong", missing, wrong);
	tap_eq(unheld, 0, "%s: those that were pinned", r->what);
}

static void fork_once(struct range *ranges, int n, const char *what)
{
	long long seen = 0, before = stat_now(fd, "recorded.early_copy");
	struct gate go;
	pid_t pid;
	int i;

	gate_open(&go);
	rings_seek_end(&rings);
	pid = fork();
	if (!pid) {
		gate_wait(&go);
		_exit(0);
	}
	tap_note("%s", what);
	for (i = 0; i < n; i++)
		if (ranges[i].mem)
			check_range(&ranges[i], pid);
	seen = stat_now(fd, "recorded.early_copy") - before;
	tap_ok(seen > 0, "%lld in all", seen);
	gate_pass(&go);
	wait_status(pid);
}

static void early(void)
{
	static struct range ranges[] = {
		{ .what = "small pages", .pages = 4096 },
		{ .what = "another VMA of small pages", .pages = 1000 },
		{ .what = "THP by PTEs", .pages = 4 * 512, .huge = true },
		{ .what = "THP by PMD", .pages = 4 * 512, .huge = true },
		{ .what = "small pages, none pinned", .pages = 500 },
	};
	enum { RANGES = sizeof(ranges) / sizeof(*ranges) };
	int i;

	for (i = 0; i < RANGES; i++) {
		struct range *r = &ranges[i];

		r->mem = r->huge ? map_thps(r->pages / 512) : map_anon(r->pages * PAGE);
		if (!r->mem) {
			tap_skip(r->what, "no huge pages to be had");
			continue;
		}
		memset(r->mem, 'A', r->pages * PAGE);
	}
	for (i = 0; i < 4 && ranges[2].mem; i++)
		mprotect(ranges[2].mem + i * HUGE + 9 * PAGE, PAGE, PROT_NONE);
	for (i = 0; i < 4 && ranges[2].mem; i++)
		mprotect(ranges[2].mem + i * HUGE + 9 * PAGE, PAGE, PROT_READ | PROT_WRITE);
	drain();
	pin_some(&ranges[0], 80);
	pin_some(&ranges[1], 20);
	for (i = 2; i < 4; i++)
		if (ranges[i].mem)
			pin_some(&ranges[i], 5);
	/* The second finds write-protected what the first one shared. */
	for (i = 0; i < FORKS; i++)
		fork_once(ranges, RANGES, i ? "forked again" : "forked");
}

int main(void)
{
	static struct sums start, end;

	tap_begin();
	fd = dev_open();
	rings_open(fd, &rings);
	sums_begin(fd);
	mlockall(MCL_CURRENT);
	sums_read(fd, &rings, &start);
	ksm();
	early();
	sums_read(fd, &rings, &end);
	sums_check(fd, &start, &end, false);
	sums_end();
	return tap_end();
}
