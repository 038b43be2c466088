-- SPDX-License-Identifier: GPL-2.0
--
-- The swap cache is a reference, too. A page that was swapped out and read back
-- while a child had its swap entry stays there when the child has gone. Nobody
-- holds it; the page_count rule copies it nevertheless. Later kernels take the
-- page out of the swap cache and look again.
--
-- "pinned" asks what becomes of a page that is pinned while it is in the swap
-- cache: the rule of 5.11 that reclaim does not add pinned pages to the swap
-- cache does not help one that is there already. Since 5.19 a pinned exclusive
-- page is not unmapped at all.

scenario {
	title = "a page in the swap cache, then its owner writes",
	holders = { "nobody", "pinned" },
	expect = {
		page_count = {
			nobody = "- copy unknown refcount=2 mapcount=1",
			pinned = "A copy pin_lost refcount=1026 mapcount=1",
		},
		exclusive = {
			nobody = "- reuse fine refcount=2 mapcount=1",
			pinned = "B none or B reuse fine exclusive=yes",
		},
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()
	if not page:swap_out() then
		skip "no swap space: the page stays"
	end

	local child = fork(function(parent)
		parent:barrier() -- has the swap entry, too
	end)
	page:read()
	child:barrier()
	child:wait()
	settle()
	check(page:state().swapcache, "it is still in the swap cache")
	if holder == "nobody" then
		page:write "B"
		return
	end

	local ref = hold(page, "pin_ro")
	local gone = page:swap_out()
	check(gone == (rule == "page_count"), "reclaim unmaps it: " .. tostring(gone))
	page:read()
	settle()
	page:write "B"
	return ref:read()
end
