# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
# What the parts share.

# shellcheck source=tests/guest/kit.sh
. ./kit.sh

debug=/sys/kernel/debug/cowscope
share=$((LENGTH / 12 + 1))	# seconds for a part; the stressors have more

bail() {
	echo "Bail out! $*"
	exit 1
}

# The command tells the module the rule, so no reader makes the experiment.
load_module() { # [PARAMETER]...
	insmod /lib/cowscope/cowscope.ko "$@" 2> out || bail "insmod $*: $(cat out)"
	cowscope status > out 2>&1 || bail "cowscope status: $(cat out)"
}

# What the module has counted, as the columns of doc/stress.md: write faults on pages
# present, records, events that a filter left out before or after the call, and events
# that could not be followed or written.
sums='{ split($1, name, ".") }
	name[1] ~ /^cow_fault(_pmd|_hugetlb)?$/ && name[2] ~ /^(entered|missed)$/ { faults += $2 }
	name[1] == "recorded" { recorded += $2 }
	name[2] == "filtered" || name[1] == "unrecorded" { filtered += $2 }
	name[2] == "missed" || name[2] == "skipped" || $1 == "ring.dropped" { missed += $2 }
	END { print faults + 0, recorded + 0, filtered + 0, missed + 0 }'
add_counts() { busybox awk "$sums" $debug/stats >> counts; }

end_module() { # [cut_off]
	add_counts
	unload "$@"
}

# One line of doc/stress.md, for tests/stress/run: of all modules since the last one.
# Lost is what readers say that they did not get; - if there were none.
table() { # WHAT TRIES COMMAND
	busybox awk -v what="$1" -v tries="$2" -v lost="${total_lost:--}" -v command="$3" '
		{ for (i = 1; i <= 4; i++) sum[i] += $i }
		END {
			printf "# table | %s | %s |", what, tries
			for (i = 1; i <= 4; i++) printf " %d |", sum[i]
			printf " %s | `%s` |\n", lost, command
		}' counts
	rm counts
	total_lost=
}

counter() { # NAME
	sed -n "s/^$1 //p" $debug/stats
}

# wait_for N: until so many records more are written.
# shellcheck disable=SC2317
has_written() { [ "$(counter ring.written)" -ge "$1" ]; }
wait_for() {
	until_true has_written $(($(counter ring.written) + $1))
}

begin_time() { end=$(($(date +%s) + ${1:-$share})); }
goes_on() { [ "$(date +%s)" -lt $end ]; }

# Two of them; on other processors, if there are as many.
begin_load() { # [nice]
	"$@" ./load > load1 &
	load1=$!
	"$@" ./load > load2 &
	load2=$!
}

end_load() {
	kill $load1 $load2
	wait $load1 && wait $load2
	status=$?
	cat load1 load2 > out
	ok $status "the load read what it wrote"
}

# What the kernel's log has beyond what it says of any module and processor, and of
# what stress-ng does.
silent() {
	dmesg -c | grep -vE 'stress-ng|comm: hostile, (bytes: |no enough memory)|used greatest stack depth|hrtimer: interrupt took|RT throttling|cowscope: .*(rule|cannot be probed|no recording|loading out-of-tree|module verification)|smpboot:|drop_caches|clocksource|tsc: |IRQ|numa_|microcode|x86: |kvm-clock|masked|CPU [0-9] is now offline|Booting Node' > out
	[ ! -s out ]
	ok $? "the kernel's log is silent"
}

# For busybox's awk, which waits for no more than there is: lines that are records,
# and "# lost N records" of trace_pipe.
count='/^# lost / { lost += $3; next }
	{ n++ }
	/ mark: .*the beginning/ { print > begun; close(begun) }
	/ mark: .*the end/ { exit }
	END { print n + 0, lost + 0 }'

