// SPDX-License-Identifier: GPL-2.0
/* Primitives: pages of the same content merged by ksmd. */
#include "prim.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define KSM	"/sys/kernel/mm/ksm/"

/*
 * Scans of all mergeable memory until pages that can be merged have been: they
 * are looked at three times for that, and since Linux 6.7 (smart_scan) one that
 * was not merged for long is looked at in every ninth scan only.
 */
#define SCANS	40

/* A number in one of KSM's files; -1 if it cannot be read. */
static long ksm_get(const char *path)
{
	FILE *f = fopen(path, "re");
	long value = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%ld", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

static bool ksm_set(const char *path, long value)
{
	FILE *f = fopen(path, "we");
	bool ok;

	if (!f)
		return false;
	ok = fprintf(f, "%ld", value) > 0;
	return !fclose(f) && ok;
}

static bool is_merged(const struct area *a)
{
	u64 addr;

	for (addr = a->addr; addr < a->addr + a->length; addr += sysconf(_SC_PAGESIZE)) {
		struct cowscope_page page = { 0 };

		if (page_state(addr, &page) ||
		    COWSCOPE_STATE_KIND(page.state) != COWSCOPE_KIND_KSM)
			return false;
	}
	return true;
}

/*
 * MEMORY:ksm() -> true if all of its pages have been merged
 *
 * MADV_MERGEABLE, then ksmd runs until every page is a KSM page, or until it has
 * seen all memory forty times: a page is merged when its content was the same in
 * two looks and there is another like it. ksmd then runs if it did before. A kernel
 * without CONFIG_KSM skips the story.
 */
static int area_ksm(lua_State *L)
{
	struct area *a = prim_area(L, 1);
	long run = ksm_get(KSM "run"), begin = ksm_get(KSM "full_scans");
	bool merged;

	if (run < 0 || begin < 0)
		return prim_skip(L, "this kernel has no KSM");
	if (madvise((void *)(uintptr_t)a->addr, a->length, MADV_MERGEABLE))
		return prim_failed(L, "MADV_MERGEABLE");
	if (!ksm_set(KSM "run", 1))
		return prim_failed(L, KSM "run");
	do {
		usleep(10000);
		merged = is_merged(a);
	} while (!merged && ksm_get(KSM "full_scans") < begin + SCANS);
	/* 2 has stopped it, too; to write that again would take the pages apart. */
	if (!ksm_set(KSM "run", run == 1))
		return prim_failed(L, KSM "run");
	lua_pushboolean(L, merged);
	return 1;
}

void prim_ksm(lua_State *L)
{
	static const struct prim methods[] = {
		{ "ksm", area_ksm, true },
		{ NULL, NULL, false }
	};

	prim_methods(L, AREA, methods);
}
