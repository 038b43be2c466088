-- SPDX-License-Identifier: GPL-2.0
--
-- clear_refs leaves alone what looks pinned, but GUP-fast takes no lock: the pin
-- may come when the test is done and the PTE not yet read-only, or a moment
-- later. "A" is said if in 200 rounds the holder was ever left behind.
--
-- Under the page_count rule a read-only pin that comes late is on a page that the
-- next write copies: a few rounds in a hundred on Debian's 5.10. A pin for writing
-- makes the PTE writable again first. Under exclusive none may be lost.

scenario {
	title = "a thread clears soft-dirty bits while another pins and writes",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm" },
	expect = {
		mapcount = "B none",
		page_count = "A none or B none",
		exclusive = "B none",
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local seen = race(page, { protect = "clear_refs", holder = holder })
	return seen.lost > 0 and "A" or "B"
end
