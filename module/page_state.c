// SPDX-License-Identifier: GPL-2.0
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <asm/cpufeature.h>
#include "compat/folio.h"
#include "compat/mm.h"
#include "page_state.h"

#define copy_word(dst, src, member)						\
	(PAGE_WORD(dst, member) = READ_ONCE(PAGE_WORD(src, member)))

/*
 * A folio's first page with each word that is looked at loaded once, so that no
 * two things that are said of it come from two loads. Its refcount and mapcount
 * share a word. Only good for what the kernel's accessors read of flags, mapping
 * and counts of the first page itself; lru tells them that it is one.
 */
static struct folio *snapshot(struct page *copy, const struct folio *folio)
{
	const struct page *from = &folio->page;

	BUILD_BUG_ON(offsetof(struct page, _mapcount) / sizeof(long) !=
		     offsetof(struct page, _refcount) / sizeof(long));
	PAGE_WORD(copy, flags) = READ_ONCE(PAGE_WORD(from, flags)) & PAGE_FLAGS_READ;
	copy_word(copy, from, mapping);
	copy_word(copy, from, _mapcount);
	copy_word(copy, from, lru);
	return (struct folio *)copy;
}

static unsigned int file_kind(struct folio *folio, struct folio *look, unsigned int level)
{
	if (compat_folio_mapping(look))
		return folio_test_swapbacked(look) ? COWSCOPE_KIND_SHMEM : COWSCOPE_KIND_FILE;
	/* Held, not mapped: its PTE would be special. */
	if (is_zero_pfn(page_to_pfn(&folio->page)))
		return COWSCOPE_KIND_ZERO;
	/* The huge zero page's symbol is not exported; it has no mapping. */
	return level == COWSCOPE_LEVEL_PMD ? COWSCOPE_KIND_ZERO : COWSCOPE_KIND_UNKNOWN;
}

/* An entry without a page to look at: the zero page, or a device's memory. */
static unsigned int special_kind(pte_t pte, unsigned long vm_flags, unsigned int level)
{
	if (is_zero_pfn(pte_pfn(pte)))
		return COWSCOPE_KIND_ZERO;
	/* "mm/huge_memory: mark PMD mappings of the huge zero folio special", 6.18 */
	if (level == COWSCOPE_LEVEL_PMD && pte_special(pte) &&
	    !(vm_flags & (VM_PFNMAP | VM_MIXEDMAP)))
		return COWSCOPE_KIND_ZERO;
	return COWSCOPE_KIND_PFN;
}

/*
 * A THP that a PMD maps has the mark on its first page, one that PTEs map has it
 * on each. Where it is not known how the page is mapped, its mapcount tells. Not by
 * PageAnonExclusive(): it asserts that the page is anonymous, which it may be no more.
 */
static enum cowscope_tri read_exclusive(struct folio *folio, struct page *page, unsigned int level)
{
	if (!COMPAT_PAGE_ANON_EXCLUSIVE)
		return COWSCOPE_NA;
	if (level == COWSCOPE_LEVEL_PMD || level == COWSCOPE_LEVEL_HUGETLB ||
	    (level == COWSCOPE_LEVEL_NONE && atomic_read(&page->_mapcount) < 0))
		page = &folio->page;
	return READ_ONCE(PAGE_WORD(page, flags)) & COMPAT_PAGE_ANON_EXCLUSIVE ?
		COWSCOPE_YES : COWSCOPE_NO;
}

/* The folio's order, or -1 if it was freed or split meanwhile and is none. */
static int read_order(struct folio *folio, struct folio *look)
{
	unsigned int order, most;

	/*
	 * A tail page by now, of a folio made meanwhile. The accessors would look for the
	 * first page of that, in 7.2 by the address of the page, which a copy has not.
	 */
	if (PAGE_WORD(look, lru) & 1)
		return -1;
	if (!folio_test_large(look))
		return 0;
	order = folio_order(folio);
	most = folio_test_hugetlb(folio) ? PUD_SHIFT - PAGE_SHIFT : HPAGE_PMD_ORDER;
	if (order > most || !IS_ALIGNED(page_to_pfn(&folio->page), 1ul << order))
		return -1;
	return order;
}

static void read_counts(struct cowscope_counts *c, struct page_state_memo *memo,
			struct folio *folio, struct folio *look, struct page *page,
			unsigned int order)
{
	unsigned long head = page_to_pfn(&folio->page);

	c->refcount = folio_ref_count(look);
	if (!order) {
		c->mapcount = compat_page_mapcount(look, &look->page);
		c->folio_mapcount = c->mapcount;
		return;
	}
	c->mapcount = compat_page_mapcount(folio, page);
	c->pincount = compat_folio_pincount(folio);
	if (memo && memo->head == head && memo->refcount == c->refcount) {
		c->folio_mapcount = memo->folio_mapcount;
		return;
	}
	c->folio_mapcount = compat_folio_mapcount(folio, order, c->refcount);
	if (memo)
		*memo = (struct page_state_memo){ head, c->refcount, c->folio_mapcount };
}

