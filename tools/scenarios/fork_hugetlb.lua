-- SPDX-License-Identifier: GPL-2.0
--
-- As fork_after, with a page of hugetlbfs: buffers of databases and of RDMA, in
-- programs that fork. The early copy came to hugetlb with Linux 5.12
-- (4eae4efa2c29); before that a pin was lost there as FOLL_GET is everywhere.

local get = "A copy pin_lost level=hugetlb mapcount=2"

scenario {
	title = "fork after a reference to a hugetlb page, then the parent writes",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm" },
	expect = {
		mapcount = get,
		page_count = get,
		exclusive = {
			get_ro = get,
			pin_ro = "B none early_copy",
			pin_rw_longterm = "B none early_copy",
		},
	},
}

function story(holder)
	local memory = map { huge = "hugetlb" }
	memory:write "A"

	local ref = hold(memory:part(), holder)
	local child = fork(function(parent)
		parent:barrier() -- stays, and maps the page, until it was written
		return memory:read()
	end)
	memory:write "B"
	child:barrier()
	check(child:wait() == "A", "the child has the old content")
	return ref:read()
end
