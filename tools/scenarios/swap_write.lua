-- SPDX-License-Identifier: GPL-2.0
--
-- As swap_read, but the first that the owner does is to write. do_swap_page()
-- decides then, and in 5.10 it still went by mapcount (reuse_swap_page()): nobody
-- else maps the page or has its swap entry, so it is taken back as it is. The
-- same kernel keeps or loses the holder by whether the owner reads first.

scenario {
	title = "swap out a held page, then the owner writes",
	holders = { "get_ro", "get_rw", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = {
		page_count = {
			get_ro = "B reuse fine mapcount=1",
			get_rw = "B reuse fine mapcount=1",
			pin_ro = "B none",
			pin_rw_longterm = "B none",
			vmsplice = "B reuse fine mapcount=1",
		},
		exclusive = {
			get_ro = "B reuse fine mapcount=1 exclusive=yes",
			get_rw = "B reuse fine mapcount=1 exclusive=yes",
			pin_ro = "B none",
			pin_rw_longterm = "B none",
			vmsplice = "B reuse fine mapcount=1 exclusive=yes",
		},
		mapcount = {
			get_ro = "B reuse fine mapcount=1",
			get_rw = "B reuse fine mapcount=1",
			pin_ro = "B none or B reuse fine mapcount=1",
			pin_rw_longterm = "B none or B reuse fine mapcount=1",
			vmsplice = "B reuse fine mapcount=1",
		},
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	check(page:swap_out() == not holder:match "^pin", "only what is not pinned goes")
	page:write "B"
	return ref:read()
end
