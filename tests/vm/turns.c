// SPDX-License-Identifier: GPL-2.0
/*
 * A TCG plugin: with -icount, processors take turns of some instructions.
 *
 * QEMU before 8.1 lets a processor go on until the next timer is due, which
 * leaves nothing to the others ("accel/tcg/tcg-accel-ops-rr: ensure fairness with
 * icount"): who waits for another one without a PAUSE waits for ever, and so does a
 * boot with a second processor. To end a turn a plugin has no function, but QEMU
 * exports its own to its modules.
 */
#include "qemu_plugin.h"

#define TURN	1000	/* instructions: less than a fault, so that faults meet */

int qemu_plugin_version = 1;

static unsigned int whose = -1, done;

static void runs(unsigned int cpu, void *instructions)
{
	if (cpu != whose) {
		whose = cpu;
		done = 0;
	}
	done += (uintptr_t)instructions;
	if (done >= TURN) {
		done = 0;
		cpu_exit(qemu_get_cpu(cpu));
	}
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
	qemu_plugin_register_vcpu_tb_exec_cb(tb, runs, PLUGIN_NO_REGS,
					     (void *)qemu_plugin_tb_n_insns(tb));
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