/* page_maybe_dma_pinned(), of the counts that were read. */
static bool maybe_pinned(const struct cowscope_counts *c)
{
	if (c->pincount != COWSCOPE_COUNT_NA)
		return c->pincount > 0;
	return (u32)c->refcount >= GUP_PIN_COUNTING_BIAS;
}

/* Nothing is known yet but of the mapping. */
static __always_inline void clear(struct cowscope_counts *c, unsigned int level,
				  bool shared_vma, bool mm_pinned)
{
	c->refcount = COWSCOPE_COUNT_NA;
	c->mapcount = COWSCOPE_COUNT_NA;
	c->folio_mapcount = COWSCOPE_COUNT_NA;
	c->pincount = COWSCOPE_COUNT_NA;
	c->held_refs = 0;
	c->folio_pins = 0;
	c->held = 0;
	c->held_pins = 0;
	c->held_own = 0;
	c->held_other = 0;
	c->holder = 0;
	c->state = level << COWSCOPE_STATE_LEVEL_SHIFT |
		   (shared_vma ? COWSCOPE_STATE_SHARED_VMA : 0) |
		   (mm_pinned ? COWSCOPE_STATE_MM_PINNED : 0);
}

/*
 * Counts and state of a page of a folio, into what clear() has left. @look: the
 * snapshot of the folio, @page: the page, for a small one in the snapshot too.
 */
static __always_inline void read_page(struct cowscope_counts *c, struct page_state_memo *memo,
				      struct folio *folio, struct folio *look,
				      struct page *page, unsigned int order,
				      unsigned int level)
{
	enum cowscope_tri exclusive = COWSCOPE_NA;
	u32 state = c->state & ~(3u << COWSCOPE_STATE_LEVEL_SHIFT);
	unsigned int kind;

	read_counts(c, memo, folio, look, page, order);

	if (order && folio_test_hugetlb(folio)) {
		kind = COWSCOPE_KIND_HUGETLB;
		level = COWSCOPE_LEVEL_HUGETLB;
		if (folio_test_anon(look))
			exclusive = read_exclusive(order ? folio : look, page, level);
		else
			state |= COWSCOPE_STATE_MAPPING | COMPAT_HUGETLB_CACHED;
	} else if (folio_test_anon(look)) {
		kind = folio_test_ksm(look) ? COWSCOPE_KIND_KSM : COWSCOPE_KIND_ANON;
		exclusive = read_exclusive(order ? folio : look, page, level);
		if (folio_test_swapcache(look))
			state |= COWSCOPE_STATE_SWAPCACHE;
	} else {
		kind = file_kind(folio, look, level);
		if (kind == COWSCOPE_KIND_FILE || kind == COWSCOPE_KIND_SHMEM)
			state |= COWSCOPE_STATE_MAPPING;
		if (folio_test_private(look))
			state |= COWSCOPE_STATE_PRIVATE;
	}

	if (order && compat_folio_mm_shared(folio))
		state |= COWSCOPE_STATE_MM_SHARED;
	if (folio_test_lru(look))
		state |= COWSCOPE_STATE_LRU;
	if (folio_test_locked(look))
		state |= COWSCOPE_STATE_LOCKED;
	if (folio_test_writeback(look))
		state |= COWSCOPE_STATE_WRITEBACK;
	c->state = state | kind | order << COWSCOPE_STATE_ORDER_SHIFT |
		   level << COWSCOPE_STATE_LEVEL_SHIFT |
		   exclusive << COWSCOPE_STATE_EXCLUSIVE_SHIFT |
		   (maybe_pinned(c) ? COWSCOPE_YES : COWSCOPE_NO) << COWSCOPE_STATE_PINNED_SHIFT;
}

void page_state_read(struct cowscope_counts *c, struct page_state_memo *memo,
		     struct mm_struct *mm, unsigned long vm_flags, pte_t pte,
		     unsigned int level)
{
	struct page *page = page_state_page(pte, level);
	struct page copy __uninitialized;
	struct folio *folio, *look;
	int order;

	clear(c, level, vm_flags & VM_SHARED, compat_mm_has_pinned(mm));
	if (!page) {
		if (pte_present(pte))
			c->state |= special_kind(pte, vm_flags, level);
		return;
	}
	folio = page_folio(page);
	look = snapshot(&copy, folio);
	order = read_order(folio, look);
	if (order < 0)
		return;
	read_page(c, memo, folio, look, order ? page : &copy, order, level);
}

