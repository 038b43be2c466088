// SPDX-License-Identifier: GPL-2.0
/*
 * What /proc/PID/clear_refs does to pages that are held, and what cowscope says
 * of it. Pagemap tells which pages are soft-dirty before and after, this test
 * knows which are pinned: from the two follows which were left or cleared
 * wrongly. Then a device writes through the pin, and pagemap may not see it.
 *
 * The memory is a child's, which is stopped meanwhile, so nothing but clear_refs
 * and the device changes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/userfaultfd.h>

#include "kit.h"
#include "tap.h"

#define PAGES	64
#define SIZE	(PAGES * PAGE)
#define FIRST	10
#define HELD	8		/* pages, from FIRST on */
#define MANY	1024		/* references: with these a page looks pinned */
#define MOST	512
#define MIXED	1500		/* pages, of some page tables */
#define PIN	COWSCOPE_PIN_FOLL_PIN
#define DEVICE	(PIN | COWSCOPE_PIN_WRITE | COWSCOPE_PIN_LONGTERM)

static int fd;
static struct rings rings;

/* What the child tells of its memory. */
static struct setup {
	char *mem;
	size_t pages, first, held;	/* of them pinned */
	int ids[MANY], taken;		/* the first is written through */
	bool skip;
} *setup;

static void take(unsigned int flags, char *at, size_t pages)
{
	int id = dev_pin(fd, flags, at, pages * PAGE);

	if (id <= 0)
		tap_bail("PIN: %s", strerror(-id));
	setup->ids[setup->taken++] = id;
}

/* --- memory, as the child makes it ------------------------------------------- */

static void anon(unsigned int flags)
{
	setup->mem = map_anon(SIZE);
	setup->pages = PAGES;
	setup->first = FIRST;
	setup->held = flags & PIN ? HELD : 0;
	memset(setup->mem, 'A', SIZE);
	drain();
	take(flags, setup->mem + FIRST * PAGE, HELD);
}

static void pinned(void)
{
	anon(DEVICE);
}

static void referenced(void)
{
	anon(COWSCOPE_PIN_WRITE);
}

static void pinned_read_only(void)
{
	anon(DEVICE);
	if (mprotect(setup->mem, SIZE, PROT_READ))
		tap_bail("mprotect: %s", strerror(errno));
}

static void pinned_uffd_wp(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);

	anon(DEVICE);
	reg.range = (struct uffdio_range){ (uintptr_t)setup->mem, SIZE };
	wp.range = reg.range;
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) ||
	    ioctl(uffd, UFFDIO_WRITEPROTECT, &wp))
		tap_bail("userfaultfd: %s", strerror(errno));
}

static void pinned_shared(void)
{
	setup->mem = map_file(memfd_create("soft_dirty", MFD_CLOEXEC), SIZE, MAP_SHARED);
	setup->pages = PAGES;
	setup->first = FIRST;
	setup->held = HELD;
	memset(setup->mem, 'A', SIZE);
	take(DEVICE, setup->mem + FIRST * PAGE, HELD);
}

static void thp(void)
{
	setup->mem = map_thp();
	setup->skip = !setup->mem;
	if (setup->skip)
		return;
	setup->pages = MOST;
	setup->first = FIRST;
	setup->held = 1;
	take(DEVICE, setup->mem + FIRST * PAGE, 1);
}

static void thp_by_ptes(void)
{
	thp();
	/* Takes the mapping apart, not the page. */
	if (setup->mem)
		madvise(setup->mem + (MOST - 1) * PAGE, PAGE, MADV_DONTNEED);
}

static void many_references(void)
{
	int i;

	setup->mem = map_anon(SIZE);
	setup->pages = PAGES;
	memset(setup->mem, 'A', SIZE);
	/* The process has pinned something once; that is asked for first. */
	take(PIN, setup->mem, 1);
	dev_unpin(fd, setup->ids[--setup->taken]);
	for (i = 0; i < MANY; i++)
		take(COWSCOPE_PIN_WRITE, setup->mem + FIRST * PAGE, 1);
}

/*
 * Written again, read-only since the last time, and absent, in turns of any length.
 * From the first turn of some written pages on that many are held.
 */
