/* SPDX-License-Identifier: GPL-2.0 */
/* Of QEMU's interface for TCG plugins, version 1, what is used here: Debian has no package of it. */
#ifndef QEMU_PLUGIN_H
#define QEMU_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORT		__attribute__((visibility("default")))

typedef uint64_t plugin_id;
typedef uint32_t plugin_mem;		/* one access, for the functions below */
struct qemu_plugin_tb;			/* instructions in a row, translated at once */
struct qemu_plugin_insn;

enum plugin_regs { PLUGIN_NO_REGS };	/* a callback looks at no registers */
enum plugin_rw { PLUGIN_LOADS = 1, PLUGIN_STORES, PLUGIN_ACCESSES };

/* What a plugin exports. */
extern EXPORT int qemu_plugin_version;
EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*translated)(plugin_id id,
						struct qemu_plugin_tb *tb));
void qemu_plugin_register_atexit_cb(plugin_id id, void (*ends)(plugin_id id, void *arg), void *arg);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
					  void (*runs)(unsigned int cpu, void *arg),
					  enum plugin_regs regs, void *arg);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*runs)(unsigned int cpu, void *arg),
					    enum plugin_regs regs, void *arg);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
				      void (*accesses)(unsigned int cpu, plugin_mem how,
						       uint64_t addr, void *arg),
				      enum plugin_regs regs, enum plugin_rw rw, void *arg);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
bool qemu_plugin_mem_is_store(plugin_mem how);

/* No part of it: functions of QEMU's own, which it exports to its modules. */
void *qemu_get_cpu(int index);
void cpu_exit(void *cpu);

#endif
