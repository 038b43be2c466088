#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in a guest's userland: each of $PARTS, each with a module of its own. What
# it says is read by tests/stress/run. $LENGTH and $LOADS are how long to go on, see there.

# shellcheck source=tests/guest/kit.sh
. ./kit.sh

for part in $PARTS; do
	part "$part" "./$part"
	[ ! -e /dev/cowscope ] || { echo "Bail out! $part leaves the module"; exit 1; }
done
