/* SPDX-License-Identifier: GPL-2.0 */
/*
 * By which rule does this kernel decide? Found out by trying, in user space: it
 * needs neither the module nor a privilege, and believes no version.
 */
#ifndef COWSCOPE_EXPERIMENT_H
#define COWSCOPE_EXPERIMENT_H

/*
 * A page holds "A", a pipe holds a reference to it (vmsplice(2): FOLL_GET), its
 * owner writes "B". What comes out of the pipe, 'A' or 'B'; 0 if it was not seen.
 */
struct experiment {
	char protect;		/* after the page was write-protected in place */
	char fork;		/* after a fork, whose child is gone */
	char trouble[128];	/* what went wrong, or "" */
};

/**
 * experiment - try it
 *
 * In a process of its own, the first time; a few milliseconds. Write-protects by
 * clear_refs, or by mprotect() where there is no soft-dirty tracking.
 */
const struct experiment *experiment(void);

/**
 * experiment_rule - the rule that behaves so
 * @e: what was seen
 *
 * Returns COWSCOPE_RULES if none does, or not everything was seen.
 *
 * The page has no other mapping both times. So mapcount reuses it both times, and
 * the reference sees "B"; page_count copies it both times, because of the
 * reference; exclusive reuses it as long as it is exclusive, which fork ended.
 */
unsigned int experiment_rule(const struct experiment *e);

/**
 * experiment_text - what was seen, in a few words
 * @e: what was seen
 *
 * The text is valid until the next call.
 */
const char *experiment_text(const struct experiment *e);

#endif
