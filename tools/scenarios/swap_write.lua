-- SPDX-License-Identifier: GPL-2.0
--
-- As swap_read, but the first that the owner does is to write. do_swap_page()
-- decides then, and in 5.10 it still went by mapcount (reuse_swap_page()): nobody
-- else maps the page or has its swap entry, so it is taken back as it is. The
-- same kernel keeps or loses the holder by whether the owner reads first.

local pinned = "B none"
local taken = "B reuse fine refcount=2 mapcount=1"
local exclusive = "B reuse fine mapcount=1 exclusive=yes"

scenario {
	title = "swap out a held page, then the owner writes",
	holders = { "get_ro", "get_rw", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = {
		mapcount = {
			get_ro = taken, get_rw = taken, vmsplice = taken,
			pin_ro = "B none or B reuse fine", pin_rw_longterm = "B none or B reuse fine",
		},
		page_count = {
			get_ro = taken, get_rw = taken, vmsplice = taken,
			pin_ro = pinned, pin_rw_longterm = pinned,
		},
		exclusive = {
			get_ro = exclusive, get_rw = exclusive, vmsplice = exclusive,
			pin_ro = pinned, pin_rw_longterm = pinned,
		},
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	check(page:swap_out() == not holder:match "^pin", "only what is not pinned goes")
	settle()
	page:write "B"
	return ref:read()
end
