/* SPDX-License-Identifier: GPL-2.0 */
/* A secondary MMU: pages of a process, mapped into a device that is not there. */
#ifndef COWSCOPE_MIRROR_H
#define COWSCOPE_MIRROR_H

#include <linux/cowscope.h>
#include "holders.h"

struct mirror;

/**
 * mirror_new - map a range of the current process
 * @holder: whose flags say how; stays until mirror_free()
 * @addr: of the first page
 * @count: pages
 *
 * Faults all of them in. -EOPNOTSUPP: no mmu notifiers here; -EFAULT: not all can be
 * had; -EINTR, -ENOMEM. Sleeps, takes the mmap_lock.
 */
struct mirror *mirror_new(struct holder *holder, unsigned long addr, unsigned long count);

/* Nothing is mapped, and nobody told, when it returns. Sleeps; no lock is held. */
void mirror_free(struct mirror *m);

/**
 * mirror_access - the device reads or writes
 * @m: the mirror
 * @nth: page
 * @offset: in the page
 * @buf: kernel memory
 * @n: bytes, not beyond the page
 * @write: from @buf into the page
 *
 * Faults the page in if it is not mapped. -ESRCH: the process's memory is gone;
 * -EFAULT, -EINTR, -ENOMEM. Sleeps, takes the mmap_lock of that memory.
 */
int mirror_access(struct mirror *m, unsigned long nth, size_t offset, void *buf, size_t n,
		  bool write);

/* What it has mapped there; .pte is COWSCOPE_PTE_READ if nothing. */
void mirror_look(struct mirror *m, unsigned long nth, struct cowscope_page *page);

#endif
