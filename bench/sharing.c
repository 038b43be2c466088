// SPDX-License-Identifier: GPL-2.0
/*
 * A TCG plugin: which cache lines go from processor to processor because of what
 * modules do with them. Kept for each line, as a processor's cache would: who has it. A
 * store to a line that another one has, and a load of one that another one has stored to
 * since, make it move. What the kernel itself does with them does not count.
 *
 * Only between two marks, see mark_first() in together.c. At each second one it appends to the
 * file out=FILE: for each instruction that made lines move its address, in hex, and how
 * often lines in the direct mapping did, and others; then "accesses N", of all. In the direct
 * mapping is what the kernel has allocated: on kernels that keep instances of a kretprobe in
 * one pool for all processors (before 6.7), those.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../tests/vm/qemu_plugin.h"

#define MODULES		0xffffffffa0000000ull	/* where they are loaded, without KASLR */
#define MODULES_END	0xffffffffff000000ull
#define DIRECT		0xffff888000000000ull
#define DIRECT_END	0xffffc88000000000ull
#define LINE		64
#define LINES		(1u << 22)
#define CODES		(1u << 16)

int qemu_plugin_version = 1;

static struct line {
	uint64_t number;	/* 0: free */
	uint64_t who;		/* a bit for each processor */
} *lines;

static struct code {
	uint64_t address;	/* 0: free */
	uint64_t moves[2];	/* in the direct mapping, elsewhere */
} codes[CODES];

static const char *out;
static bool marked;
static uint64_t accesses;

static size_t hash(uint64_t x, size_t size)
{
	return x * 0x9e3779b97f4a7c15ull >> 32 & (size - 1);
}

static struct line *line_of(uint64_t number)
{
	size_t i = hash(number, LINES);

	while (lines[i].number && lines[i].number != number)
		i = (i + 1) & (LINES - 1);
	lines[i].number = number;
	return &lines[i];
}

static struct code *code_of(uint64_t address)
{
	size_t i = hash(address, CODES);

	while (codes[i].address && codes[i].address != address)
		i = (i + 1) & (CODES - 1);
	codes[i].address = address;
	return &codes[i];
}

static void access_line(unsigned int cpu, plugin_mem how, uint64_t addr, void *arg)
{
	uint64_t self = 1ull << cpu;
	struct code *code = arg;
	struct line *line;
	bool moves;

	if (!marked)
		return;
	accesses++;
	line = line_of(addr / LINE);
	if (qemu_plugin_mem_is_store(how)) {
		moves = line->who & ~self;
		line->who = self;
	} else {
		moves = line->who && !(line->who & self);
		line->who |= self;
	}
	code->moves[addr < DIRECT || addr >= DIRECT_END] += moves;
}

static void mark_first(unsigned int cpu, void *arg)
{
	size_t i;

	memset(lines, 0, LINES * sizeof(*lines));
	for (i = 0; i < CODES; i++)
		memset(codes[i].moves, 0, sizeof(codes[i].moves));
	accesses = 0;
	marked = true;
}

static void mark_last(unsigned int cpu, void *arg)
{
	FILE *file = fopen(out, "a");
	size_t i;

	marked = false;
	if (!file)
		return;
	for (i = 0; i < CODES; i++)
		if (codes[i].moves[0] || codes[i].moves[1])
			fprintf(file, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", codes[i].address,
				codes[i].moves[0], codes[i].moves[1]);
	fprintf(file, "accesses %" PRIu64 "\n", accesses);
	fclose(file);
}

/* See there. */
static const unsigned char first[] = { 0x0f, 0x1f, 0x80, 'c', 'o', 'w', '1' };
static const unsigned char last[] = { 0x0f, 0x1f, 0x80, 'c', 'o', 'w', '2' };

static bool is(const struct qemu_plugin_insn *insn, const unsigned char *bytes, size_t n)
{
	return qemu_plugin_insn_size(insn) == n &&
	       !memcmp(qemu_plugin_insn_data(insn), bytes, n);
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);

		if (is(insn, first, sizeof(first)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark_first, PLUGIN_NO_REGS,
							       NULL);
		else if (is(insn, last, sizeof(last)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark_last, PLUGIN_NO_REGS,
							       NULL);
		else if (address >= MODULES && address < MODULES_END)
			qemu_plugin_register_vcpu_mem_cb(insn, access_line, PLUGIN_NO_REGS,
							 PLUGIN_ACCESSES, code_of(address));
	}
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	lines = calloc(LINES, sizeof(*lines));
	if (!lines || argc != 1 || strncmp(argv[0], "out=", 4))
		return -1;
	out = strdup(argv[0] + 4);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
