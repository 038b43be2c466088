// SPDX-License-Identifier: GPL-2.0
/*
 * Write faults on PTEs that are not just a private page's: swapped out, mapped
 * by PTEs though huge, device memory, on another's behalf...  Each is recorded
 * as what it is, and memory and holders read what they should.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "act.h"

#define EXCLUSIVE	(dev_rule(fd) == COWSCOPE_RULE_EXCLUSIVE)
#define MAPCOUNT	(dev_rule(fd) == COWSCOPE_RULE_MAPCOUNT)
#define OWN_REUSED	(dev_rule(fd) != COWSCOPE_RULE_PAGE_COUNT)	/* held or not */

static int fd;
static char *mem;

static void fresh(void)
{
	mem = map_anon(4 * PAGE);
	memset(mem, 'A', 4 * PAGE);
}

static void gone(void)
{
	munmap(mem, 4 * PAGE);
}

static bool swap_out(void)
{
	int tries;

	for (tries = 0; tries < 20; tries++) {
		drain();
		madvise(mem, 4 * PAGE, MADV_PAGEOUT);
		if (pagemap_one(mem) & PM_SWAP)
			return true;
	}
	tap_bail("no page is swapped out");
}

static void swapped(bool hold)
{
	int id = 0;

	fresh();
	if (hold)
		id = act_pin(COWSCOPE_PIN_WRITE, mem);
	swap_out();
	act_begin(mem, PAGE);
	poke(mem + 1, 'B');
	act_leaves("pte reuse fine anon swapin", mem + 1, 'B', "swapped out%s", hold ? ", held" : "");
	tap_ok(act.fault[0].before == COWSCOPE_PTE_READ && !act.fault[0].rules &&
	       COWSCOPE_PTE_PFN(act.fault[0].after) == pfn_of(mem) && act.fault[0].mapcount == 1 &&
	       act.fault[0].addr == (uintptr_t)mem, "... no page before, this one after");
	if (hold) {
		tap_ok((int)act.fault[0].holder == id && act_held(id) == 'A', "... the one that is held");
		poke(mem, 'C');
		tap_eq(act_held(id), 'C', "... as its holder sees");
		act_unpin(id);
	}
	gone();
}

/* A read brings it back first: is the next write a reuse? */
static void swapped_read(void)
{
	int id;

	fresh();
	id = act_pin(COWSCOPE_PIN_WRITE, mem);
	swap_out();
	(void)peek(mem);
	act_begin(mem, PAGE);
	poke(mem, 'B');
	if (!OWN_REUSED)
		act_leaves("pte copy pin_lost anon", mem, 'B', "swapped out, held, read, written");
	else
		/* Later kernels make it writable when it is read. */
		act_leaves(kernel_has(6, 12) ? "" : "pte reuse fine anon", mem, 'B',
			   "swapped out, held, read, written");
	tap_eq(act_held(id), OWN_REUSED ? 'B' : 'A', "... its holder sees that, or not");
	act_unpin(id);
	gone();
}

/* The swap entry is shared by a fork: do_swap_page() leaves it to do_wp_page(). */
static void swapped_shared(void)
{
	long long before = stat_now(fd, "swap_in.declined");
	struct gate go;
	pid_t pid;

	fresh();
	gate_open(&go);
	swap_out();
	pid = fork();
	if (!pid) {
		gate_wait(&go);
		CHILD_SEES(mem);
	}
	act_begin(mem, PAGE);
	poke(mem, 'B');
	act_leaves("pte copy unknown anon", mem, 'B', "swapped out and shared by a fork");
	tap_ok(act.fault[0].state & COWSCOPE_STATE_SWAPCACHE &&
	       stat_now(fd, "swap_in.declined") > before, "... decided by do_wp_page()");
	gate_pass(&go);
	tap_eq(wait_status(pid), 'A', "... and the child reads what was there");
	gone();
}

/* A child's memory is written though it may not write it, as a debugger does. */
static void forced(void (*prepare)(void), char *at, const char *records, const char *what)
{
	pid_t pid = fork();

	if (!pid) {
		prepare();
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		CHILD_SEES(at);
	}
	waitpid(pid, NULL, 0);
	act_begin((void *)((uintptr_t)at & ~(PAGE - 1)), PAGE);
	if (ptrace(PTRACE_POKEDATA, pid, at, (void *)(long)'B'))
		tap_bail("PTRACE_POKEDATA: %s", strerror(errno));
	act_end();
	act_is(records, 0, "%s, written by force", what);
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	tap_eq(wait_status(pid), 'B', "... and its owner reads it");
}