static void mixed(void)
{
	unsigned int random = 1;
	size_t i, n;

	setup->mem = map_anon(MIXED * PAGE);
	setup->pages = MIXED;
	memset(setup->mem, 'A', MIXED * PAGE);
	drain();
	if (!write_file("/proc/self/clear_refs", "4"))
		tap_bail("clear_refs: %s", strerror(errno));
	for (i = 0; i < MIXED; i += n) {
		char *at = setup->mem + i * PAGE;

		random = random * 1103515245 + 12345;
		n = 1 + (random >> 16 & (random & 1 << 30 ? 1 : 63));
		if (n > MIXED - i)
			n = MIXED - i;
		if (random >> 24 & 1)
			memset(at, 'B', n * PAGE);
		else if (random >> 25 & 1)
			madvise(at, n * PAGE, MADV_DONTNEED);
		if (random >> 24 & 1 && n >= HELD && i > MIXED / 2 && !setup->held) {
			setup->first = i;
			setup->held = HELD;
			take(COWSCOPE_PIN_WRITE, at, HELD);
		}
	}
}

static void hugetlb(void)
{
	setup->mem = map_hugetlb();
	setup->skip = !setup->mem;
	if (setup->skip)
		return;
	setup->pages = MOST;
	setup->first = FIRST;
	setup->held = 1;
	take(DEVICE, setup->mem + FIRST * PAGE, 1);
}

/* --- what pagemap says --------------------------------------------------------- */

/* The next mapping that clear_refs walks: not hugetlb, nor one without pages. */
static bool next_mapping(FILE *maps, unsigned long *start, unsigned long *end)
{
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx", start, end) == 2 && !strstr(line, "hugepage") &&
		    !strstr(line, "[vv") && !strstr(line, "[vs"))
			return true;
	return false;
}

static FILE *maps_of(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	return fopen(path, "re");
}

/* Soft-dirty pages of all that it walks: what is present. */
static unsigned int all_soft_dirty(pid_t pid)
{
	static uint64_t entry[1 << 16];
	unsigned long start, end, i;
	FILE *maps = maps_of(pid);
	unsigned int n = 0;

	while (next_mapping(maps, &start, &end)) {
		if ((end - start) / PAGE > sizeof(entry) / sizeof(*entry))
			tap_bail("a mapping that is too large: %lx-%lx", start, end);
		pagemap(pid, (void *)start, (end - start) / PAGE, entry);
		for (i = 0; i < (end - start) / PAGE; i++)
			n += entry[i] & PM_PRESENT && entry[i] & PM_SOFT_DIRTY;
	}
	fclose(maps);
	return n;
}

/* The pages of all that have an entry with this bit. */
static unsigned int all_with(pid_t pid, uint64_t bit)
{
	static struct cowscope_page page[MOST];
	unsigned long at, end, i, n;
	FILE *maps = maps_of(pid);
	unsigned int sum = 0;

	while (next_mapping(maps, &at, &end))
		for (; at < end; at += n * PAGE) {
			n = (end - at) / PAGE < MOST ? (end - at) / PAGE : MOST;
			dev_pages(fd, pid, (void *)at, n, page);
			for (i = 0; i < n; i++)
				sum += !!(page[i].pte & bit);
		}
	fclose(maps);
	return sum;
}

struct seen {
	unsigned int dirty, left, cleared;	/* left and cleared: wrongly */
};

static void compare(struct seen *s, const uint64_t *before, const uint64_t *after)
{
	size_t i;

	*s = (struct seen){ 0 };
	for (i = 0; i < setup->pages; i++) {
		bool held = i >= setup->first && i < setup->first + setup->held;
		bool was = before[i] & PM_SOFT_DIRTY && before[i] & PM_PRESENT;
		bool is = after[i] & PM_SOFT_DIRTY && after[i] & PM_PRESENT;

		s->dirty += is;
		s->left += is && !held;
		s->cleared += was && !is && held;
	}
}

static int clear(pid_t pid, const char *type, struct cowscope_record *op)
{
	struct cowscope_record r;
	char path[64];
	int ops = 0;

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", pid);
	rings_seek_end(&rings);
	if (!write_file(path, type))
		tap_bail("%s: %s", path, strerror(errno));
	while (rings_next(&rings, &r)) {
		if (r.type != COWSCOPE_EVENT_CLEAR_REFS)
			continue;
		ops++;
		*op = r;
	}
	return ops;
}

/* The child's memory through its mapping; it does not count as a write. */
static char child_reads(pid_t pid, const char *at)
{
	char path[64], c = 0;
	int file;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0 || pread(file, &c, 1, (uintptr_t)at) != 1)
		tap_bail("%s: %s", path, strerror(errno));
	close(file);
	return c;
}

/* A device writes; does pagemap see it? The page is still the child's. */
static void device_writes(const char *what, pid_t pid, bool seen)
{
	char *at = setup->mem + setup->first * PAGE;
	uint64_t entry;
	int err;

	err = dev_write(fd, setup->ids[0], 0, "D", 1);
	pagemap(pid, at, 1, &entry);
	tap_ok(!err && child_reads(pid, at) == 'D', "%s: what a device writes arrives", what);
	tap_ok(!!(entry & PM_SOFT_DIRTY) == seen, "%s: pagemap %s it", what,
	       seen ? "shows" : "does not show");
}