void page_state_words(struct cowscope_counts *c, const struct page_words *w)
{
	struct page copy __uninitialized;
	struct folio *look = (struct folio *)&copy;

	PAGE_WORD(&copy, flags) = w->flags >> PAGE_SHIFT & PAGE_FLAGS_READ;
	PAGE_WORD(&copy, mapping) = COMPAT_MAPPING_ANON;
	PAGE_WORD(&copy, _mapcount) = w->counts;
	PAGE_WORD(&copy, lru) = 0;
	clear(c, COWSCOPE_LEVEL_PTE, false, w->flags & PAGE_WORDS_MM_PINNED);
	read_page(c, NULL, look, look, &copy, 0, COWSCOPE_LEVEL_PTE);
}

/*
 * The PTE at @addr within a huge entry; on x86 all levels share their bits.
 * pte_pfn() turns back the pfn of one that is PROT_NONE, which is inverted.
 */
static pte_t huge_part(unsigned long val, unsigned long addr, unsigned long mask)
{
	pte_t pte = __pte(val);
	unsigned long pfn;

	if (!pte_present(pte))
		return __pte(0);
	pfn = (pte_pfn(pte) & (mask >> PAGE_SHIFT)) + ((addr & ~mask) >> PAGE_SHIFT);
	return pfn_pte(pfn, __pgprot(val & ~(PTE_PFN_MASK | _PAGE_PSE)));
}

pte_t page_state_huge(unsigned long val, unsigned long mask)
{
	return huge_part(val, 0, mask);
}

/*
 * Finds the PMD of an address. True if it was read; false with @pte set where
 * a PUD maps it or nothing does, and with @next the first address beyond.
 */
static bool find_pmd(struct mm_struct *mm, unsigned long addr, pmd_t *pmd, pte_t *pte,
		     unsigned long *next)
{
	pgd_t pgd = READ_ONCE(*pgd_offset(mm, addr));
	p4d_t p4d;
	pud_t pud;

	*pte = __pte(0);
	*next = (addr & PGDIR_MASK) + PGDIR_SIZE;
	if (pgd_none(pgd) || pgd_bad(pgd))
		return false;
	p4d = READ_ONCE(*p4d_offset(&pgd, addr));
	*next = (addr & P4D_MASK) + P4D_SIZE;
	if (p4d_none(p4d) || p4d_bad(p4d))
		return false;
	pud = READ_ONCE(*pud_offset(&p4d, addr));
	*next = (addr & PUD_MASK) + PUD_SIZE;
	if (pud_none(pud))
		return false;
	if (pud_leaf(pud)) {
		*pte = huge_part(pud_val(pud), addr, PUD_MASK);
		return false;
	}
	if (pud_bad(pud))
		return false;
	*pmd = READ_ONCE(*pmd_offset(&pud, addr));
	*next = (addr & PMD_MASK) + PMD_SIZE;
	return true;
}

/* Is there a table of PTEs below? If not, @pte is what the PMD itself maps. */
static bool has_table(pmd_t pmd, unsigned long addr, pte_t *pte)
{
	*pte = __pte(0);
	if (pmd_none(pmd) || !pmd_present(pmd))
		return false;
	if (pmd_leaf(pmd)) {
		*pte = huge_part(pmd_val(pmd), addr, PMD_MASK);
		return false;
	}
	return !pmd_bad(pmd);
}

pte_t page_state_pte(struct mm_struct *mm, unsigned long addr, unsigned int *level)
{
	unsigned int found = COWSCOPE_LEVEL_HUGETLB;
	unsigned long flags, next;
	pte_t pte = __pte(0);
	pmd_t pmd;

	*level = COWSCOPE_LEVEL_NONE;
	if (addr >= TASK_SIZE_MAX)
		return pte;

	/* Where page tables are freed after an IPI and not after a grace period. */
	local_irq_save(flags);
	if (find_pmd(mm, addr, &pmd, &pte, &next)) {
		found = COWSCOPE_LEVEL_PMD;
		if (has_table(pmd, addr, &pte)) {
			found = COWSCOPE_LEVEL_PTE;
			pte = READ_ONCE(*pte_offset_kernel(&pmd, addr));
		}
	}
	local_irq_restore(flags);
	if (!pte_none(pte))
		*level = found;
	return pte;
}

