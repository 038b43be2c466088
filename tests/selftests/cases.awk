# SPDX-License-Identifier: GPL-2.0
#
# What a selftest said, one line a case: result, name and why it was skipped, with
# tabs between them. The name is that of the line before, as up to 6.12 the result's
# line has another text; later it is the reason that has a line of its own.

/^# / { before = substr($0, 3) }
/^# \[RUN\] / { name = substr($0, 9); before = "" }
/^(not )?ok [0-9]+ / {
	result = /^not/ ? "fail" : "pass"
	why = ""
	if (match($0, /# (SKIP|XFAIL)/)) {
		result = tolower(substr($0, RSTART + 2, RLENGTH - 2))
		why = substr($0, RSTART + RLENGTH + 1)
		if (why == name)
			why = before
	}
	print result "\t" (name == "" ? $0 : name) "\t" why
}