/* --- cases --------------------------------------------------------------------- */

static pid_t start(void (*prepare)(void))
{
	int status;
	pid_t pid;

	memset(setup, 0, sizeof(*setup));
	pid = fork();
	if (!pid) {
		prepare();
		raise(SIGSTOP);
		_exit(0);
	}
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		tap_bail("the memory could not be prepared");
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGCONT);
	wait_status(pid);
	while (setup->taken)
		dev_unpin(fd, setup->ids[--setup->taken]);
}

/* dirty, left, cleared: what this kernel is known to do to the memory prepared. */
static void soft_dirty(const char *what, void (*prepare)(void), struct seen expected)
{
	static uint64_t before[MOST], after[MOST];
	struct cowscope_record op = { 0 };
	struct seen s;
	pid_t pid = start(prepare);
	int ops;

	if (setup->skip) {
		tap_skip(what, "no huge page to be had");
		return stop(pid);
	}
	pagemap(pid, setup->mem, setup->pages, before);
	ops = clear(pid, "4", &op);
	pagemap(pid, setup->mem, setup->pages, after);
	compare(&s, before, after);
	tap_ok(s.dirty == expected.dirty && s.left == expected.left &&
	       s.cleared == expected.cleared,
	       "%s: pagemap has %u soft-dirty pages left, %u of them wrongly; %u wrongly cleared",
	       what, expected.dirty, expected.left, expected.cleared);
	if (s.dirty != expected.dirty || s.left != expected.left || s.cleared != expected.cleared)
		tap_note("it has %u, %u, %u", s.dirty, s.left, s.cleared);
	/* A kernel without memory cgroups does not know whose memory it is. */
	tap_ok(ops == 1 && op.target == (kernel_configured("MEMCG") ? (unsigned int)pid : 0) &&
	       op.arg == 4 && !op.error &&
	       op.op_lock == COWSCOPE_LOCK_WRITE, "%s: one record", what);
	tap_eq(op.wrongly_left, s.left, "%s: wrongly left", what);
	tap_eq(op.wrongly_cleared, s.cleared, "%s: wrongly cleared", what);
	tap_eq(op.soft_dirty, all_soft_dirty(pid), "%s: soft-dirty pages in all", what);
	tap_eq(op.pinned, s.dirty, "%s: left as pinned", what);
	if (setup->held)
		device_writes(what, pid, s.dirty > 0);
	stop(pid);
}

/* Entries of every kind side by side are each counted as what they are. */
static void side_by_side(void)
{
	unsigned int present, writable, records = 0, holders = 0;
	struct cowscope_record op = { 0 }, r;
	struct rings again = rings;
	pid_t pid = start(mixed);

	present = all_with(pid, COWSCOPE_PTE_PRESENT);
	writable = all_with(pid, COWSCOPE_PTE_WRITE);
	rings_seek_end(&again);
	clear(pid, "4", &op);
	while (rings_next(&again, &r))
		if (r.type == COWSCOPE_EVENT_WRPROTECT) {
			size_t page = (r.addr - (uintptr_t)setup->mem) / PAGE;

			records++;
			holders += r.holder == (unsigned int)setup->ids[0] &&
				   page - setup->first < setup->held &&
				   r.before & COWSCOPE_PTE_DIRTY &&
				   r.before & COWSCOPE_PTE_SOFT_DIRTY;
		}
	tap_ok(setup->held, "side by side: %zu pages are held", setup->held);
	tap_eq(op.seen, present, "side by side: pages");
	tap_eq(op.changed, writable - all_with(pid, COWSCOPE_PTE_WRITE),
	       "side by side: pages that lost their write bit");
	tap_eq(op.soft_dirty, all_soft_dirty(pid), "side by side: soft-dirty pages in all");
	tap_ok(holders == HELD && records == op.held, "side by side: a record each page held");
	if (holders != HELD || records != op.held)
		tap_note("%u records, %u of them right, held %u", records, holders, op.held);
	stop(pid);
}

/*
 * The walk passes hugetlb by. Pagemap shows it soft-dirty by its VMA alone, so
 * as never written from now on, whoever writes; no page is counted for that.
 */
