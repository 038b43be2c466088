/* SPDX-License-Identifier: GPL-2.0 */
/* Folios, and the counts of them that moved between kernels. */
#ifndef COWSCOPE_COMPAT_FOLIO_H
#define COWSCOPE_COMPAT_FOLIO_H

#include <linux/version.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/cowscope.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 16, 0)
/* 7b230db3b8d3 ("mm: Introduce struct folio"), 5.16 */
struct folio {
	struct page page;
};

#define page_folio(p)		((struct folio *)compound_head(p))
#define folio_test_anon(f)	PageAnon(&(f)->page)
#define folio_test_ksm(f)	PageKsm(&(f)->page)
#define folio_test_swapcache(f)	PageSwapCache(&(f)->page)
#define folio_test_swapbacked(f) PageSwapBacked(&(f)->page)
#define folio_test_private(f)	page_has_private(&(f)->page)
#define folio_test_lru(f)	PageLRU(&(f)->page)
#define folio_test_locked(f)	PageLocked(&(f)->page)
#define folio_test_writeback(f)	PageWriteback(&(f)->page)
#define folio_test_large(f)	PageHead(&(f)->page)
#define folio_test_hugetlb(f)	PageHuge(&(f)->page)
#define folio_order(f)		compound_order(&(f)->page)
#define folio_ref_count(f)	page_ref_count(&(f)->page)

static inline struct address_space *compat_folio_mapping(struct folio *folio)
{
	return READ_ONCE(folio->page.mapping);
}
#else
static inline struct address_space *compat_folio_mapping(struct folio *folio)
{
	return READ_ONCE(folio->mapping);
}
#endif /* folio: 5.16 */

static inline bool compat_maybe_dma_pinned(struct page *page)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 18, 0)
	/* "mm: Turn page_maybe_dma_pinned() into folio_maybe_dma_pinned()", 5.18 */
	return page_maybe_dma_pinned(page);
#else
	return folio_maybe_dma_pinned(page_folio(page));
#endif
}

/* The mappings of one page of the folio, COWSCOPE_COUNT_NA if not counted. */
static inline int compat_page_mapcount(struct folio *folio, struct page *page)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
	/* Gone with "mm: remove page_mapcount()", 6.12. */
	return page_mapcount(page);
#else
	int count = atomic_read(&page->_mapcount) + 1;

	if (!folio_test_large(folio))
		return folio_mapcount(folio);
#ifdef CONFIG_NO_PAGE_MAPCOUNT
	/* "mm: CONFIG_NO_PAGE_MAPCOUNT to prepare for not maintain ...", 6.15 */
	return COWSCOPE_COUNT_NA;
#endif
	if (count < 0)
		count = 0;
	return count + folio_entire_mapcount(folio);
#endif
}

/* The mappings of all pages of a folio of that order and refcount, read by the caller. */
static inline int compat_folio_mapcount(struct folio *folio, unsigned int order, int refcount)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
	/* total_mapcount() and folio_mapcount() are not exported before
	 * "mm: track mapcount of large folios in single value", 6.10.
	 */
	struct page *head = &folio->page;
	int i, nr = 1 << order, entire, sum;

	if (!order)
		return page_mapcount(head);

	entire = compound_mapcount(head);
	/* Each mapping holds a reference: then there are no others. */
	if (entire == refcount || folio_test_hugetlb(folio))
		return entire;
	sum = entire;
	for (i = 0; i < nr; i++)
		sum += atomic_read(&head[i]._mapcount) + 1;
	if (!folio_test_anon(folio))
		return sum - entire * nr;
	return PageDoubleMap(head) ? sum - nr : sum;
#else
	return folio_mapcount(folio);
#endif
}

