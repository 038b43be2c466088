-- SPDX-License-Identifier: GPL-2.0
--
-- UFFDIO_WRITEPROTECT holds mmap_lock for reading only, so a page fault, and
-- GUP-fast without any lock, run beside it: the page is write-protected between
-- the moment it is pinned and the moment its owner writes. Any order of the two
-- must do; here 500 are tried, as they come.
--
-- Under the page_count rule most rounds lose the holder, whatever it is. The mark
-- of exclusive stays with the page and none may be lost.

scenario {
	title = "a thread write-protects by userfaultfd while another pins and writes",
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

	local seen = race(page, { protect = "uffd_wp", holder = holder })
	print(seen.rounds, seen.copies, seen.lost)
	return seen.lost > 0 and "A" or "B"
end
