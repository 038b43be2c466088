-- SPDX-License-Identifier: GPL-2.0
--
-- Kernel samepage merging makes one read-only page of two of the same content,
-- which every write copies. A reference taken to such a page is one to what
-- everybody shares: the copy leaves it behind under every rule. To pin for
-- writing is to write. Since 5.19 to pin for reading unshares first: a KSM page
-- is never exclusive.

local lost = {
	get_ro = "A copy pin_lost kind=ksm refcount=3 mapcount=2",
	get_rw = "B none",
	pin_ro = "A copy pin_lost kind=ksm refcount=1026 mapcount=2",
	pin_rw = "B none",
	vmsplice = "A copy maybe_lost kind=ksm refcount=3 mapcount=2",
}

scenario {
	title = "a reference to a KSM page, then the owner writes",
	holders = { "get_ro", "get_rw", "pin_ro", "pin_rw", "vmsplice" },
	expect = {
		mapcount = lost,
		page_count = lost,
		exclusive = {
			get_ro = lost.get_ro,
			get_rw = "B none",
			pin_ro = "B reuse fine kind=anon refcount=1025 mapcount=1 exclusive=yes",
			pin_rw = "B none",
			vmsplice = lost.vmsplice,
		},
	},
}

function story(holder)
	local two = map { pages = 2 }
	two:write "A"
	two:write("A", 4096)
	check(two:ksm(), "ksmd merges them")
	check(two:pagemap().pfn == two:pagemap(4096).pfn, "into one page")
	settle()

	local page = two:part()
	local ref = hold(page, holder)
	settle()
	page:write "B"
	check(two:read(1, 4096) == "A", "the other page is as it was")
	return ref:read()
end
