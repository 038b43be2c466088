-- SPDX-License-Identifier: GPL-2.0
--
-- A reference taken before fork(), on hugetlbfs: hugetlb_wp() goes by mappings on
-- every kernel, so the child that is left alone with the page writes into what
-- the parent holds. fork() copies a pinned huge page early since Linux 5.12
-- (4eae4efa2c29); Debian's 5.10 does not, and there a pin is worth no more than a
-- reference.

local get = "B reuse leak level=hugetlb refcount=2 mapcount=1"
-- Whose the pipe is cannot be known; the byte that the parent reads tells.
local pipe = "B reuse fine level=hugetlb refcount=2 mapcount=1"
local before = { get_ro = get, pin_ro = get, vmsplice = pipe }

scenario {
	title = "a reference over fork on a page of hugetlbfs, then the child writes",
	holders = { "get_ro", "pin_ro", "vmsplice" },
	expect = {
		mapcount = before,
		page_count = before,
		exclusive = { get_ro = get, pin_ro = "A none early_copy", vmsplice = pipe },
	},
}

function story(holder)
	local huge = map { huge = "hugetlb" }
	huge:write "A"
	settle()

	local ref = hold(huge:part(), holder)
	local child = fork(function(parent)
		parent:barrier() -- the parent has unmapped it
		huge:write "B"
	end)
	huge:munmap()
	child:barrier()
	child:wait()
	return ref:read()
end
