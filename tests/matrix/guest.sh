#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in a guest: all that tests/matrix/run wants to know of one kernel, each
# part between two marks.

# shellcheck source=tests/guest/kit.sh
. ./kit.sh

insmod /lib/cowscope/cowscope.ko || exit
part status cowscope status --json
part list cowscope list --json
part run cowscope run --json
part ktap cowscope run --ktap
part failing_ktap cowscope run --ktap failing.lua
part failing_run cowscope run --json failing.lua
! cowscope help run | grep -q -e --sweep || part sweep cowscope run --sweep --json

# Each scenario with what it expects made wrong in one respect.
for INVERT in saw decision verdict fields events check; do
	export INVERT
	mkdir "$INVERT"
	for scenario in scenarios/*.lua; do
		[ "$INVERT" != check ] || grep -q 'check(' "$scenario" || continue
		cat invert.lua "$scenario" > "$INVERT/${scenario#*/}"
	done
	part "$INVERT" cowscope run --json "$INVERT"/*.lua
done | sed -n -e '/^# /p' -e 's/^\({"scenario":.*,"expected":[^,]*\),"why":.*/\1}/p'
rmmod cowscope