static void hugetlb_is_left(void)
{
	struct cowscope_page before, after;
	struct cowscope_record op = { 0 };
	pid_t pid = start(hugetlb);
	uint64_t entry;

	if (setup->skip) {
		tap_skip("hugetlb", "no huge page to be had");
		return stop(pid);
	}
	dev_pages(fd, pid, setup->mem, 1, &before);
	clear(pid, "4", &op);
	dev_pages(fd, pid, setup->mem, 1, &after);
	tap_ok(before.pte & COWSCOPE_PTE_SOFT_DIRTY && before.pte & COWSCOPE_PTE_WRITE &&
	       after.pte == before.pte, "hugetlb: its entry is not touched");
	tap_ok(op.seen < MOST + PAGES * 16 && !op.wrongly_cleared && !op.pinned,
	       "hugetlb: not seen");
	pagemap(pid, setup->mem, 1, &entry);
	tap_ok(!(entry & PM_SOFT_DIRTY), "hugetlb: pagemap shows no page soft-dirty any more");
	stop(pid);
}

/* All other numbers touch no write bit and no soft-dirty bit. */
static void others(void)
{
	static const char *const types[] = { "1", "2", "3", "5" };
	static uint64_t before[MOST], after[MOST];
	struct cowscope_record op = { 0 };
	pid_t pid = start(pinned);
	unsigned int i;
	size_t page, changed;

	for (i = 0; i < 4; i++) {
		int ops;

		pagemap(pid, setup->mem, setup->pages, before);
		ops = clear(pid, types[i], &op);
		pagemap(pid, setup->mem, setup->pages, after);
		for (page = 0, changed = 0; page < setup->pages; page++)
			changed += before[page] != after[page];
		tap_eq(changed, 0, "%s to clear_refs: pagemap is as before", types[i]);
		tap_ok(ops == 1 && op.arg == *types[i] - '0' && !op.changed && !op.pinned &&
		       !op.wrongly_left && !op.wrongly_cleared &&
		       op.soft_dirty == (*types[i] == '5' ? 0 : op.seen),
		       "%s to clear_refs: nothing write-protected, nothing cleared", types[i]);
		if (op.changed || op.pinned || op.wrongly_left || op.wrongly_cleared)
			tap_note("changed %u pinned %u left %u cleared %u", op.changed, op.pinned,
				 op.wrongly_left, op.wrongly_cleared);
	}
	stop(pid);
}

/* The kernel takes a fault to read the number; to read it first would be another. */
static void number_not_present(void)
{
	int number = memfd_create("number", MFD_CLOEXEC), file, ops = 0;
	struct cowscope_record r;
	struct stats before, after;
	const char *text;

	if (number < 0 || pwrite(number, "4", 1, 0) != 1)
		tap_bail("memfd: %s", strerror(errno));
	text = mmap(NULL, 4096, PROT_READ, MAP_SHARED, number, 0);
	file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	if (text == MAP_FAILED || file < 0)
		tap_bail("clear_refs: %s", strerror(errno));
	stats_read(fd, &before);
	rings_seek_end(&rings);
	if (write(file, text, 1) != 1)
		tap_bail("clear_refs: %s", strerror(errno));
	while (rings_next(&rings, &r))
		if (r.type == COWSCOPE_EVENT_CLEAR_REFS)
			ops += r.arg == 4;
	stats_read(fd, &after);
	tap_eq(ops, 1, "a number in a page that is not present: it is in the record");
	tap_eq(stats_sum(&after, "", ".missed"), stats_sum(&before, "", ".missed"),
	       "and no call counts as missed");
	close(file);
	close(number);
}

int main(void)
{
	tap_begin();
	fd = dev_open();
	rings_open(fd, &rings);
	setup = mmap(NULL, sizeof(*setup), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	if (setup == MAP_FAILED)
		tap_bail("mmap: %s", strerror(errno));

	soft_dirty("pinned, writable", pinned, (struct seen){ HELD, 0, 0 });
	soft_dirty("references", referenced, (struct seen){ 0, 0, 0 });
	soft_dirty("pinned, then mprotect", pinned_read_only, (struct seen){ 0, 0, HELD });
	soft_dirty("pinned, then uffd-wp", pinned_uffd_wp, (struct seen){ 0, 0, HELD });
	soft_dirty("pinned, MAP_SHARED", pinned_shared, (struct seen){ 0, 0, HELD });
	soft_dirty("one page of a THP pinned", thp, (struct seen){ 0, 0, 1 });
	soft_dirty("the same by PTEs", thp_by_ptes, (struct seen){ MOST - 1, MOST - 2, 0 });
	soft_dirty("1024 references", many_references, (struct seen){ 1, 1, 0 });
	side_by_side();
	hugetlb_is_left();
	others();
	number_not_present();
	return tap_end();
}
