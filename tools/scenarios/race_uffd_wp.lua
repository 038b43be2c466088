-- SPDX-License-Identifier: GPL-2.0
--
-- UFFDIO_WRITEPROTECT holds mmap_lock for reading only, so a page fault, and
-- GUP-fast without any lock, run beside it: the page is write-protected between
-- the moment it is held and the moment its owner writes. 200 times, as it comes.
-- "A" is said if the holder was ever left behind with an older byte.
--
-- Under the page_count rule nearly every round leaves the holder behind, pinned or
-- not; how many, is chance. The mark of exclusive stays with the page: none.

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
	return seen.lost > 0 and "A" or "B"
end
