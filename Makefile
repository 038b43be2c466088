# SPDX-License-Identifier: GPL-2.0
# The module is built by Kbuild, the command here.

KDIR	?= /lib/modules/$(shell uname -r)/build
DESTDIR	?=
PREFIX	?= /usr/local
BINDIR	?= $(PREFIX)/sbin
DATADIR	?= $(PREFIX)/share
MANDIR	?= $(DATADIR)/man
COMPDIR	?= $(DATADIR)/bash-completion/completions

CC	?= gcc
CFLAGS	?= -O2 -g
WARN	:= -Wall -Wextra -Wshadow -Wno-unused-parameter -Werror
B	?= build

# quiet unless V=1
Q	:= $(if $(filter 1,$(V)),,@)
say	= $(if $(Q),@printf '  %-7s %s\n' '$(1)' '$(patsubst $(CURDIR)/%,%,$(2))')

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

##@ Build
all: module cowscope ## the module for the running kernel and the command

module: ## the module: cowscope.ko, for KDIR=/path/to/headers if given
	@test -e $(KDIR)/Makefile || { \
		echo "no kernel headers in $(KDIR): apt-get install linux-headers-$$(uname -r)," \
		     "or give KDIR=/lib/modules/RELEASE/build" >&2; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

cowscope: $(B)/cowscope ## the command: build/cowscope

static: $(B)/static/cowscope ## the command, statically linked: build/static/cowscope

# Sources of the command; scenarios.mk may add to them and to LIBS.
SRCS	:= $(wildcard tools/*.c) module/format.c module/match.c module/rules.c module/words.c
LIBS	:= json-c lua5.4 liburing
GENERATED := $(B)/kernels.h
-include tools/scenarios.mk

CPPFLAGS += -D_GNU_SOURCE -Iuapi -Itools -Imodule -I$(B)
OBJS	:= $(SRCS:%.c=$(B)/%.o)
PACKAGES := libjson-c-dev liblua5.4-dev liburing-dev pkg-config

# asked once, and only when something is built
lib-cflags = $(eval lib-cflags := $$(shell pkg-config --cflags $(LIBS)))$(lib-cflags)

need-libs: FORCE
	@pkg-config --exists $(LIBS) || { \
		echo "a library is missing: apt-get install $(PACKAGES)" >&2; exit 1; }

$(B)/cowscope: $(OBJS)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $$(pkg-config --libs $(LIBS))

# liblua asks for dlopen() and the user database, which scenarios do not use
$(B)/static/cowscope: $(OBJS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -static -o $@ $^ $$(pkg-config --static --libs $(LIBS))

$(B)/%.o: %.c $(GENERATED) | need-libs
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARN) $(lib-cflags) -MMD -MP -c -o $@ $<

# The series of tests/kernels that one can install, for error texts.
$(B)/kernels.h: tests/kernels
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)awk '$$1 !~ /^#/ && NF == 4 && $$4 != "linux-source" { printf "%s\"%s\"", n++ ? ", " : "#define COWSCOPE_KERNELS ", $$1 } \
		END { print "" }' $< > $@

##@ Test
unit: $(B)/kernels.h ## unit tests, plainly and with the address and undefined sanitizers
	$(Q)$(MAKE) --no-print-directory -f tests/unit/Makefile B=$(B)

check: ## everything: unit tests, then guest tests and real programs on every kernel
	./check

check-debug: ## guest tests on kernels that complain more: KASAN, lockdep, kmemleak, KCSAN
	tests/guest/run debug

stress: ## load and hostile calls, on every kernel that Debian builds: doc/stress.md
	tests/stress/run --table all

demo: ## what a lost pin looks like, on three kernels
	./demo

matrix: ## every scenario on every kernel: doc/matrix.md, build/matrix/matrix.html
	tests/matrix/run --doc all

bench: ## what it costs, and what other tools cost, on every kernel: doc/bench
	bench/run

style: ## checkpatch over all sources
	$(Q)tests/style

##@ Install
install: cowscope ## the command with its man page, completion and scenarios
	install -D -m 755 $(B)/cowscope $(DESTDIR)$(BINDIR)/cowscope
	install -D -m 644 man/cowscope.8 $(DESTDIR)$(MANDIR)/man8/cowscope.8
	install -D -m 644 completion/cowscope $(DESTDIR)$(COMPDIR)/cowscope
	install -d $(DESTDIR)$(DATADIR)/cowscope/scenarios
	install -m 644 $(SCENARIO_FILES) $(DESTDIR)$(DATADIR)/cowscope/scenarios

modules_install: module ## the module of this kernel only; dkms does it for all to come
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules_install

uninstall: ## what install put there
	rm -f $(DESTDIR)$(BINDIR)/cowscope $(DESTDIR)$(MANDIR)/man8/cowscope.8
	rm -f $(DESTDIR)$(COMPDIR)/cowscope
	rm -rf $(DESTDIR)$(DATADIR)/cowscope

##@ Other
clean: ## what was built
	rm -rf $(B)
	$(if $(wildcard $(KDIR)/Makefile),$(MAKE) -C $(KDIR) M=$(CURDIR) clean)

help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { print "\n" substr($$0, 5) } \
		/^[a-z_-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

FORCE:
.PHONY: all module cowscope static unit check check-debug stress demo matrix bench style install modules_install uninstall clean
.PHONY: help need-libs FORCE

-include $(OBJS:.o=.d)
