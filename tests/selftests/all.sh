#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in a guest: the kernel's own selftests, without the module and with it. What
# it says is read by tests/selftests/run.

# shellcheck source=tests/guest/kit.sh
. ./kit.sh

file=/sys/kernel/debug/gup_test
lacking="gup_test not available"
selftests=$PWD

# They leave files where they are; what they make is to be on tmpfs.
mkdir /tmp/selftests
cp kit.sh ./*.awk /tmp/selftests
cd /tmp/selftests || exit 1

# Each part is a process of its own, as finish() ends it.

# selftest NAME MODULE COMMAND...: runs it; its cases are in NAME.MODULE.
selftest() {
	name=$1.$2
	program=$1 module=$2
	shift 2
	"$@" > said 2>&1
	status=$?
	awk -f "$selftests/cases.awk" said > "$name"
	echo "# cases $program $module $(wc -l < "$name") $(results pass) $(results xfail) $(results fail) \
$(results skip) $(grep -c "$lacking" said)"
}

results() { grep -c "^$1	" "$name"; }

# all_ran: as many cases as it planned. It says so even if the program was killed.
all_ran() {
	cp said out
	grep -qx "1\.\.$(wc -l < "$name")" said
	ok $? "$program: all its cases ran"
}

nothing_held() {
	cat /proc/vmstat /sys/kernel/debug/cowscope/pins > held
	[ "$(grep -c . /sys/kernel/debug/cowscope/pins)" -eq 1 ] &&
		awk '{ v[$1] = $2 } END { exit v["nr_foll_pin_acquired"] != v["nr_foll_pin_released"] }' held
}

# returned: nothing is held any more. io_uring returns its pins some time later.
returned() {
	i=0
	until nothing_held || [ $i -eq 100 ]; do
		i=$((i + 1))
		sleep 0.1
	done
	grep -E 'nr_foll_pin| 0x' held > out
	nothing_held
	ok $? "$1: every pin is returned"
}

without() (
	ls -l $file > out 2>&1
	[ ! -e $file ]
	ok $? "this kernel has no $file"
	selftest cow without "$selftests/cow"
	all_ran
	# Each of them is about pins, and none of the others.
	grep "$lacking" cow.without | grep -v '	R/O .*GUP' > out
	[ ! -s out ] && grep -q "$lacking" cow.without
	ok $? "cow: what needs gup_test is skipped"
	grep -c "$lacking" cow.without > out
	[ "$(cat out)" -eq $need_gup_test ]
	ok $? "cow: that is $need_gup_test cases"
	selftest gup_longterm without "$selftests/gup_longterm"
	cp said out
	[ "$(grep -c "$lacking" said)" -gt 0 ]
	ok $? "gup_longterm: skips for the same reason"
	selftest gup_test without "$selftests/gup_test"
	[ "$(results skip)" -eq 1 ]
	ok $? "gup_test: skips all"
	finish
)

cow() (
	selftest cow with cowscope record -o recording --event pin,pin_lost -- "$selftests/cow"
	all_ran
	grep "$lacking" cow.with > out
	[ ! -s out ]
	ok $? "no case is skipped for lack of gup_test"
	cut -f 2 cow.without > names.without
	cut -f 2 cow.with | diff names.without - > out
	ok $? "the cases are those without the module"
	# Pages of 1 GB; 5.10 and the huge zero page of 6.12 have no MADV_COLLAPSE.
	grep '^skip	' cow.with | grep -vE '	(need more free huge pages|MADV_COLLAPSE failed: Invalid argument)$' > out
	[ ! -s out ]
	ok $? "what is skipped wants huge pages of 1 GB, or MADV_COLLAPSE"
	awk -f "$selftests/must_fail.awk" -v rule="$(cut -d, -f1 /sys/kernel/debug/cowscope/rule)" \
		-v unshares_files=$unshares_files cow.with > must_fail
	sed -n 's/^fail	\([^	]*\)	.*/\1/p' cow.with | diff must_fail - > out
	ok $? "$(wc -l < must_fail) cases fail, those that must by what this kernel does"
	# The file pins once in each of its cases, so they can be told apart.
	cowscope trace recording > records 2> out
	ok $? "the recording can be read"
	awk -F'\t' '$2 ~ /^R\/O (longterm )?GUP/ && $1 != "skip" { print $1 == "fail" ? "lost" : "kept", $2 }' \
		cow.with > cases
	awk '
		match($0, / id=[0-9]+/) { id = substr($0, RSTART + 4, RLENGTH - 4) }
		/ pin: / && / flags=pin,longterm/ { nth[id] = ++pins }
		/ pin_lost: / { lost[nth[id]] = 1 }
		END { for (i = 1; i <= pins; i++) print i in lost ? "lost" : "kept" }' records > pins
	cut -d ' ' -f 1 cases | diff - pins > out
	ok $? "$(wc -l < pins) pins, $(grep -c lost pins) recorded as pin_lost: those whose case fails"
	[ "$(wc -l < pins)" -eq $need_gup_test ]
	ok $? "one for each case that was skipped without the module"
	returned cow
	finish
)

