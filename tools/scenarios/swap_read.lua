-- SPDX-License-Identifier: GPL-2.0
--
-- Reclaim cannot free a page that somebody refers to, but it can unmap it and
-- leave it in the swap cache. The owner reads, and gets the same page back, by a
-- read-only PTE; then it writes. The page_count rule sees holder and swap cache
-- and copies. Since 5.19 the swap entry remembers that the page is exclusive.
--
-- Pinned pages have been kept out of the swap cache since 5.11 (feb889fb40fa,
-- also in Debian's 5.10): they stay mapped.

local taken = "B reuse fine refcount=3 mapcount=1"
local pinned = "B none"
local lost = "A copy pin_lost refcount=3 mapcount=1"
local kept = "B none or B reuse fine exclusive=yes"

scenario {
	title = "swap out a held page, read it back, then the owner writes",
	holders = { "get_ro", "get_rw", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = {
		mapcount = {
			get_ro = taken, get_rw = taken, vmsplice = taken,
			pin_ro = "B none or B reuse fine", pin_rw_longterm = "B none or B reuse fine",
		},
		page_count = {
			get_ro = lost, get_rw = lost,
			vmsplice = "A copy maybe_lost refcount=3 mapcount=1",
			pin_ro = pinned, pin_rw_longterm = pinned,
		},
		exclusive = {
			get_ro = kept, get_rw = kept, vmsplice = kept,
			pin_ro = pinned, pin_rw_longterm = pinned,
		},
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	local pinned = holder:match "^pin"
	check(page:swap_out() == not pinned, "only what is not pinned goes")
	check(page:read() == "A", "it is read back")
	settle()
	page:write "B"
	return ref:read()
end
