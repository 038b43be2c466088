/* SPDX-License-Identifier: GPL-2.0 */
/* Taking references and pins on pages of the current process. */
#ifndef COWSCOPE_PIN_PAGES_H
#define COWSCOPE_PIN_PAGES_H

#include <linux/mm_types.h>

/**
 * pin_pages_get - take every page of a range, or none
 * @flags: COWSCOPE_PIN_*, of which SPECULATIVE looks up and GUPs not
 * @addr: of the first page
 * @pages: filled
 * @count: so many
 *
 * -EFAULT: not all can be had; -EINTR; others as of get_user_pages(9). Sleeps.
 */
int pin_pages_get(u32 flags, unsigned long addr, struct page **pages, unsigned long count);

/* Returns them, marked dirty if WRITE is among @flags. Sleeps. */
void pin_pages_put(u32 flags, struct page **pages, unsigned long count);

/* Copies @n bytes from @buf into a page that is held, or from it. */
void pin_pages_copy(struct page *page, size_t offset, void *buf, size_t n, bool write);

#endif
