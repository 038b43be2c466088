-- SPDX-License-Identifier: GPL-2.0
--
-- The reference comes after the fork, on a page that parent and child still
-- share; then the parent writes, and gets the copy. To take it for writing is to
-- write, so that always holds the parent's own page. For reading, FOLL_PIN
-- holds the shared one until 5.18, and unshares it since 5.19 (a7f226604170);
-- FOLL_GET never does.

local get = "A copy pin_lost refcount=3 mapcount=2"

scenario {
	title = "fork, then a reference, then the parent writes",
	holders = { "get_ro", "get_rw", "pin_ro", "pin_ro_longterm", "pin_rw", "vmsplice" },
	expect = {
		page_count = {
			get_ro = get,
			get_rw = "B none",
			pin_ro = "A copy pin_lost refcount=1026 mapcount=2",
			pin_ro_longterm = "A copy pin_lost refcount=1026 mapcount=2",
			pin_rw = "B none",
			vmsplice = "A copy maybe_lost refcount=3 mapcount=2",
		},
		exclusive = {
			get_ro = get,
			get_rw = "B none",
			pin_ro = "B reuse fine refcount=1025 mapcount=1 exclusive=yes",
			pin_ro_longterm = "B reuse fine refcount=1025 mapcount=1 exclusive=yes",
			pin_rw = "B none",
			vmsplice = "A copy maybe_lost refcount=3 mapcount=2",
		},
		mapcount = {
			get_ro = get,
			get_rw = "B none",
			pin_ro = "A copy pin_lost refcount=1026 mapcount=2",
			pin_ro_longterm = "A copy pin_lost refcount=1026 mapcount=2",
			pin_rw = "B none",
			vmsplice = "A copy maybe_lost refcount=3 mapcount=2",
		},
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local child = fork(function(parent)
		parent:barrier() -- stays, and maps the page, until it was written
		return page:read()
	end)
	local ref = hold(page, holder)
	settle()
	page:write "B"
	child:barrier()
	check(child:wait() == "A", "the child keeps its own")
	return ref:read()
end
