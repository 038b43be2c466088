// SPDX-License-Identifier: GPL-2.0
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include "compat/folio.h"
#include "compat/mm.h"
#include "page_state.h"
#include "pin_pages.h"

#define BATCH		512ul		/* pages at a time under mmap_lock */

void pin_pages_put(u32 flags, struct page **pages, unsigned long count)
{
	bool dirty = flags & COWSCOPE_PIN_WRITE;
	unsigned long i;

	if (flags & COWSCOPE_PIN_FOLL_PIN) {
		unpin_user_pages_dirty_lock(pages, count, dirty);
		return;
	}
	for (i = 0; i < count; i++) {
		if (dirty)
			set_page_dirty_lock(pages[i]);
		put_page(pages[i]);
		cond_resched();
	}
}

/*
 * As a lockless look-up does: the page may be another's by the time that it has
 * the reference, but not if the same entry maps it still.
 */
static struct page *look_up(unsigned long addr)
{
	unsigned int level, again, tries = 3;
	struct cowscope_counts c;
	struct folio *folio;
	struct page *page;
	pte_t pte;

	while (tries--) {
		pte = page_state_pte(current->mm, addr, &level);
		page = page_state_page(pte, level);
		page_state_read(&c, NULL, current->mm, 0, pte, level);
		if (!page || COWSCOPE_STATE_KIND(c.state) == COWSCOPE_KIND_ZERO)
			return NULL;
		folio = page_folio(page);
		if (!get_page_unless_zero(&folio->page))
			continue;
		if (pte_val(pte) == pte_val(page_state_pte(current->mm, addr, &again)) &&
		    folio == page_folio(page))
			return page;
		put_page(&folio->page);
	}
	return NULL;
}

/* Under mmap_lock. */
static long look_up_pages(unsigned long start, unsigned long n, struct page **pages)
{
	unsigned long i;

	for (i = 0; i < n; i++) {
		pages[i] = look_up(start + i * PAGE_SIZE);
		if (!pages[i])
			break;
	}
	return i;
}

static long get_locked(u32 flags, unsigned int gup, unsigned long start, unsigned long n,
		       struct page **pages)
{
	if (flags & COWSCOPE_PIN_SPECULATIVE)
		return look_up_pages(start, n, pages);
	if (flags & COWSCOPE_PIN_FOLL_PIN)
		return compat_pin_user_pages(start, n, gup, pages);
	return compat_get_user_pages(start, n, gup, pages);
}

static long get_fast(u32 flags, unsigned int gup, unsigned long start, unsigned long n,
		     struct page **pages)
{
	return flags & COWSCOPE_PIN_FOLL_PIN ? pin_user_pages_fast(start, n, gup, pages) :
					       get_user_pages_fast(start, n, gup, pages);
}

int pin_pages_get(u32 flags, unsigned long addr, struct page **pages, unsigned long count)
{
	unsigned int gup = 0;
	unsigned long done = 0;
	long got;

	if (flags & COWSCOPE_PIN_WRITE)
		gup |= FOLL_WRITE;
	if (flags & COWSCOPE_PIN_LONGTERM)
		gup |= FOLL_LONGTERM;

	while (done < count) {
		unsigned long start = addr + done * PAGE_SIZE;
		unsigned long n = min(count - done, BATCH);

		if (fatal_signal_pending(current)) {
			got = -EINTR;
			goto err;
		}
		if (flags & COWSCOPE_PIN_FAST) {
			got = get_fast(flags, gup, start, n, pages + done);
		} else if (mmap_read_lock_killable(current->mm)) {
			got = -EINTR;
		} else {
			got = get_locked(flags, gup, start, n, pages + done);
			mmap_read_unlock(current->mm);
		}
		if (got <= 0)
			goto err;
		done += got;
		cond_resched();
	}
	return 0;

err:
	pin_pages_put(flags & ~COWSCOPE_PIN_WRITE, pages, done);
	return got ? got : -EFAULT;
}

void pin_pages_copy(struct page *page, size_t offset, void *buf, size_t n, bool write)
{
	void *at = kmap_local_page(page);

	if (write)
		memcpy(at + offset, buf, n);
	else
		memcpy(buf, at + offset, n);
	kunmap_local(at);
}