static void read_only(void)
{
	madvise(mem, 4 * PAGE, MADV_DONTNEED);
	memset(mem, 'A', 4 * PAGE);
	swap_out();
	mprotect(mem, PAGE, PROT_READ);
}

static void swapped_forced(void)
{
	fresh();
	/* Since 6.2 at the latest only what may be written is mapped so at once. */
	forced(read_only, mem, kernel_has(6, 2) ? "pte reuse fine anon remote" :
	       "pte reuse fine anon remote swapin", "swapped out, read-only");
	gone();
}

static void *writer(void *arg)
{
	poke(arg, 'B');
	return NULL;
}

static void uffd_swapped(void)
{
	long long huge = stat_now(fd, "cow_fault_uffd.ended");
	pthread_t thread;
	int uf;

	fresh();
	uf = uffd_protect(mem, 4 * PAGE, false);
	if (uf < 0) {
		tap_skip("userfaultfd", "%s", strerror(-uf));
		return gone();
	}
	swap_out();
	act_begin(mem, PAGE);
	pthread_create(&thread, NULL, writer, mem);
	uffd_wait(uf);
	act_end();
	act_is("pte uffd none anon", 0, "swapped out, and left to userfaultfd");
	tap_eq(stat_now(fd, "cow_fault_uffd.ended"), huge, "... and not taken for a huge page");
	uffd_release(uf, mem, 4 * PAGE);
	pthread_join(thread, NULL);
	tap_eq(peek(mem), 'B', "... and then written");
	close(uf);
	gone();
}

static void uffd_async(void)
{
	int uf;

	if (!kernel_has(6, 7))
		return tap_skip("asynchronous userfaultfd", "since 6.7");
	fresh();
	uf = uffd_protect(mem, 4 * PAGE, true);
	if (uf < 0)
		tap_bail("userfaultfd: %s", strerror(-uf));
	act_begin(mem, PAGE);
	poke(mem, 'B');
	act_leaves("pte reuse fine anon", mem, 'B', "write-protected asynchronously");
	close(uf);
	gone();
}

static void remote(bool swap)
{
	struct gate go, done;
	pid_t pid;

	fresh();
	gate_open(&go);
	gate_open(&done);
	pid = fork();
	if (!pid) {
		if (swap) {
			madvise(mem, 4 * PAGE, MADV_DONTNEED);
			memset(mem, 'A', 4 * PAGE);
			swap_out();
		}
		gate_pass(&done);
		gate_wait(&go);
		CHILD_SEES(mem);
	}
	gate_wait(&done);
	act_begin(mem, PAGE);
	write_remote(pid, mem, 'R');
	act_end();
	act_is(swap ? "pte reuse fine anon remote swapin" : "pte copy needed anon remote", 0,
	       "%s, written by another process", swap ? "swapped out" : "shared by a fork");
	gate_pass(&go);
	tap_eq(wait_status(pid), 'R', "... its owner reads it");
	tap_eq(peek(mem), 'A', "... and nobody else");
	gone();
}

static void unshared(void)
{
	struct gate go;
	pid_t pid;
	int id;

	fresh();
	drain();
	gate_open(&go);
	pid = fork();
	if (!pid) {
		gate_wait(&go);
		CHILD_SEES(mem);
	}
	act_begin(mem, PAGE);
	id = act_pin(COWSCOPE_PIN_FOLL_PIN, mem);
	act_end();
	act_is(EXCLUSIVE ? "pte unshare needed anon" : "", 0, "pinned for reading while shared");
	tap_eq(act_held(id), 'A', "... and the holder reads it");
	act_unpin(id);
	gate_pass(&go);
	wait_status(pid);
	gone();
}

/* A huge page of which one page has other rights: PTEs map it. */
static void thp_by_ptes(void)
{
	uint64_t before;
	char *thp;

	thp = map_thp();
	if (!thp)
		tap_bail("no huge page");
	mprotect(thp, PAGE, PROT_READ);
	wrprotect();
	before = pfn_of(thp + 9 * PAGE);
	act_begin(thp, HUGE);
	poke(thp + 9 * PAGE, 'B');
	act_leaves(OWN_REUSED ? "pte reuse fine anon" : "pte copy superfluous anon", thp + 9 * PAGE, 'B',
		   "a page of a huge one");
	tap_ok((pfn_of(thp + 9 * PAGE) == before) == OWN_REUSED &&
	       COWSCOPE_STATE_ORDER(act.fault[0].state) == 9, "... in place or not, of a large folio");
	wait_status(fork() ?: (_exit(0), 0));
	drain();
	act_begin(thp, HUGE);
	poke(thp + 11 * PAGE, 'C');
	/* All its references are mappings by this process: seen since 6.15. */
	act_leaves(MAPCOUNT || kernel_has(6, 15) ? "pte reuse fine anon" : "pte copy superfluous anon",
		   thp + 11 * PAGE, 'C', "... after a fork that is over");
	munmap(thp, HUGE);
}

