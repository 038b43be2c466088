-- SPDX-License-Identifier: GPL-2.0
--
-- Somebody looks at a page for a moment just when its owner writes to it, after
-- mprotect() took the write bit and gave it back. Nobody forked, nobody holds the
-- page for long, and yet the page_count rule copies: whether a page is copied is a
-- matter of luck. Nobody is harmed, but time and memory are lost.
--
-- The newest rule keeps the mark of the page, whoever looks.

scenario {
	title = "a passer-by refers to a page that was write-protected in place",
	expect = {
		mapcount = "- reuse fine refcount=2 mapcount=1",
		page_count = "- copy superfluous refcount=2 mapcount=1",
		exclusive = "- none",
	},
}

function story()
	local page = map()
	page:write "A"
	settle()

	hold(page, "speculative")
	page:mprotect "r"
	page:mprotect "rw"
	page:write "B"
end