gup_longterm() (
	selftest gup_longterm with "$selftests/gup_longterm"
	all_ran
	grep -E "^fail|$lacking" gup_longterm.with > out
	[ ! -s out ] && [ $status -eq 0 ]
	ok $? "no case fails or is skipped for lack of gup_test"
	returned gup_longterm
	finish
)

gup_test() (
	: > all
	for pages in "" -S "-m 16 -H" "-m 16 -t"; do
		for how in -u -U -a -b -L "-c -p" -c; do
			# shellcheck disable=SC2086
			selftest gup_test with "$selftests/gup_test" -m 4 $how $pages -n 512 -j 2 > line
			cp said out
			[ "$(grep -c '^ok' said)" -eq 2 ] && [ $status -eq 0 ]
			ok $? "gup_test $how $pages: two threads"
			cat gup_test.with >> all
		done
	done
	mv all gup_test.with
	name=gup_test.with
	echo "# cases gup_test with $(wc -l < $name) $(results pass) $(results xfail) $(results fail) $(results skip) 0"
	# As run_vmtests.sh has it.
	dmesg -c > out
	selftest gup_test with "$selftests/gup_test" -ct -F 0x1 0 19 0x1000 > line
	dmesg > out
	[ $status -eq 0 ] && [ "$(grep -c 'page dumped because: cowscope gup_test' out)" -eq 3 ]
	ok $? "gup_test dumps the three pages that are asked for"
	returned gup_test
	finish
)

# serves WORD SENTENCE: so the module and `cowscope status` say.
serves() {
	cat /sys/kernel/debug/cowscope/gup_test > out 2>&1
	[ "$(cat out)" = "$1" ]
	ok $? "it says: $1"
	check "cowscope status" 0 cowscope status
	says "it says: $2" "$2"
}

who_serves() (
	module=/lib/cowscope/cowscope.ko
	serves cowscope "served, so the kernel's own selftests can run"
	check "rmmod" 0 rmmod cowscope
	[ ! -e $file ]
	ok $? "the file is gone"
	check "insmod gup_test=0" 0 insmod $module gup_test=0
	[ ! -e $file ]
	ok $? "no file"
	serves off "not served: the module was given gup_test=0"
	check "rmmod" 0 rmmod cowscope
	# It fails, and leaves a directory.
	insmod "$selftests/taken.ko" > out 2>&1
	[ -d $file ]
	ok $? "somebody else has made it"
	dmesg -c > out
	check "insmod where there is one" 0 insmod $module
	serves kernel "not served: this kernel has its own"
	dmesg > out
	! grep -q "$file\|already present" out
	ok $? "and no complaint"
	check "rmmod" 0 rmmod cowscope
	[ -d $file ]
	ok $? "the other one stays"
	finish
)

# More THP sizes from 6.8 on, so more cases.
need_gup_test=76
[ ! -e /sys/kernel/mm/transparent_hugepage/hugepages-16kB ] || need_gup_test=328
# "mm/gup: reliable R/O long-term pinning in COW mappings", 6.2
unshares_files=1
case $(uname -r) in 5.* | 6.[01].*) unshares_files=0 ;; esac

part without without
insmod /lib/cowscope/cowscope.ko || { echo "Bail out! insmod"; exit 1; }
part cow cow
part gup_longterm gup_longterm
part gup_test gup_test
part who_serves who_serves
