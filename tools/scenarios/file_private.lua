-- SPDX-License-Identifier: GPL-2.0
--
-- A private mapping of a file shows the page cache until it is written to. A
-- read-only reference taken before that is one to the file's page, and stays
-- there, pin or not: documented, and met by RDMA and V4L2, whose drivers asked
-- for write access, by force if need be, to be given a page of the process.
--
-- Since Linux 6.2 FOLL_LONGTERM does that of itself.

local lost = "0 copy pin_lost kind=shmem mapcount=1"
local spliced = "0 copy maybe_lost kind=shmem mapcount=1"

scenario {
	title = "a reference to a private file page, then the owner writes",
	holders = { "get_ro", "pin_ro", "pin_ro_longterm", "pin_rw_longterm", "vmsplice" },
	expect = {
		mapcount = { get_ro = lost, pin_ro = lost, pin_ro_longterm = lost,
			     pin_rw_longterm = "B none", vmsplice = spliced },
		page_count = { get_ro = lost, pin_ro = lost, pin_ro_longterm = lost,
			       pin_rw_longterm = "B none", vmsplice = spliced },
		exclusive = {
			get_ro = lost,
			pin_ro = lost,
			pin_ro_longterm = lost .. " or B reuse fine refcount=1025 exclusive=yes",
			pin_rw_longterm = "B none",
			vmsplice = spliced,
		},
	},
}

function story(holder)
	local page = map { file = "memfd" }
	page:read()
	settle()
	check(page:state().kind == "shmem", "a read gives the file's page")

	local ref = hold(page, holder)
	settle()
	local own = page:state().kind == "anon"
	page:write "B"
	local saw = ref:read() == "B" and "B" or "0"
	check(own == (saw == "B"), "the holder follows if the page was the owner's")
	return saw
end
