#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in a guest whose kernel is built to complain: $SCRIPT, and then what such a
# kernel only says when it is asked.

kmemleak=/sys/kernel/debug/kmemleak
kcsan=/sys/kernel/debug/kcsan
# shellcheck source=tests/guest/kit.sh
. ./kit.sh

# What is younger than 5 seconds is not looked at, and what nothing points to is
# only reported if it has not changed since the scan before.
scan() {
	sleep 6
	echo scan >$kmemleak && echo scan >$kmemleak
}

say_leaks() {
	# It cannot scan any more if it ran out of memory itself.
	scan >out 2>&1 && cat $kmemleak >out && [ ! -s out ]
	ok $? "no memory is left that nothing points to"
	# It stops for good at its first complaint, or when it has no room left.
	grep debug_locks /proc/lockdep_stats >out
	grep -q ' 1$' out
	ok $? "lockdep has watched to the end"
	if [ -e $kcsan ]; then
		cp $kcsan out
		grep -q '^setup_watchpoints: [1-9]' out
		ok $? "KCSAN has watched"
	fi
	echo "1..$n"
	return $failed
}

# Without CONFIG_KCSAN_EARLY_ENABLE it waits for that.
[ ! -e $kcsan ] || echo on >$kcsan
scan
cat $kmemleak
echo clear >$kmemleak
"./$SCRIPT"
part leaks say_leaks
