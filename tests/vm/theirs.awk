# SPDX-License-Identifier: GPL-2.0
#
# A kernel's log without what is no complaint about cowscope. How much of it there
# was is written to the file `notes`, if one is named, a line for each kind:
#
# - data races that KCSAN saw among the kernel's own functions;
# - what a kernel with CONFIG_DEBUG_VM says of each get_user_pages() that meets a
#   userfault it may not wait for, which is what PIN and MIRROR do there.

!inside && /BUG: KCSAN: / { inside = "data races without cowscope"; last = "==========" }
!inside && /FAULT_FLAG_ALLOW_RETRY missing/ { inside = "userfaults that PIN did not wait for"; last = "</TASK>" }
!inside { print; next }
{ report = report $0 "\n" }
/\[cowscope\]/ { ours = 1 }
index($0, last) {
	if (ours && last != "</TASK>")
		printf "%s", report
	else
		ignored[inside]++
	inside = report = ours = ""
}

END {
	printf "%s", report
	if (notes)
		for (kind in ignored)
			print ignored[kind], kind >notes
}
