# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Boots many guests and makes one KTAP stream of what they say. To be sourced
# after tests/vm/lib.sh by a script that then defines
#   boot_guest KERNEL PART   runs tests/vm/boot
#   names_of KERNEL PART     what that guest has to report

make_scratch
passed=0 failed=0 skipped=0 number=1

# complaining KERNEL SECONDS SCRIPT: what tests/vm/boot wants for SCRIPT, as `script`
# and `options`. A kernel that complains takes several times as long, and has more to
# say, as parts of its own, when SCRIPT has ended.
complaining() {
	options=(--timeout "$2") script=$3
	is_debug "$1" || return 0
	# They keep shadows and records of memory.
	options=(--timeout $(($2 * 10 / 3)) --mem 3G --add "$3")
	script=$here/../guest/debug.sh
	# A data race is only a warning, and may be the kernel's own.
	[[ $1 == *-kcsan ]] || options+=(--append panic_on_warn=1)
}

# What such a kernel has to report besides.
complaints_of() { ! is_debug "$1" || echo leaks; }

# Its words go to scratch files.
start_guest() {
	boot_guest "$1" "$2" >"$scratch/$1.$2.out" 2>"$scratch/$1.$2.log"
	echo $? >"$scratch/$1.$2.ended"
	mv "$scratch/$1.$2.ended" "$scratch/$1.$2.status"
}

# report_guest KERNEL PART
report_guest() {
	local line name="$scratch/$1.$2"

	while read -r line; do
		if [[ $line == totals* ]]; then
			read -r _ good bad skips number <<<"$line"
			passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + skips))
		else
			echo "$line"
		fi
	done < <(awk -v kernel="$1" -v first="$number" -v parts="$(names_of "$1" "$2")" \
		-v status="$(cat "$name.status")" -v said="$name.log" \
		-f "$here/../guest/report.awk" "$name.out")
}

# As many at a time as there are processors: before 8.1 a guest of QEMU uses one.
start_guests() {
	# shellcheck disable=SC2046
	trap 'kill $(jobs -p) 2>/dev/null' EXIT
	for guest; do
		while [ "$(jobs -pr | wc -l)" -ge "$(nproc)" ]; do
			wait -n
		done
		# shellcheck disable=SC2086
		start_guest $guest &
	done
	wait
}

# run_guests "KERNEL PART"...: in this order; its status is the script's.
run_guests() {
	local guest

	echo "KTAP version 1"
	start_guests "$@" &
	child=$!
	for guest; do
		until [ -e "$scratch/${guest/ /.}.status" ]; do
			kill -0 $child 2>/dev/null || die "ended early"
			sleep 0.2
		done
		# shellcheck disable=SC2086
		report_guest $guest
	done
	child=
	echo "$passed passed, $failed failed, $skipped skipped"
	[ $failed = 0 ] && [ $passed != 0 ]
}
