-- SPDX-License-Identifier: GPL-2.0
--
-- A page migrates to another NUMA node only if all its references are known: it
-- is given up for a page that somebody holds, by pin or not, on every kernel. So
-- the holder stays, at the price of memory that cannot move.

scenario {
	title = "move_pages of a held page, then the owner writes",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = "B none",
}

function story(holder)
	local page, free = map(), map()
	page:write "A"
	free:write "A"
	settle()

	local ref = hold(page, holder)
	check(free:migrate(), "what nobody holds moves")
	check(not page:migrate(), "what is held does not")
	page:write "B"
	return ref:read()
end
