/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the rule in force makes of a story about one page: the page and those who
 * map and hold it, taken through the story's steps. Pure; module/rules.c decides.
 *
 * A step is a text: "VERB [ARGUMENT]" of the first process, "child VERB
 * [ARGUMENT]" of the one that it forked. The verbs:
 *
 *   map KIND		small, pmd, pte, hugetlb, file, shared or zero: anonymous
 *			memory, a THP by PMD or by PTEs, a private or shared memfd
 *   write TEXT		one letter into the first page
 *   touch		read the page, so that it is mapped
 *   settle		LRU caches are emptied: counts are what they seem
 *   hold HOLDER	as in tools/prim_hold.c, of the first page
 *   clear_refs, uffd_wp on, uffd_wp off, mprotect r, mprotect rw
 *   swap_out		MADV_PAGEOUT
 *   fork, exit, munmap
 *   read		what the holder sees: what the story returns
 *   look		likewise, but through the process's own mapping
 */
#ifndef COWSCOPE_MODEL_H
#define COWSCOPE_MODEL_H

#include "pure.h"
#include <linux/cowscope.h>

/*
 * Where kernels do something else than the rule that they are said to follow, or
 * than what it takes to keep a pin. doc/findings.md has the lines of the kernel.
 */
enum model_departure {
	MODEL_HUGETLB_BY_MAPCOUNT,	/* hugetlb goes by mapcount */
	MODEL_PMD_BY_MAPCOUNT,		/* so does a THP mapped by PMD */
	MODEL_FORK_SHARES_HUGETLB,	/* fork copies no pinned hugetlb page at once */
	MODEL_CLEAR_REFS_PINNED_PMD,	/* clear_refs does not ask if a THP is pinned */
	MODEL_LONGTERM_NOT_UNSHARED,	/* R/O FOLL_LONGTERM pins what is not anon */
	MODEL_DEPARTURES
};

/* How the kernel at hand decides. */
struct model_kernel {
	enum cowscope_rule rule;
	enum cowscope_large_rule large;
	u32 departures;			/* 1 << enum model_departure */
};

/**
 * model_predict - what a story is to show, as an expectation of judge.h
 * @text: where to
 * @size: room there
 * @steps: the story, ended by NULL; it writes at last, then reads or looks
 * @k: the kernel
 *
 * Alternatives where it hangs on what the rule does not say: whether lifting a
 * protection makes an exclusive page writable at once or leaves that to the next
 * write fault, and what rules.c calls COWSCOPE_EITHER.
 *
 * Returns NULL, or the step that it does not understand.
 */
const char *model_predict(char *text, size_t size, const char *const *steps,
			  const struct model_kernel *k);

#endif
