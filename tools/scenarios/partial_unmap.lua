-- SPDX-License-Identifier: GPL-2.0
--
-- One page of a huge page is held, and its owner unmaps all the others. The huge
-- page cannot be split while somebody holds a part of it: 2 MiB stay allocated
-- for 4 KiB. The one page left is as any other: with a reference that is no
-- mapping, which the page_count rule copies at the next write-protect.

scenario {
	title = "unmap all of a huge page but what is held, mprotect, then the owner writes",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm" },
	expect = {
		mapcount = "B reuse fine refcount=2 mapcount=1",
		page_count = "A copy pin_lost refcount=2 mapcount=1",
		exclusive = "B none or B reuse fine refcount=2 mapcount=1 exclusive=yes",
	},
}

function story(holder)
	local memory = map { huge = "pmd" }
	memory:write "A"
	settle()

	local page = memory:part()
	local ref = hold(page, holder)
	memory:part(4096, (2 << 20) - 4096):munmap()
	local state = page:state()
	check(state.order == 9, "the huge page is still there")
	check(not state.huge and state.refcount == 2, "one mapping and the holder refer to it")

	page:mprotect "r"
	page:mprotect "rw"
	page:write "B"
	return ref:read()
end
