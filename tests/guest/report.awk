# SPDX-License-Identifier: GPL-2.0
#
# What a guest said, as one line a part: KTAP for people and for ./check. What
# failed or was skipped follows in full. The last line is for tests/guest/run:
# "totals PASSED FAILED SKIPPED NEXT".
#
# Variables: kernel, first (number of the first line), parts (those expected),
# status (of the guest), said (a file with what the harness said)

function begin(name) {
	part = name
	checks = good = bad = skips = 0
	plan = -1
	details = ""
	noted = 0
	before = ""
}

function detail(line) {
	details = details "#   " line "\n"
}

function verdict(well, name, what) {
	printf "%s %d %s.%s%s\n", well ? "ok" : "not ok", first++, kernel, name, what
}

function end(code) {
	seen[part] = 1
	if (plan < 0 && !bad)
		detail("it did not get to its end")
	else if (plan != checks && !bad)
		detail("it planned " plan " checks and made " checks)
	else if (code != 0 && code != 4 && !bad)
		detail("exit status " code)
	well = !bad && plan == checks && (code == 0 || code == 4)
	if (!well && !bad)
		bad = 1
	verdict(well, part, sprintf(" - %d checks%s", checks,
				    skips ? ", " skips " of them skipped" : ""))
	printf "%s", details
	passed += good
	failed += bad
	skipped += skips
	part = ""
}

/^# begin / { begin($3); next }
/^# end / && part == $3 { end($4); next }
part == "" { next }
/^1\.\.[0-9]+/ {
	plan = substr($1, 4) + 0
	if (/# SKIP/) {
		print "# " kernel "." part ": " substr($0, index($0, "# SKIP"))
		skips++
		checks = plan
	}
	next
}
/^ok .*# SKIP/ {
	checks++
	skips++
	line = $0
	sub(/^ok [0-9]+ /, "", line)
	print "# " kernel "." part ": " line
	noted = 0
	before = ""
	next
}
/^ok / { checks++; good++; noted = 0; before = ""; next }
/^not ok / { checks++; bad++; details = details before; detail($0); noted = 1; before = ""; next }
/^Bail out!/ { bad++; details = details before; detail($0); next }
/^#/ && noted { detail($0); next }
# Kept in case that the next check fails.
/^#/ { before = before "#   " $0 "\n" }

END {
	if (part != "")
		end("none")
	while ((getline line < said) > 0)
		if (line ~ /: ignored: /)
			print "# " kernel ": " line
	close(said)
	n = split(parts, expected, " ")
	missing = ""
	for (i = 1; i <= n; i++)
		if (!(expected[i] in seen))
			missing = missing " " expected[i]
	if (missing != "" || status != 0) {
		verdict(0, "guest", " - exit status " status (missing != "" ? ", without" missing : ""))
		while ((getline line < said) > 0)
			print "#   " line
		failed++
	}
	printf "totals %d %d %d %d\n", passed, failed, skipped, first
}
