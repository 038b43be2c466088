# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
# What the tests that are shell scripts share: one line a check, as KTAP has it.

n=0 failed=0

part() { # NAME COMMAND...: its lines between two marks, for report.awk
	name=$1
	shift
	echo "# begin $name"
	"$@"
	echo "# end $name $?"
}

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

until_true() { # COMMAND...: for at most 60 s, then the script ends
	i=0
	until "$@" > /dev/null 2>&1; do
		i=$((i + 1))
		[ $i -lt 600 ] || { echo "Bail out! in vain: $*"; exit 1; }
		sleep 0.1
	done
}

unload() { # the module, after its last word on what it has counted
	check "all is accounted for" 0 /root/balance "$@"
	check "rmmod" 0 rmmod cowscope
}

# value_in FILE NAME: as the kernel tells it
value_in() { sed -n "s/^$2:* *\([0-9]*\).*/\1/p" "$1"; }

# What the kernel keeps, in kB.
vmalloc() { value_in /proc/meminfo VmallocUsed; }
slab() { value_in /proc/meminfo SUnreclaim; }

settle() { # before that is looked at
	sync
	echo 3 > /proc/sys/vm/drop_caches
	sleep 1
}

foll_pins() { # that the kernel counts, of all processes
	echo 1 > /proc/sys/vm/stat_refresh
	echo $(($(value_in /proc/vmstat nr_foll_pin_acquired) - $(value_in /proc/vmstat nr_foll_pin_released)))
}

include() { # FILE: the checks of a program, as if they were made here
	while read -r line; do
		case $line in
		"ok "* | "not ok "*)
			n=$((n + 1))
			echo "${line%%ok *}ok $n ${line#*ok * }"
			;;
		"#"* | "Bail out!"*) echo "$line" ;;
		esac
		case $line in "not ok "* | "Bail out!"*) failed=1 ;; esac
	done < "$1"
	grep -q '^1\.\.' "$1" || failed=1
}

finish() { # the plan and the exit status
	echo "1..$n"
	exit $failed
}
