-- SPDX-License-Identifier: GPL-2.0
--
-- Somebody looks at a page for a moment just when its owner writes to it, after
-- mprotect() took the write bit and gave it back. Nobody forked, nobody holds the
-- page, and yet the page_count rule copies: whether it does is a matter of luck.
--
-- Linus Torvalds' answer in January 2021 was that such a copy is harmless. It is,
-- to whoever measures only what programs see; the memory is copied all the same.

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
