-- SPDX-License-Identifier: GPL-2.0
--
-- A page migrates to another NUMA node only if all its references are known: it
-- is given up for a page that somebody holds, by pin or not, on every kernel. So
-- the holder stays, at the price of memory that cannot move.

scenario {
	title = "move_pages of a held page, then the owner writes",
	holders = { "nobody", "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = {
		mapcount = "B none or - none",
		page_count = "B none or - none",
		exclusive = "B none or - none",
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = holder ~= "nobody" and hold(page, holder)
	check(page:migrate() == not ref, "only what nobody holds moves")
	page:write "B"
	return ref and ref:read()
end
