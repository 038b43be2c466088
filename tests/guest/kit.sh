# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
# What the tests that are shell scripts share: one line a check, as KTAP has it.

n=0 failed=0

ok() { # STATUS WHAT; what was seen is in the file `out`
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n $2"
	else
		echo "not ok $n $2"
		sed 's/^/# /' out
		failed=1
	fi
}

check() { # WHAT STATUS COMMAND...: the command ends so; its output is in `out`
	what=$1 status=$2
	shift 2
	"$@" > out 2>&1
	got=$?
	[ $got -eq "$status" ] || echo "status $got, not $status" >> out
	[ $got -eq "$status" ]
	ok $? "$what"
}

says() { # WHAT TEXT: in the output of the last check
	grep -qF -- "$2" out
	ok $? "$1"
}

unload() { # the module, after its last word on what it has counted
	check "all is accounted for" 0 /root/balance "$@"
	check "rmmod" 0 rmmod cowscope
}

finish() { # the plan and the exit status
	echo "1..$n"
	exit $failed
}
