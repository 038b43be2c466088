-- SPDX-License-Identifier: GPL-2.0
--
-- The zygote leak on hugetlbfs, on every kernel to this day: hugetlb_wp() asks
-- for mappings, for huge pages are too few to copy one on suspicion, and says so
-- itself: "there can still be leaks between processes, for example, with
-- FOLL_GET users". Since 5.19 a pin unshares first and does not leak.

local get = "B reuse leak level=hugetlb refcount=2 mapcount=1"
local own = "A reuse fine level=hugetlb refcount=1 mapcount=1"
-- Whose the pipe is cannot be known; the byte that the child reads tells.
local pipe = "B reuse fine level=hugetlb refcount=2 mapcount=1"
local before = { get_ro = get, pin_ro = get, pin_rw_longterm = own, vmsplice = pipe }

scenario {
	title = "the zygote on a page of hugetlbfs",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = {
		mapcount = before,
		page_count = before,
		exclusive = { get_ro = get, pin_ro = own, pin_rw_longterm = own, vmsplice = pipe },
	},
}

function story(holder)
	local huge = map { huge = "hugetlb" }
	huge:write "A"
	settle()

	local child = fork(function(parent)
		local ref = hold(huge:part(), holder)
		huge:munmap()
		parent:barrier() -- the reference is all that the child has left
		parent:barrier() -- the parent has written
		return ref:read()
	end)
	child:barrier()
	huge:write "B"
	child:barrier()
	return child:wait()
end
