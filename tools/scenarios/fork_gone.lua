-- SPDX-License-Identifier: GPL-2.0
--
-- A child has come and gone, and left nothing but a PTE without its write bit;
-- then somebody takes a reference for reading, and the owner writes. The
-- page_count rule sees the reference and copies. Since 5.19 a pin makes sure
-- first that the page is exclusive, and marks it so in place. FOLL_GET does not,
-- and the write fault that follows counts references, as before.

scenario {
	title = "fork, the child exits, then a reference, then the parent writes",
	holders = { "get_ro", "get_rw", "pin_ro", "pin_ro_longterm", "vmsplice" },
	expect = {
		mapcount = {
			get_ro = "B reuse fine refcount=2 mapcount=1",
			get_rw = "B none",
			pin_ro = "B reuse fine refcount=1025 mapcount=1",
			pin_ro_longterm = "B reuse fine refcount=1025 mapcount=1",
			vmsplice = "B reuse fine refcount=2 mapcount=1",
		},
		page_count = {
			get_ro = "A copy pin_lost refcount=2 mapcount=1",
			get_rw = "B none",
			pin_ro = "A copy pin_lost refcount=1025 mapcount=1",
			pin_ro_longterm = "A copy pin_lost refcount=1025 mapcount=1",
			vmsplice = "A copy maybe_lost refcount=2 mapcount=1",
		},
		exclusive = {
			get_ro = "A copy pin_lost refcount=2 mapcount=1 exclusive=no",
			get_rw = "B none",
			pin_ro = "B reuse fine refcount=1025 mapcount=1 exclusive=yes",
			pin_ro_longterm = "B reuse fine refcount=1025 mapcount=1 exclusive=yes",
			vmsplice = "A copy maybe_lost refcount=2 mapcount=1 exclusive=no",
		},
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	fork(function() end):wait()
	local ref = hold(page, holder)
	settle()
	page:write "B"
	return ref:read()
end
