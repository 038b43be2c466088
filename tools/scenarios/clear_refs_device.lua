-- SPDX-License-Identifier: GPL-2.0
--
-- clear_refs, for a holder that writes: a read(2) with O_DIRECT is under way
-- while CRIU or a debugger looks for soft-dirty pages, and the program writes
-- elsewhere in the page. What is seen here is what the owner reads in the end:
-- D if what the device wrote is there, its own B if that went into a page that
-- nobody maps any more.
--
-- clear_refs leaves pinned pages alone. O_DIRECT takes FOLL_GET references up to
-- Linux 6.4, and pins since: where page_count rules, its data are lost.

scenario {
	title = "clear_refs during a device's write, then the owner writes",
	holders = { "get_rw", "pin_rw", "uring_fixed", "direct_read" },
	expect = {
		mapcount = {
			get_rw = "D reuse fine refcount=2 mapcount=1",
			pin_rw = "D none",
			uring_fixed = "D none",
			direct_read = "D reuse fine refcount=2 mapcount=1",
		},
		page_count = {
			get_rw = "B copy pin_lost refcount=2 mapcount=1",
			pin_rw = "D none",
			uring_fixed = "D none",
			direct_read = "B copy maybe_lost refcount=2 mapcount=1",
		},
		exclusive = {
			get_rw = "D reuse fine refcount=2 mapcount=1 exclusive=yes",
			pin_rw = "D none",
			uring_fixed = "D none",
			direct_read = "D reuse fine refcount=2 mapcount=1 exclusive=yes or D none",
		},
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	clear_refs(4)
	page:write "B"
	ref:write "D"
	return page:read()
end
