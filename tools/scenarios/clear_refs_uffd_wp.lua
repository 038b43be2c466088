-- SPDX-License-Identifier: GPL-2.0
--
-- Both trackers of written pages at once: a snapshot with UFFDIO_WRITEPROTECT of
-- a process that CRIU watches with clear_refs. Each takes the write bit.
--
-- clear_refs leaves a page alone that looks pinned, but only where its PTE is
-- writable, for only then, it says, the pin can matter. After UFFDIO_WRITEPROTECT
-- it is not: the pinned page loses its soft-dirty bit, and what a device writes
-- from then on no tracker sees. When the snapshot lifts its protection, the PTE
-- stays read-only for the soft-dirty tracker, so the owner's next write asks the
-- rule, also since Linux 6.2, and pinned pages are lost as any other.

local lost = "A copy pin_lost refcount=2 mapcount=1"
local pin_lost = "A copy pin_lost refcount=1025 mapcount=1"

scenario {
	title = "clear_refs while UFFDIO_WRITEPROTECT is set, then the owner writes",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = {
		mapcount = "B reuse fine mapcount=1",
		page_count = {
			get_ro = lost,
			pin_ro = pin_lost,
			pin_rw_longterm = pin_lost,
			vmsplice = "A copy maybe_lost refcount=2 mapcount=1",
		},
		exclusive = "B reuse fine mapcount=1 exclusive=yes",
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	page:uffd_wp(true)
	clear_refs(4)
	check(not page:pagemap().soft_dirty, "not soft-dirty, pinned or not")
	if holder == "pin_rw_longterm" then
		ref:write("D", 1)
		check(page:read(1, 1) == "D", "a device has written")
		check(not page:pagemap().soft_dirty, "and nobody was told")
	end
	page:uffd_wp(false)
	page:write "B"
	return ref:read()
end