static void zero(void)
{
	mem = map_anon(4 * PAGE);
	(void)peek(mem);
	act_begin(mem, PAGE);
	poke(mem + 1, 'B');
	act_leaves("pte copy needed zero", mem, 0, "the zero page");
	gone();
}

static void files(void)
{
	int file = getenv("TEST_DIR") ? test_file() : -1;
	int tmp = memfd_create("memfd", 0);
	char *other;

	other = map_file(tmp, 4 * PAGE, MAP_SHARED);
	mem = map_file(tmp, 4 * PAGE, MAP_PRIVATE);
	(void)peek(mem);
	act_begin(mem, PAGE);
	poke(mem, 'B');
	act_leaves("pte copy needed shmem", mem, 'B', "a page of tmpfs, mapped privately");
	tap_eq(peek(other), 'A', "... the file keeps its own");
	munmap(other, 4 * PAGE);
	gone();
	close(tmp);
	if (file < 0)
		return tap_skip("a file", "no filesystem but tmpfs");
	mem = map_file(file, 4 * PAGE, MAP_PRIVATE);
	(void)peek(mem);
	act_begin(mem, PAGE);
	poke(mem, 'B');
	act_leaves("pte copy needed file", mem, 'B', "a file's page, mapped privately");
	gone();
	mem = map_file(file, 4 * PAGE, MAP_SHARED);
	(void)peek(mem);
	act_begin(mem, PAGE);
	poke(mem, 'B');
	act_leaves("pte reuse fine file", mem, 'B', "a file's page, shared");
	gone();
	close(file);
}

static void merged(void)
{
	int tries;

	fresh();
	madvise(mem, 4 * PAGE, MADV_MERGEABLE);
	write_file("/sys/kernel/mm/ksm/sleep_millisecs", "1");
	write_file("/sys/kernel/mm/ksm/run", "1");
	for (tries = 0; tries < 1000 && pfn_of(mem) != pfn_of(mem + PAGE); tries++)
		usleep(10000);
	write_file("/sys/kernel/mm/ksm/run", "0");
	if (pfn_of(mem) != pfn_of(mem + PAGE))
		tap_bail("KSM merges nothing");
	act_begin(mem, PAGE);
	poke(mem, 'B');
	act_leaves("pte copy needed ksm", mem + PAGE, 'A', "a KSM page");
	gone();
}

/* The memory of a device, mapped privately: the kernel has no page of it. */
static void device(void)
{
	glob_t found;
	size_t i;
	int file;

	glob("/sys/bus/pci/devices/*/resource[01]", 0, NULL, &found);
	for (i = 0; i < found.gl_pathc; i++) {
		file = open(found.gl_pathv[i], O_RDWR | O_CLOEXEC);
		mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
		close(file);
		if (mem == MAP_FAILED)
			continue;
		act_begin(mem, PAGE);
		poke(mem, 'B');
		act_leaves("pte copy needed pfn", mem, 'B', "the memory of %s, mapped privately",
			   found.gl_pathv[i]);
		munmap(mem, PAGE);
		break;
	}
	if (i == found.gl_pathc)
		tap_skip("device memory", "no PCI device has memory to map");
	globfree(&found);
}

/* The kernel's own code in the process, at the padding of its ELF header. */
static char *vdso_padding(void)
{
	return (char *)getauxval(AT_SYSINFO_EHDR) + 8;
}

static void read_vdso(void)
{
	(void)peek(vdso_padding());
}

static void vdso(void)
{
	if (!getauxval(AT_SYSINFO_EHDR))
		return tap_skip("vdso", "there is none");
	forced(read_vdso, vdso_padding(), "pte copy unknown ? remote", "the vdso");
}

int main(void)
{
	tap_begin();
	fd = act_open();
	swapped(false);
	swapped(true);
	swapped_read();
	swapped_shared();
	swapped_forced();
	uffd_swapped();
	uffd_async();
	remote(false);
	remote(true);
	unshared();
	thp_by_ptes();
	zero();
	files();
	merged();
	device();
	vdso();
	act_close();
	return tap_end();
}
