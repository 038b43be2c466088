-- SPDX-License-Identifier: GPL-2.0
--
-- Memory that was only read is the zero page, which belongs to everybody. Who
-- takes a reference to that holds nothing of its owner's: the first write copies,
-- as it must, and the holder is left with zeros. Documented, and a trap for
-- every program that registers a buffer for reading before it writes to it.
--
-- Since Linux 6.2 a long-term pin unshares first and gets a page of its own.

local lost = "0 copy pin_lost kind=zero"

scenario {
	title = "a reference to the zero page, then the owner writes",
	holders = { "get_ro", "pin_ro", "pin_ro_longterm", "pin_rw", "vmsplice" },
	expect = {
		mapcount = { get_ro = lost, pin_ro = lost, pin_ro_longterm = lost,
			     pin_rw = "B none", vmsplice = "0 copy needed kind=zero" },
		page_count = { get_ro = lost, pin_ro = lost, pin_ro_longterm = lost,
			       pin_rw = "B none", vmsplice = "0 copy needed kind=zero" },
		exclusive = {
			get_ro = lost,
			pin_ro = lost,
			pin_ro_longterm = lost .. " or B reuse fine refcount=1025 exclusive=yes",
			pin_rw = "B none",
			vmsplice = "0 copy needed kind=zero",
		},
	},
}

function story(holder)
	local page = map()
	page:read()
	check(page:state().kind == "zero", "a read gives the zero page")

	local ref = hold(page, holder)
	settle()
	local own = page:state().kind == "anon"
	page:write "B"
	local saw = ref:read() == "B" and "B" or "0"
	check(own == (saw == "B"), "the holder follows if the page was the owner's")
	return saw
end
