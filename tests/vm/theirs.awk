# SPDX-License-Identifier: GPL-2.0
#
# A kernel's log without what is no complaint about cowscope. How much of it there
# was is written to the file `notes`, if one is named, a line for each kind:
#
# - data races that KCSAN saw among the kernel's own functions;
# - those of the kernel's clock for tracers, whoever reads it: it is read while it is set,
#   from one of two copies ("Fast and NMI safe access to clock monotonic" in
#   kernel/time/timekeeping.c), which KCSAN is told of only from "kcsan, seqlock:
#   Support seqcount_latch_t", 6.13, on;
# - what a kernel with CONFIG_DEBUG_VM says of each get_user_pages() that meets a
#   userfault it may not wait for, which is what PIN and MIRROR do there.

!inside && /BUG: KCSAN: data-race in .*ktime_get_mono_fast_ns/ && !/\[cowscope\]/ {
	inside = "data races of the clock for tracers"
	last = "=========="
	known = 1
}
!inside && /BUG: KCSAN: / { inside = "data races without cowscope"; last = "==========" }
!inside && /FAULT_FLAG_ALLOW_RETRY missing/ { inside = "userfaults that PIN did not wait for"; last = "</TASK>" }
!inside { print; next }
{ report = report $0 "\n" }
/\[cowscope\]/ && !known { ours = 1 }
index($0, last) {
	if (ours && last != "</TASK>")
		printf "%s", report
	else
		ignored[inside]++
	inside = report = ours = known = ""
}

END {
	printf "%s", report
	if (notes)
		for (kind in ignored)
			print ignored[kind], kind >notes
}
