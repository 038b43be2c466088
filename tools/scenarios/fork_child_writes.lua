-- SPDX-License-Identifier: GPL-2.0
--
-- As fork_exit, but the child writes to the page before it exits. It gets the
-- copy, so the parent's page is the parent's alone again, and the mapcount rule
-- reused it. page_count and exclusive see what is left: a PTE without its write
-- bit, and a reference more than mappings. FOLL_GET loses its page on every
-- kernel since 5.9, whatever the child does.

local lost = {
	get_ro = "A copy pin_lost refcount=2 mapcount=1",
	get_rw = "A copy pin_lost refcount=2 mapcount=1",
	pin_ro = "B none early_copy",
	pin_rw_longterm = "B none early_copy",
	vmsplice = "A copy maybe_lost refcount=2 mapcount=1",
}
local kept = {
	get_ro = "B reuse fine refcount=2 mapcount=1",
	get_rw = "B reuse fine refcount=2 mapcount=1",
	pin_ro = "B none early_copy or B reuse fine",
	pin_rw_longterm = "B none early_copy or B reuse fine",
	vmsplice = "B reuse fine refcount=2 mapcount=1",
}

scenario {
	title = "fork after the reference, the child writes and exits, then the parent writes",
	holders = { "get_ro", "get_rw", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = { mapcount = kept, page_count = lost, exclusive = lost },
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	local child = fork(function()
		page:write "C"
	end)
	child:wait()
	check(ref:read() == "A", "the child writes to a page of its own")
	page:write "B"
	return ref:read()
end
