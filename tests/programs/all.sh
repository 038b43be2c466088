#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in a guest's userland: each of $PROGRAMS; $MARK comes after its name. What
# it says is read by tests/programs/run.

# shellcheck source=tests/guest/kit.sh
. ./kit.sh

insmod /lib/cowscope/cowscope.ko || { echo "Bail out! insmod"; exit 1; }
# Tells the module the rule, so no recording has the experiment in it.
cowscope status > /dev/null || { echo "Bail out! cowscope status"; exit 1; }
for program in $PROGRAMS; do
	part "$program$MARK" "./$program"
done
rmmod cowscope || { echo "Bail out! rmmod"; exit 1; }
