-- SPDX-License-Identifier: GPL-2.0
--
-- Somebody passes by: compaction, a page-table walker, memory-failure handling
-- take a reference on a page that they find, look, and let go of it. A rule that
-- counts references copies the page for that. Nobody loses anything but the owner
-- the time and the memory of a copy, and it comes by chance, which is why nobody
-- can count on a page staying where it is.
--
-- page_count copies whenever the PTE is read-only. exclusive asks for references
-- only where the page is not marked, as after a fork whose child is gone.
-- This is why a holder of a reference cannot be told from who passes by: to the
-- kernel both are one count more.

scenario {
	title = "a look-up passes by as the owner writes",
	holders = { "uffd_wp", "mprotect", "fork_exit" },
	expect = {
		mapcount = "B reuse fine refcount=2 mapcount=1",
		page_count = "A copy superfluous refcount=2 mapcount=1",
		exclusive = {
			uffd_wp = "B none or B reuse fine refcount=2 mapcount=1 exclusive=yes",
			mprotect = "B none or B reuse fine refcount=2 mapcount=1 exclusive=yes",
			fork_exit = "A copy superfluous refcount=2 mapcount=1 exclusive=no",
		},
	},
}

local write_protect = {
	uffd_wp = function(page)
		page:uffd_wp(true)
		page:uffd_wp(false)
	end,
	mprotect = function(page)
		page:mprotect "r"
		page:mprotect "rw"
	end,
	fork_exit = function()
		fork(function() end):wait()
	end,
}

-- What is told apart here is not who holds the page but what protected it.
function story(how)
	local page = map()
	page:write "A"
	settle()

	write_protect[how](page)
	settle()
	local passing = hold(page, "speculative")
	page:write "B"
	return passing:read()
end
