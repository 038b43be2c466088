-- SPDX-License-Identifier: GPL-2.0
--
-- UFFDIO_MOVE (Linux 6.8, for Android's garbage collector) moves pages to other
-- addresses without a copy. It must not move a page that is pinned, as the
-- holder's address would be another's then, and says EBUSY. FOLL_GET it does not
-- see: the page moves, and the holder with it.

local moved = "B none or B reuse fine exclusive=yes"

scenario {
	title = "UFFDIO_MOVE of a held page, then a write at its address",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = { exclusive = moved },
}

function story(holder)
	local page, to = map(), map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	local pfn = page:pagemap().pfn
	local has_moved = page:uffd_move(to)
	check(has_moved == not holder:match "^pin", "only what is not pinned moves")
	local now = has_moved and to or page
	check(now:pagemap().pfn == pfn, "it is the same page")
	now:write "B"
	return ref:read()
end
