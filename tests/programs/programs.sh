# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
# What the tests of real programs share. Each runs its own story under
# `cowscope record`, and looks at the records afterwards.

# shellcheck source=tests/guest/kit.sh
. ./kit.sh

stop() { # WHY: the story cannot go on
	echo "$*" >&2
	exit 1
}

# recorded: this script with the argument `story`, under record. Then there are
#   log      what it said
#   report   the report as JSON
#   records  the records as text
#   totals   PID CALLS RECORDS: calls of do_wp_page() as the kernel's own
#            tracing counts them, and faults on PTEs in the recording
recorded() {
	rm -f log report records totals recording sums sums.trace
	./agree sums cowscope record -o recording -- "$0" story > log 2>&1
	status=$?
	cp log out
	[ $status -eq 0 ]
	ok $? "the story runs to its end"
	include sums
	cowscope --json report recording > report 2> out && cowscope trace recording > records 2>> out
	ok $? "the recording can be read"
	awk '
		match($0, /-[0-9]+ +\[[0-9]+\]/) {
			pid = substr($0, RSTART + 1) + 0
			if (FILENAME == "records")
				recorded[pid] += / cow_fault: / && / level=pte /
			else if (/ guest_cow_fault: /)
				calls[pid]++
		}
		END { for (pid in recorded) print pid, calls[pid] + 0, recorded[pid] }' \
		sums.trace records | sort -n > totals
	# The first process has a life before the recording: the command's fork.
	awk 'NR > 1 && $2 != $3 || NR == 1 && $2 < $3' totals > out
	[ -s totals ] && [ ! -s out ]
	ok $? "each process has as many records as calls of do_wp_page()"
	cp report out
	[ "$(value total lost)" = 0 ] && [ "$(value total missed)" = 0 ]
	ok $? "no record is lost or missed"
	[ "$(value total mispredicted)" = 0 ]
	ok $? "no decision differs from the prediction"
	sed -n 's/.*"event":"cow_fault".*"decision":\(.*\),"verdict":\(.*\),"count":\(.*\)}/# \1 \2 \3/p' report |
		tr -d '"'
}

value() { # REPORT KEY: of the report's object of that kind
	jq -r "select(.report == \"$1\") | .$2" report
}

faults() { # [PID [DECISION [VERDICT]]]: how many such; "" is any
	grep -c "^[^ ]*-${1:-[0-9]*} .* cow_fault: .* decision=${2:-[a-z]*} .* verdict=${3:-[a-z_]*} " records
}

said() { # NAME: what the story says of it
	sed -n "s/^$1=//p" log
}

# explained NAMES [THREADS]: no fault harmed anybody, and each copy that a process
# of one of these NAMES (a|b) makes is needed or there is a reason. THREADS have
# references of O_DIRECT on their pages.
explained() {
	grep -E ' verdict=(leak|pin_lost|unknown) ' records > out
	[ ! -s out ]
	ok $? "no verdict is leak, pin_lost or unknown"
	awk -v names="$1" -v direct="${2:-}" -f explain.awk sums.trace records > reasons
	grep '^#' reasons
	grep -v '^#' reasons > out
	[ ! -s out ]
	ok $? "each copy that is maybe_lost or superfluous has its reason"
}
