# SPDX-License-Identifier: GPL-2.0
#
# What a selftest said, one line a case: result, name and why it was skipped, with
# tabs between them. Up to 6.12 the result's line has a text of its own, so the name
# is that of the line before.

/^# \[RUN\] / { name = substr($0, 9) }
/^(not )?ok [0-9]+ / {
	result = /^not/ ? "fail" : "pass"
	why = ""
	if (match($0, /# (SKIP|XFAIL)/)) {
		result = tolower(substr($0, RSTART + 2, RLENGTH - 2))
		why = substr($0, RSTART + RLENGTH + 1)
	}
	# 6.12 has no name but the text: "ok 1 # SKIP", "ok 1 ioctl status 0".
	print result "\t" (name == "" ? $0 : name) "\t" why
}
