// SPDX-License-Identifier: GPL-2.0
/* A story as a commented trace: its steps, what was recorded, what came of it. */
#include "show.h"

#include "format.h"
#include "output.h"

/* Begins a comment line; says who, unless it is the story's first process. */
static void print_who(const struct outcome *o, const struct story_step *step,
		      const char *prefix, const char *what)
{
	/* In KTAP all is a comment: no need to say so twice. */
	printf("%.*s# %s", (int)strspn(prefix, " "), prefix, what);
	if (step->pid != o->pid)
		printf("[child %u] ", step->pid);
}

static void print_begin(const struct outcome *o, const struct story_step *step,
			const char *prefix)
{
	char number[16];

	snprintf(number, sizeof(number), "%d. ", (int)(step - o->log->step) + 1);
	printf("%s", color_on(COLOR_BOLD));
	print_who(o, step, prefix, number);
	printf("%s%s\n", step->text, color_off(COLOR_BOLD));
}

static void print_counts(const struct cowscope_page *page)
{
	printf(" refcount=%d mapcount=%d exclusive=%s", page->refcount, page->mapcount,
	       cowscope_tri_name(COWSCOPE_STATE_EXCLUSIVE(page->state)));
}

static void print_page(const struct cowscope_page *page)
{
	char pte[8] = "";

	if (!(page->pte & COWSCOPE_PTE_PRESENT)) {
		printf("none");
		return;
	}
	cowscope_pte_flags(pte, sizeof(pte), page->pte);
	printf("pfn=0x%llx pte=%s", (unsigned long long)COWSCOPE_PTE_PFN(page->pte), pte);
	print_counts(page);
}

/* What a step read, and in which state it left the page that it was about. */
static void print_end(const struct outcome *o, const struct story_step *step,
		      const char *prefix)
{
	const struct cowscope_page *page = &step->page, *held = &step->held;

	if (*step->got) {
		print_who(o, step, prefix, "     ");
		printf("read \"%s\"\n", step->got);
	}
	if (!page->pte)
		return;
	print_who(o, step, prefix, "     ");
	printf("page: ");
	print_page(page);
	if (held->pte && COWSCOPE_PTE_PFN(held->pte) != COWSCOPE_PTE_PFN(page->pte)) {
		printf("; held: pfn=0x%llx",
		       (unsigned long long)COWSCOPE_PTE_PFN(held->pte));
		print_counts(held);
	}
	printf("\n");
}

/* Prints the ends of steps that lie between two times. */
static void print_ends(const struct outcome *o, u64 from, u64 to, const char *prefix)
{
	const struct story_step *step, *next;
	u32 i;

	do {
		next = NULL;
		for (i = 0; i < outcome_steps(o); i++) {
			step = &o->log->step[i];
			if (step->end > from && step->end <= to && (!next || step->end < next->end))
				next = step;
		}
		if (next) {
			print_end(o, next, prefix);
			from = next->end;
		}
	} while (next);
}

static void print_record(const struct cowscope_record *r, const struct device *d,
			 const char *prefix)
{
	struct cowscope_task task;
	char line[COWSCOPE_LINE_MAX];
	const char *comm = device_task(d, r->pid, &task) ? task.comm : NULL;

	if (!*prefix) {
		record_print(r, comm);
		return;
	}
	cowscope_format(line, sizeof(line), r, comm);
	printf("%s%s\n", prefix, line);
}

void retell(const struct outcome *o, const struct device *d, const char *prefix)
{
	const struct story_step *step;
	bool begun = false;
	u64 last = 0;
	size_t i;

	for (i = 0; i < o->records.count; i++) {
		const struct cowscope_record *r = &o->records.record[i];

		print_ends(o, last, r->ts, prefix);
		last = r->ts;
		step = outcome_step(o, r);
		if (step)
			print_begin(o, step, prefix);
		else if (begun)
			print_record(r, d, prefix);
		begun = true;	/* the first is the mark with the scenario's name */
	}
	print_ends(o, last, ~0ULL, prefix);
}
