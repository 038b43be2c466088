#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in a guest with two NUMA nodes: NUMA balancing as eager as it can be made.

# set NAME VALUE: a scan parameter, in debugfs from 5.13 on.
set_scan() {
	for file in "/sys/kernel/debug/sched/numa_balancing/$1" \
		"/proc/sys/kernel/numa_balancing_$1"; do
		[ ! -e "$file" ] || echo "$2" >"$file"
	done
}

set_scan scan_delay_ms 10
set_scan scan_period_min_ms 10
set_scan scan_period_max_ms 100
set_scan scan_size_mb 256

insmod /lib/cowscope/cowscope.ko || { echo "Bail out! insmod"; exit 1; }
echo "# begin numa"
./numa
echo "# end numa $?"
# The scenarios that one node lets skip.
echo 1 >/proc/sys/kernel/numa_balancing
echo "# begin two_nodes"
cowscope run --ktap migrate numa
echo "# end two_nodes $?"
rmmod cowscope
