-- SPDX-License-Identifier: GPL-2.0
--
-- Reclaim adds no pinned page to the swap cache (feb889fb40fa), but what if one is
-- there already when it is pinned? An earlier reference keeps it there. Then
-- 5.10 unmaps it under the pin, and the page_count rule copies it after a read.
-- Since 5.19 a pinned exclusive page is not unmapped at all.

scenario {
	title = "a page is pinned in the swap cache, reclaim comes by, its owner reads and writes",
	holders = { "pin_ro", "pin_ro_longterm" },
	expect = {
		mapcount = "B reuse fine refcount=1027 mapcount=1",
		page_count = "A copy pin_lost refcount=1027 mapcount=1",
		exclusive = "B none or B reuse fine exclusive=yes",
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()
	local first = hold(page, "get_ro")
	if not page:swap_out() then
		skip "no swap space: the page stays"
	end
	page:read()
	settle()
	if not page:state().swapcache then
		skip "not in the swap cache: the swap device is synchronous (zram, brd)"
	end

	local ref = hold(page, holder)
	local gone = page:swap_out()
	check(gone == (rule ~= "exclusive"), "unmapped under the pin: " .. tostring(gone))
	page:read()
	settle()
	page:write "B"
	return ref:read()
end
