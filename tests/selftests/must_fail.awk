# SPDX-License-Identifier: GPL-2.0
#
# Which cases of `cow` fail on a kernel, from what that kernel does. Reads cases as
# cases.awk writes them and prints the names of those that must fail and are not
# skipped. Variables: rule (of cowscope), unshares_files (does a longterm pin for
# reading copy a page of a private file mapping first?).

BEGIN { FS = "\t" }

# How the page is mapped when it is written to.
function pmd() { return memory ~ /^THP / }
function hugetlb() { return memory ~ /^hugetlb / }
function swapped() { return memory ~ /^(swapped|single PTE of swapped)/ }
function pte() { return !pmd() && !hugetlb() }

function must_fail() {
	# "mm/gup: reliable R/O long-term pinning in COW mappings", 6.2
	if (what ~ /^R\/O longterm GUP(-fast)? pin$/)
		return !unshares_files
	if (rule != "page_count")
		return 0
	# That rule is for PTEs of present pages. PMDs, hugetlb pages and what is
	# swapped in go by mapcount: what a child holds and does not map leaks to it.
	# (For hugetlb the test itself expects that.)
	if (what ~ /^vmsplice\(\) \+ unmap in child/)
		return pmd() || swapped()
	if (what ~ /^vmsplice\(\)/)
		return pmd()
	# Nothing unshares a page before it is pinned: the first write copies it.
	if (what ~ /^R\/O GUP(-fast)? pin on R\/O-mapped shared/)
		return 1
	# And where the rule is page_count, the pin itself makes the write copy.
	if (what ~ /^R\/O-mapping a page registered|^R\/O GUP/)
		return pte()
	# "hugetlb: do early cow when page pinned on src mm", 5.12
	if (what ~ /^fork\(\) with an iouring/)
		return hugetlb()
	return 0
}

$1 == "pass" || $1 == "fail" {
	n = split($2, part, / \.\.\. with /)
	what = part[1]
	memory = part[2]
	if (must_fail())
		print $2
}
