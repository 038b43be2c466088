# SPDX-License-Identifier: GPL-2.0
# The built-in scenarios, in the order in which `list` and `run` tell them. Each
# is tools/scenarios/NAME.lua and becomes one initializer of a C array.

SCENARIOS := control clear_refs uffd_wp clear_refs_uffd_wp mprotect fork_after fork_exit \
	look_alike crowd zygote zygote_before zygote_thp zygote_before_thp \
	zygote_hugetlb zygote_before_hugetlb zygote_swap \
	fork_exit_pmd fork_exit_pte three_processes thp_parts \
	race_clear_refs race_uffd_wp race_mprotect
SCENARIOS += mirror_clear_refs mirror_uffd_wp mirror_fork speculative
SCENARIOS += clear_refs_device fork_exit_device

SCENARIOS += fork_before fork_gone fork_child_writes fork_thp fork_hugetlb dontfork \
	swap_read swap_write swap_cache swap_pinned lru_cache device_write \
	pagemap_scan zero_page huge_zero file_private ksm ksm_held \
	dontneed mremap mremap_thp partial_unmap migrate numa collapse madv_free \
	force_write uffd_move uffd_rwp

SCENARIO_FILES := $(SCENARIOS:%=tools/scenarios/%.lua)
# Built in, too, but not told unless asked for.
BUILTIN_FILES := $(SCENARIO_FILES) tools/sweep.lua

$(B)/tools/scenario.o: $(B)/scenario_files.h

$(B)/scenario_files.h: $(BUILTIN_FILES) tools/scenarios.mk
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)for f in $(BUILTIN_FILES); do \
		printf '{ "%s",\n' "$$(basename $$f .lua)"; \
		sed 's/[\\"]/\\&/g; s/	/\\t/g; s/.*/"&\\n"/' $$f; \
		echo '},'; \
	done > $@
