# SPDX-License-Identifier: GPL-2.0
# The built-in scenarios, in the order in which `list` and `run` tell them. Each
# is tools/scenarios/NAME.lua and becomes one initializer of a C array.

SCENARIOS := control clear_refs uffd_wp mprotect fork_after fork_exit zygote \
	mirror_clear_refs mirror_uffd_wp mirror_fork speculative

SCENARIO_FILES := $(SCENARIOS:%=tools/scenarios/%.lua)

$(B)/tools/scenario.o: $(B)/scenario_files.h

$(B)/scenario_files.h: $(SCENARIO_FILES) tools/scenarios.mk
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)for f in $(SCENARIO_FILES); do \
		printf '{ "%s",\n' "$$(basename $$f .lua)"; \
		sed 's/[\\"]/\\&/g; s/	/\\t/g; s/.*/"&\\n"/' $$f; \
		echo '},'; \
	done > $@
