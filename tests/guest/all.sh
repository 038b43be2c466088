#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in a guest: each program, on a module loaded as it wants it. What it says
# is read by tests/guest/run.

module=/lib/cowscope/cowscope.ko
# shellcheck source=tests/guest/kit.sh
. ./kit.sh

# Whether the counters add up after each part, for a part of its own at the end.
balances=0 unbalanced=0
balance() { # NAME
	[ -e /dev/cowscope ] || return 0
	balances=$((balances + 1))
	cut_off=
	# These switch recording off while calls are under way.
	case $1 in toggle | hostile*) cut_off=cut_off ;; esac
	if ./balance $cut_off >/tmp/why; then
		echo "ok $balances - after $1"
	else
		unbalanced=1
		echo "not ok $balances - after $1"
		sed 's/^/# /' /tmp/why
	fi >>/tmp/balances
}

# tested NAME COMMAND...: a part, and what it left in the counters.
tested() {
	part "$@"
	balance "$1"
}

# built PROGRAM: a part, where it could be built.
built() {
	if [ -e "./$1" ]; then
		tested "$1" "./$1"
	else
		tested "$1" echo "1..0 # SKIP not built: this gcc has no -m32 (package gcc-multilib)"
	fi
}

say_balances() {
	cat /tmp/balances
	echo "1..$balances"
	return $unbalanced
}

# The command tells the module by which rule this kernel decides.
loaded() {
	insmod $module "$@" || { echo "Bail out! insmod $*"; exit 1; }
	cowscope status >/dev/null || { echo "Bail out! cowscope status"; exit 1; }
}

unloaded() {
	rmmod cowscope || { echo "Bail out! rmmod"; exit 1; }
}

# A filesystem that wants to know what is written to its pages.
modprobe brd rd_nr=1 rd_size=16384
mke2fs -F /dev/ram0 >/dev/null
mkdir /tmp/fs
if mount -t ext2 /dev/ram0 /tmp/fs; then
	export TEST_DIR=/tmp/fs
else
	echo "# no filesystem but tmpfs: some checks are skipped"
fi

# Each part's balance shows that no fault was wrongly taken to be like another one.
say_verified() {
	right=$(sed -n 's/^precedent.right //p' /sys/kernel/debug/cowscope/stats)
	[ "$right" -ge 10000 ] || printf 'not '
	echo "ok 1 - $right faults that were taken to be like another one are"
	echo "1..1"
	[ "$right" -ge 10000 ]
}

loaded verify=1
for program in ioctl_rules device_rules ioctl_rules32 device_rules32 pins pin_life mirror ranges \
	soft_dirty wrprotect forks oracle random copies look counts fault_pte fault_pmd fault_hugetlb \
	chain rings filter detect gup_test gup_test32 others; do
	built "$program"
done
tested precedents say_verified
tested toggle ./toggle
built hostile
built hostile32
unloaded

loaded ring_records=64
tested small_ring ./rings
unloaded

loaded maxactive=1
tested lossy ./counts lossy
unloaded

loaded
tested uffd ./uffd
unloaded

# These load it themselves.
for script in told command missing scenarios sweep starved allowed; do
	[ ! -e "./$script" ] || tested $script "./$script"
done

part balance say_balances