# Two readers that follow: the command, by the mapped rings, and debugfs
# trace_pipe. `cowscope trace -f` begins with the oldest record that there is,
# trace_pipe with the next one.
begin_readers() {
	rm -f lines tracer_begun pipe_begun
	mkfifo lines
	oldest=$(counter ring.overwritten)
	next=$(counter ring.written)
	busybox awk -v begun=tracer_begun "$count" < lines > tracer_read &
	tracer_lines=$!
	cowscope trace -f > lines 2> tracer_said &
	tracer=$!
	exec 5< $debug/trace_pipe
	busybox awk -v begun=pipe_begun "$count" <&5 > pipe_read &
	piper=$!
	exec 5<&-
	./control mark "the beginning"
	until_true [ -e tracer_begun ]
	until_true [ -e pipe_begun ]
}

# Recording ends before the readers do, so all that is written is theirs to tell of.
end_readers() {
	./control off
	./control mark "the end"
	written=$(counter ring.written)
	wait $tracer_lines
	kill $tracer
	wait $tracer
	wait $piper
	read -r shown _ < tracer_read
	lost=$(sed -n 's/.* lost \([0-9]*\) records.*/\1/p' tracer_said)
	told "trace -f" $((written - oldest))
	read -r shown lost < pipe_read
	told trace_pipe $((written - next))
}

told() { # WHO RECORDS
	echo "$1: $shown shown, ${lost:-nothing said of} lost, of $2" > out
	sed 's/^/# /' out
	[ $((shown + ${lost:-0})) -eq "$2" ] && [ -n "$lost" ]
	ok $? "$1: what it shows and what it says is lost is all that was written"
	total_lost=$((${total_lost:-0} + ${lost:-0}))
}

total() { # KEY: of the report's total
	sed -n "/\"report\": *\"total\"/s/.*\"$1\": *\([0-9]*\).*/\1/p" report
}

# recorded NAME COMMAND...: under `cowscope record`, on a module that is switched
# off. record sets its filter, takes its place at the heads of the rings, and then
# switches recording on; it ends with a last look at the rings after its command
# has ended, and then switches it off. So what is written between is in the file
# or lost, as long as nobody whom it follows lives on: its children, and theirs.
recorded() {
	name=$1
	shift
	before=$(counter ring.written)
	dropped=$(counter ring.dropped)
	cowscope record -o recording -- "$@" > said 2>&1
	status=$?
	# stress-ng calls it a failure, too, if it had no time or the kernel lacks something;
	# status 1 is an option that it does not take.
	[ $status -eq 0 ] || echo "# $name: ends with status $status"
	cp said out
	# Its io_uring asks for a file that it has removed.
	[ $status -ne 1 ] && [ $status -le 4 ] && ! grep 'stress-ng: fail:' said | grep -qv IORING_OP_STATX
	ok $? "$name: it runs to its end, and finds nothing wrong"
	grown=$(($(counter ring.written) - before))
	cowscope --json report recording > report 2> out
	ok $? "$name: the recording can be read"
	total_lost=$((${total_lost:-0} + $(total lost)))
	cowscope trace recording 2> out | wc -l > counted
	echo "$grown written, $(total records) in the file, $(cat counted) lines of it, $(total lost) lost," \
		"$(total missed) missed" > out
	sed "s/^/# $name: /" out
	grep 'still running' said >> out
	[ "$grown" -gt 0 ] && [ "$(cat counted)" = "$(total records)" ] &&
		[ "$grown" -eq $(($(total records) + $(total lost))) ] && [ "$(counter ring.dropped)" = "$dropped" ]
	ok $? "$name: each record is in the file or counted as lost"
	echo "$(total mispredicted) decisions differ from the prediction" > out
	[ "$(total mispredicted)" = 0 ]
	ok $? "$name: no decision differs from the prediction without a race"
	grep -E '^(predicted.raced|predicted.wrong|ring.dropped) ' $debug/stats | sed "s/^/# $name: so far /"
}
