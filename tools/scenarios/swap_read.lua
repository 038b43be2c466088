-- SPDX-License-Identifier: GPL-2.0
--
-- Reclaim cannot free a page that somebody refers to, but it can unmap it and
-- leave it in the swap cache. The owner reads, and gets the same page back, by a
-- read-only PTE; then it writes. The page_count rule sees holder and swap cache
-- and copies. Since 5.19 the swap entry remembers that the page is exclusive.
--
-- Pinned pages have been kept out of the swap cache since 5.11 (feb889fb40fa,
-- also in Debian's 5.10): they stay mapped.

local lost = { get_ro = "pin_lost", get_rw = "pin_lost", vmsplice = "maybe_lost" }
local page_count = { pin_ro = "B none", pin_rw_longterm = "B none" }
for holder, verdict in pairs(lost) do
	page_count[holder] = "A copy " .. verdict .. " refcount=3 mapcount=1"
end

scenario {
	title = "swap out a held page, read it back, then the owner writes",
	holders = { "get_ro", "get_rw", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = {
		page_count = page_count,
		exclusive = {
			get_ro = "B none or B reuse fine exclusive=yes",
			get_rw = "B none or B reuse fine exclusive=yes",
			pin_ro = "B none",
			pin_rw_longterm = "B none",
			vmsplice = "B none or B reuse fine exclusive=yes",
		},
		mapcount = "B none or B reuse fine",
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
