-- SPDX-License-Identifier: GPL-2.0
--
-- After MADV_FREE reclaim may drop a page instead of writing it to swap, unless
-- it was written to again; a device that writes through a pin does so unseen. So
-- a page with a reference more than mappings is not dropped, but put back
-- (6c8e2a256915, Linux 5.18 and stable kernels), and the holder stays with it.

scenario {
	title = "MADV_FREE and reclaim of a held page, then the owner writes",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = "B none",
}

function story(holder)
	local page, other = map(), map()
	page:write "A"
	other:write "A"
	settle()

	local ref = hold(page, holder)
	page:madvise "free"
	other:madvise "free"
	settle()
	page:swap_out()
	other:swap_out()
	check(not other:state().present, "what nobody holds is dropped")
	check(page:state().present, "what is held is not")
	check(page:read() == "A", "nor is its content")
	page:write "B"
	return ref:read()
end
