-- SPDX-License-Identifier: GPL-2.0
--
-- mprotect() holds mmap_lock for writing, and GUP-fast takes no lock at all, so
-- the two still meet. The owner's write dies of SIGSEGV while the page is
-- read-only, and is tried again. "A" is said if in 200 rounds the holder was ever
-- left behind with an older byte.
--
-- Under the page_count rule nearly every round does it; under exclusive none may.

scenario {
	title = "a thread write-protects by mprotect while another pins and writes",
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

	local seen = race(page, { protect = "mprotect", holder = holder })
	return seen.lost > 0 and "A" or "B"
end
