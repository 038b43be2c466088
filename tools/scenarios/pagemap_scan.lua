-- SPDX-License-Identifier: GPL-2.0
--
-- PAGEMAP_SCAN (Linux 6.7), which CRIU uses instead of clear_refs where it is
-- there, write-protects every page, pinned or not. What a device writes through
-- its pin afterwards is not seen: the page is told to be as it was. The owner's
-- own write is seen, and his page is exclusive, so nobody loses it.

scenario {
	title = "PAGEMAP_SCAN, a device writes, then the owner",
	holders = { "get_rw", "pin_rw", "pin_rw_longterm" },
	expect = {
		exclusive = {
			get_rw = "B reuse fine refcount=2 mapcount=1 exclusive=yes",
			pin_rw = "B reuse fine refcount=1025 mapcount=1 exclusive=yes",
			pin_rw_longterm = "B reuse fine refcount=1025 mapcount=1 exclusive=yes",
		},
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	check(page:pagemap_scan { protect = true } == 1, "written before the first scan")
	check(page:pagemap_scan() == 0, "not since")
	ref:write "D"
	check(page:read() == "D", "a device has written")
	check(page:pagemap_scan() == 0, "unseen: the page seems clean")
	page:write "B"
	check(page:pagemap_scan() == 1, "the owner's write is seen")
	return ref:read()
end
