#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in a guest: loads the module, uses it, unloads it, $CYCLES times, while
# processes fault and fork. Nothing may be left, nothing said.

# shellcheck source=tests/guest/kit.sh
. ./kit.sh

cycles=${1:-${CYCLES:-50}}
module=/lib/cowscope/cowscope.ko
pins=/sys/kernel/debug/cowscope/pins
# In turn, one a cycle: those that the load does not disturb.
programs="pin_life device_rules ioctl_rules"
checks=0
failed=0

ok() {
	checks=$((checks + 1))
	echo "ok $checks $*"
}

not_ok() {
	checks=$((checks + 1))
	failed=$((failed + 1))
	echo "not ok $checks $*"
}

less() { # NUMBER LIMIT WHAT
	if [ "$1" -lt "$2" ]; then
		ok "$3"
	else
		not_ok "$3: $1 is not less than $2"
	fi
}

# What the log has to say beyond the module's own line when it is loaded.
complaints() {
	dmesg -c | awk -f theirs.awk | grep -vE 'cowscope: .*(rule|loading out-of-tree|module verification)|drop_caches|hrtimer: interrupt took|used greatest stack depth|clocksource|tsc: ' |
		sed 's/^/# /'
}

start_load() {
	./load >/tmp/load &
	load=$!
}

end_load() {
	kill "$load"
	if wait "$load"; then
		ok "the load read what it wrote"
	else
		not_ok "the load read what it wrote"
	fi
	cat /tmp/load
}

# The programs say what failed; here it matters only whether.
program() { # CYCLE
	# shellcheck disable=SC2086
	set -- "$1" $programs
	shift $((1 + $1 % $(($# - 1))))
	"./$1" >/tmp/out && return
	not_ok "cycle $i: $1"
	grep -E -A3 '^(not ok|Bail)' /tmp/out | sed 's/^/# /'
}

# One of each kind that needs the module only: all of them would take minutes. No
# race: while it waits for a processor the load may overwrite what it has to check.
scenarios() {
	command -v cowscope >/dev/null || return
	cowscope run --ktap control.get_ro clear_refs.get_ro uffd_wp.pin_ro mprotect.pin_rw_longterm \
		fork_after.pin_ro fork_exit.vmsplice zygote.get_ro speculative.fork_exit \
		mirror_fork.mirror_get mirror_clear_refs.mirror_keep \
		>/tmp/out 2>&1
	case $? in
	0 | 4) ;;
	*)
		not_ok "cycle $i: cowscope run"
		grep -vE '^ *ok ' /tmp/out | sed 's/^/# /'
		cowscope status | sed -n 's/^rule/# rule/p'
		;;
	esac
}

cycle() {
	if ! insmod $module; then
		not_ok "cycle $i: insmod"
		return
	fi
	# Tells the module the rule, which the programs ask for.
	! command -v cowscope >/dev/null || cowscope status >/dev/null
	program "$i"
	scenarios
	lines=$(wc -l <$pins)
	[ "$lines" = 1 ] || not_ok "cycle $i: pins has $lines lines"
	if ! rmmod cowscope; then
		not_ok "cycle $i: rmmod"
		return
	fi
	pinned=$(foll_pins)
	[ "$pinned" = 0 ] || not_ok "cycle $i: $pinned pins are left"
	said=$(complaints)
	if [ -n "$said" ]; then
		not_ok "cycle $i: the log is silent"
		echo "$said"
	fi
}

echo "# begin cycle"
command -v cowscope >/dev/null || echo "ok $((checks += 1)) cowscope run # SKIP no cowscope command"
dmesg -c >/dev/null
start_load
i=0
while [ $i -lt "$cycles" ]; do
	i=$((i + 1))
	before=$failed
	cycle
	[ $before != $failed ] || ok "cycle $i"
	# The first ones make what stays: names of slabs, caches of the kernel's own.
	if [ $i = 4 ] && [ "$cycles" -gt 4 ]; then
		end_load
		settle
		vmalloc=$(vmalloc)
		slab=$(slab)
		start_load
	fi
done
end_load

grep cowscope /proc/vmallocinfo /proc/modules >/tmp/out
less "$(wc -l </tmp/out)" 1 "nothing of it is in /proc/vmallocinfo"
if [ "$cycles" -gt 4 ]; then
	settle
	grown=$(($(vmalloc) - vmalloc))
	echo "# vmalloc $vmalloc kB and $grown more, slabs $slab kB and $(($(slab) - slab)) more"
	# A page or two a cycle is a leak; a ring or a table of it is far more.
	less $grown $(((cycles - 4) * 8 + 128)) "vmalloc has not grown"
	if [ -e /sys/kernel/debug/kmemleak ]; then
		echo "ok $((checks += 1)) the slabs have not grown # SKIP records of blocks that were freed are in them; kmemleak looks"
	else
		less $(($(slab) - slab)) $(((cycles - 4) * 8 + 512)) "the slabs have not grown"
	fi
fi
echo "1..$checks"
echo "# end cycle $((failed != 0))"
