// SPDX-License-Identifier: GPL-2.0
/* Runs all groups of unit tests. */
#include "unit.h"

#include <stdlib.h>
#include <unistd.h>

static const struct group *const groups[] = {
	&format_group, &rules_group, &ring_group, &reader_group, &recording_group, &output_group,
	&summary_group, &judge_group, &match_group, &experiment_group,
};

struct cowscope_record lost_pin(void)
{
	return (struct cowscope_record){
		.ts = 71204518999,
		.pid = 812,
		.cpu = 1,
		.type = COWSCOPE_EVENT_COW_FAULT,
		.verdict = COWSCOPE_VERDICT_PIN_LOST,
		.addr = 0x7f2a31c00000,
		.before = PTE(0x1a2b3, COWSCOPE_PTE_DIRTY),
		.after = PTE(0x40c11, COWSCOPE_PTE_DIRTY | COWSCOPE_PTE_WRITE |
				      COWSCOPE_PTE_SOFT_DIRTY),
		.refcount = 2,
		.mapcount = 1,
		.state = KIND(ANON) | LEVEL(PTE) | PINNED(NO) | COWSCOPE_STATE_LRU |
			 OTHERWISE(FINE),
		.holder = 3,
		.duration = 812,
		.ret = 8,
		.outcome = COWSCOPE_OUTCOME(COWSCOPE_COPY, COWSCOPE_COPY),
		.rules = COWSCOPE_REUSE | COWSCOPE_COPY << 2,
	};
}

char *captured(void (*function)(void *ctx), void *ctx)
{
	FILE *file = tmpfile();
	int out = dup(STDOUT_FILENO);
	char *text;
	long size;

	assert_non_null(file);
	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	function(ctx);
	fflush(stdout);
	dup2(out, STDOUT_FILENO);
	close(out);

	size = lseek(fileno(file), 0, SEEK_END);
	text = calloc(1, size + 1);
	assert_non_null(text);
	assert_int_equal(pread(fileno(file), text, size, 0), size);
	fclose(file);
	return text;
}

int main(void)
{
	size_t i, all = 0, failed = 0;

	for (i = 0; i < ARRAY_SIZE(groups); i++) {
		failed += _cmocka_run_group_tests(groups[i]->name, groups[i]->tests,
						  groups[i]->count, NULL, NULL);
		all += groups[i]->count;
	}
	printf("%zu passed, %zu failed\n", all - failed, failed);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
