# SPDX-License-Identifier: GPL-2.0
#
# Why copies of a real program are maybe_lost or superfluous. Reads the kernel's own
# trace (sums.trace), then the records, and prints each fault that has none of these
# reasons:
#
#   maybe_lost   another process drops the page at that moment: it unmaps memory,
#                or its write fault on the same folio is under way, and it gives the
#                reference back only after the mapping, or splits the PMD, and takes
#                the references of all pages before it maps them; or somebody has locked the
#                folio, and has a reference for that (khugepaged, compaction); or it
#                is a page of a file, which whoever reads or maps the file looks up;
#                or it was held when it was write-protected, and a record says so; or
#                the write comes
#                through ptrace, which leaves the page in the LRU cache that activates
#                pages (FOLL_TOUCH), and that keeps a reference; or an LRU cache is
#                emptied elsewhere: it drops its references when all its pages are
#                on their lists; or it is a page of a
#                thread named in the variable `direct`, which uses O_DIRECT
#   superfluous  a large folio, whose references are those of all its mappings; or
#                a page on no LRU list, which an LRU cache still holds
#
# Processes of other names than those in the variable `names` (a shell and what it
# starts, of which nothing is known) may have none. Last it prints a line
# "# REASON: COUNT" for each that was met.

function hex(text,    n, i) {
	n = 0
	for (i = 3; i <= length(text); i++)
		n = 16 * n + index("0123456789abcdef", substr(text, i, 1)) - 1
	return n
}

# The value of KEY in the record that is $0; pfn and pte may change: the first one.
function value(key,    rest) {
	rest = substr($0, index($0, " " key "=") + length(key) + 2)
	sub(/ .*/, "", rest)
	sub(/->.*/, "", rest)
	return rest
}

function name_of(text) {
	sub(/-[0-9]+$/, "", text)
	return text
}

function pid_of(text) {
	sub(/.*-/, "", text)
	return text + 0
}

# Seconds, as both sources have them: both are right to a microsecond.
function overlap(from, to, other_from, other_to) {
	return other_from <= to + 2e-6 && from <= other_to + 2e-6
}

# PID has done at TIME what it began at since[WHAT, PID].
function span(what, pid, time,    i) {
	if (!((what, pid) in since))
		return
	i = ++spans[what]
	span_pid[what, i] = pid
	span_from[what, i] = since[what, pid]
	span_to[what, i] = time
}

# Whether another process than PID did WHAT at some time between FROM and TO.
function meanwhile(what, pid, from, to,    i) {
	for (i = 1; i <= spans[what]; i++)
		if (span_pid[what, i] != pid && overlap(from, to, span_from[what, i], span_to[what, i]))
			return 1
	return 0
}

FILENAME ~ /trace$/ {
	if (!match($0, / [0-9]+[.][0-9]+: /))
		next
	time = substr($0, RSTART + 1) + 0
	match($0, /-[0-9]+ +\[/)
	pid = substr($0, RSTART + 1) + 0
	if (/ guest_unmap: /)
		since["unmap", pid] = time
	else if (/ guest_lru: /)
		since["lru", pid] = time
	else if (/ guest_unmapped: /)
		span("unmap", pid, time)
	else if (/ guest_lru_done: /)
		span("lru", pid, time)
	next
}

$4 == "wrprotect:" { held[value("addr"), value("pfn")] = 1 }
$4 != "cow_fault:" { next }
/ decision=(copy|unshare|raced|split) / {
	pfn = hex(value("pfn"))
	group = int(pfn / 512)
	i = ++copies[group]
	to = $3 + 0
	copy_pid[group, i] = pid_of($1)
	copy_to[group, i] = to
	copy_from[group, i] = to - value("ns") / 1e9
	copy_pfn[group, i] = pfn
}
/ verdict=(maybe_lost|superfluous) / { doubt[++doubts] = $0 }

END {
	for (d = 1; d <= doubts; d++) {
		$0 = doubt[d]
		pid = pid_of($1)
		pfn = hex(value("pfn"))
		order = value("order")
		to = $3 + 0
		from = to - value("ns") / 1e9
		why = ""
		if (value("verdict") == "superfluous") {
			if (order > 0)
				why = "superfluous: a large folio"
			else if (("," value("page_flags") ",") !~ /,lru,/)
				why = "superfluous: on no LRU list"
		} else if (value("kind") ~ /^(file|shmem)$/) {
			why = "maybe_lost: a page of a file"
		} else if ((value("addr"), value("pfn")) in held) {
			why = "maybe_lost: held when it was write-protected"
		} else if (value("page_flags") ~ /remote/) {
			why = "maybe_lost: written through ptrace"
		} else if (("," value("page_flags") ",") ~ /,locked,/) {
			why = "maybe_lost: somebody has locked the folio"
		} else {
			if (meanwhile("unmap", pid, from, to))
				why = "maybe_lost: another process unmaps"
			group = int(pfn / 512)
			for (i = 1; i <= copies[group] && why == ""; i++)
				if (copy_pid[group, i] != pid &&
				    int(copy_pfn[group, i] / 2 ^ order) == int(pfn / 2 ^ order) &&
				    overlap(from, to, copy_from[group, i], copy_to[group, i]))
					why = "maybe_lost: another fault on the folio"
			if (why == "" && ("," value("page_flags") ",") ~ /,lru,/ &&
			    meanwhile("lru", pid, from, to))
				why = "maybe_lost: an LRU cache is emptied"
			if (why == "" && index(" " direct " ", " " pid " "))
				why = "maybe_lost: O_DIRECT is under way"
		}
		if (why == "" && name_of($1) !~ "^(" names ")$")
			why = value("verdict") ": not known, of " name_of($1)
		if (why == "")
			print
		else
			met[why]++
	}
	for (why in met)
		print "# " why ": " met[why]
}
