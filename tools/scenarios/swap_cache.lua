-- SPDX-License-Identifier: GPL-2.0
--
-- The swap cache is a reference, too. A page that was swapped out and read back
-- while a child had its swap entry stays there when the child has gone; from a
-- disk, any page that is read back does. Nobody holds it, and the page_count
-- rule copies it nevertheless. The mapcount rule counted the users of the swap
-- entry, and since 5.18 the page is taken out of the swap cache before
-- references are counted.

scenario {
	title = "a page in the swap cache that nobody holds, then its owner writes",
	expect = {
		mapcount = "- reuse fine refcount=2 mapcount=1",
		page_count = "- copy unknown refcount=2 mapcount=1",
		exclusive = "- reuse fine refcount=2 mapcount=1 exclusive=no",
	},
}

function story()
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
	page:write "B"
end
