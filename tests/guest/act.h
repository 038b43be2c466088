/* SPDX-License-Identifier: GPL-2.0 */
/* One act on memory, and how cowscope says that its write faults were decided. */
#ifndef COWSCOPE_TEST_ACT_H
#define COWSCOPE_TEST_ACT_H

#include "kit.h"
#include "tap.h"

#define ACT_RECORDS	64

/* What the last act left; .fault is in order of time. */
struct act {
	struct cowscope_record fault[ACT_RECORDS], lost[ACT_RECORDS];
	int faults, losses;
	long long splits;	/* of PMDs, as the kernel counts them */
};

extern struct act act;

/* Opens the device and starts sums of all probes; ends with checks of them. */
int act_open(void);
void act_close(void);

/* What happens to these addresses in between, whoever does it, is the act. */
void act_begin(const void *mem, size_t length);
void act_end(void);

/*
 * Checks that the act left these records and no others: "level decision verdict
 * kind", with "remote" and "swapin" as they apply, separated by ", ", or "" if
 * none; and that they split as many PMDs as the kernel counts, @hidden more if
 * that many splits cannot be seen.
 */
__printf(3, 4)
bool act_is(const char *records, int hidden, const char *fmt, ...);

/* Ends the act, and checks it and a byte: what is read at an address now. */
#define act_leaves(records, at, want, fmt, ...) do {			\
	act_end();							\
	act_is(records, 0, fmt, ##__VA_ARGS__);				\
	tap_eq(peek(at), want, "... and reads what it should");		\
} while (0)

/* Holds the page at an address through the device; what the holder reads there. */
int act_pin(unsigned int flags, const char *at);
char act_held(int id);
void act_unpin(int id);

/* Write-protects this process' private memory in place, at any level but hugetlb's. */
void wrprotect(void);

/* A byte that a child sees at an address of its memory; ends the child. */
#define CHILD_SEES(at)	_exit(peek(at))

/* A page as the kernel shows it. */
uint64_t pfn_of(const void *at);

/* Writes to the memory of another process as a debugger does. */
void write_remote(pid_t pid, char *at, char c);

/* A userfaultfd that has write-protected memory; a negative errno. */
int uffd_protect(void *mem, size_t length, bool async);
/* Waits until a writer waits for it. */
void uffd_wait(int uf);
void uffd_release(int uf, void *mem, size_t length);

#endif