/* Pins of a large folio, COWSCOPE_COUNT_NA for a small one. */
static inline int compat_folio_pincount(struct folio *folio)
{
	if (!folio_test_large(folio))
		return COWSCOPE_COUNT_NA;
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 16, 0)
	if (!hpage_pincount_available(&folio->page))
		return COWSCOPE_COUNT_NA;
	return compound_pincount(&folio->page);
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	/* "mm: remove folio_pincount_ptr() and head_compound_pincount()", 6.3 */
	return atomic_read(folio_pincount_ptr(folio));
#else
	return atomic_read(&folio->_pincount);
#endif
}

#ifdef FOLIO_MAPPING_FLAGS
/* "mm: rename PAGE_MAPPING_* to FOLIO_MAPPING_*", 6.17 */
#define COMPAT_MAPPING_FLAGS	FOLIO_MAPPING_FLAGS
#define COMPAT_MAPPING_ANON	FOLIO_MAPPING_ANON
#else
#define COMPAT_MAPPING_FLAGS	PAGE_MAPPING_FLAGS
#define COMPAT_MAPPING_ANON	PAGE_MAPPING_ANON
#endif

/*
 * PageAnonExclusive, of an anonymous page; 0 if there is no such flag.
 * 78fbe906cc90 ("mm/page-flags: reuse PG_mappedtodisk as PG_anon_exclusive for
 * PageAnon() pages"), 5.19
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 19, 0)
#define COMPAT_PAGE_ANON_EXCLUSIVE	0
#else
#define COMPAT_PAGE_ANON_EXCLUSIVE	(1ul << PG_anon_exclusive)
#endif

/* Does the kernel say that several mms map this large folio? */
static inline bool compat_folio_mm_shared(struct folio *folio)
{
#ifdef FOLIO_MM_IDS_SHARED_BITNUM
	/* "mm/rmap: basic MM owner tracking for large folios (!hugetlb)", 6.15 */
	return test_bit(FOLIO_MM_IDS_SHARED_BITNUM, &folio->_mm_ids);
#else
	return false;
#endif
}

/* The rule of this kernel's do_wp_page(). */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 19, 0)
#define COMPAT_RULE		COWSCOPE_RULE_PAGE_COUNT
#else
/* 6c287605fd56 ("mm: remember exclusively mapped anonymous pages with
 * PG_anon_exclusive"), 5.19
 */
#define COMPAT_RULE		COWSCOPE_RULE_EXCLUSIVE
#endif

/* The rule of its do_huge_pmd_wp_page(). */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 19, 0)
/* reuse_swap_page(), whatever do_wp_page() goes by. */
#define COMPAT_PMD_RULE		COWSCOPE_RULE_MAPCOUNT
#else
#define COMPAT_PMD_RULE		COWSCOPE_RULE_EXCLUSIVE
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define COMPAT_HUGE_ZERO	COWSCOPE_SPLIT
#else
/* "mm: allocate THP on hugezeropage wp-fault", 6.13; split if there is none */
#define COMPAT_HUGE_ZERO	COWSCOPE_EITHER
#endif

/* What tells how many references the page cache holds on a hugetlb folio. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#define COMPAT_HUGETLB_CACHED	COWSCOPE_STATE_CACHED_ONCE
#else
/* a08c7193e4f1 ("mm/filemap: remove hugetlb special casing in filemap.c"), 6.7 */
#define COMPAT_HUGETLB_CACHED	0
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#define COMPAT_LARGE_RULE	COWSCOPE_LARGE_AS_SMALL
#elif !defined(FOLIO_MM_IDS_SHARED_BITNUM)
/* "mm/memory: move exclusivity detection in do_wp_page() into
 * wp_can_reuse_anon_folio()", 6.7
 */
#define COMPAT_LARGE_RULE	COWSCOPE_LARGE_NEVER
#else
/* "mm: Copy-on-Write (COW) reuse support for PTE-mapped THP", 6.15 */
#define COMPAT_LARGE_RULE	COWSCOPE_LARGE_MAPPINGS
#endif

#endif