/* One step of a walk: what one PMD or PUD covers. Returns the pages looked at. */
static unsigned long walk_step(struct mm_struct *mm, unsigned long addr, unsigned long end,
			       unsigned long *next, page_state_part_fn fn, void *ctx)
{
	struct page_state_part part = { .addr = addr, .level = COWSCOPE_LEVEL_HUGETLB };
	pmd_t pmd;

	if (find_pmd(mm, addr, &pmd, &part.pte, next)) {
		part.level = COWSCOPE_LEVEL_PMD;
		if (has_table(pmd, addr, &part.pte)) {
			part.level = COWSCOPE_LEVEL_PTE;
			part.table = pte_offset_kernel(&pmd, addr);
		}
	}
	if (!part.table && !pte_present(part.pte))
		return 1;
	part.pages = (min(*next, end) - addr) >> PAGE_SHIFT;
	fn(ctx, &part);
	return part.pages;
}

unsigned long page_state_walk_parts(struct mm_struct *mm, unsigned long start,
				    unsigned long end, unsigned long max,
				    page_state_part_fn fn, void *ctx)
{
	unsigned long flags, next, pages = 0;

	end = min(end, TASK_SIZE_MAX);
	while (start < end && pages < max) {
		local_irq_save(flags);
		pages += walk_step(mm, start, end, &next, fn, ctx);
		local_irq_restore(flags);
		if (next <= start)	/* wrapped */
			return end;
		start = min(next, end);
	}
	return start;
}

/* The page of a PTE that has no flag but perhaps the accessed bit. */
static __always_inline const struct page *page_of(pteval_t val)
{
	const struct page *first = pfn_to_page(0);

	if (!IS_ENABLED(CONFIG_SPARSEMEM_VMEMMAP) || !is_power_of_2(sizeof(*first)))
		return pfn_to_page(val >> PAGE_SHIFT);
	/* In one shift, that bit goes too. */
	BUILD_BUG_ON(_PAGE_ACCESSED >> (PAGE_SHIFT - ilog2(sizeof(*first))));
	return (const void *)first + (val >> (PAGE_SHIFT - ilog2(sizeof(*first))));
}

/*
 * Is a PTE like one with these flags, and its page's only reference? A page of a
 * large folio, other than its first, has no count of its own: it is 0.
 */
static __always_inline bool alone(const pte_t *pte, pteval_t like)
{
	pteval_t differ = native_pte_val(READ_ONCE(*pte)) ^ like;

	if (differ & ~(PTE_PFN_MASK | _PAGE_ACCESSED))
		return false;
	/* Read once, as it is compared in memory; atomic_read() would load it first. */
	return data_race(page_of(differ)->_refcount.counter) == 1;
}

/* How many are so from the first on. */
static unsigned long all_alone(const pte_t *table, unsigned long pages, pte_t first)
{
	pteval_t like = native_pte_val(first) & PTE_FLAGS_MASK;
	const pte_t *pte = table, *end = table + pages;

	/* A Xen PV guest's entries have machine frame numbers, which pte_pfn() translates. */
	if (!page_state_plain(first) || cpu_feature_enabled(X86_FEATURE_XENPV))
		return 0;
	while (pte + 8 <= end && alone(pte, like) && alone(pte + 1, like) &&
	       alone(pte + 2, like) && alone(pte + 3, like) && alone(pte + 4, like) &&
	       alone(pte + 5, like) && alone(pte + 6, like) && alone(pte + 7, like))
		pte += 8;
	while (pte < end && alone(pte, like))
		pte++;
	return pte - table;
}

void page_state_runs(const struct page_state_part *part, page_state_fn fn, void *ctx)
{
	struct page_state_run run = {
		.addr = part->addr,
		.pages = part->pages,
		.pte = part->pte,
		.level = part->level,
	};
	unsigned long i;

	if (!part->table) {
		fn(ctx, &run);
		return;
	}
	for (i = 0; i < part->pages; i += run.pages) {
		run.pages = 1;
		run.pte = READ_ONCE(part->table[i]);
		if (!pte_present(run.pte))
			continue;
		run.addr = part->addr + i * PAGE_SIZE;
		run.pages = all_alone(part->table + i, part->pages - i, run.pte);
		run.alone = run.pages;
		if (!run.alone)
			run.pages = 1;
		fn(ctx, &run);
	}
}

struct runs {
	page_state_fn fn;
	void *ctx;
};

static void look_at_part(void *ctx, const struct page_state_part *part)
{
	const struct runs *runs = ctx;

	page_state_runs(part, runs->fn, runs->ctx);
}

unsigned long page_state_walk(struct mm_struct *mm, unsigned long start, unsigned long end,
			      unsigned long max, page_state_fn fn, void *ctx)
{
	struct runs runs = { fn, ctx };

	return page_state_walk_parts(mm, start, end, max, look_at_part, &runs);
}
