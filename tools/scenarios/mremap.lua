-- SPDX-License-Identifier: GPL-2.0
--
-- mremap() moves the page table entry, and the page with it: realloc() of a
-- large buffer while a device holds it. The holder stays with the page at its new
-- address on every kernel. It is the next write-protect there that parts them
-- under the page_count rule, pinned or not, as in mprotect.

scenario {
	title = "mremap of a held page, mprotect and back, then the owner writes",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = {
		mapcount = "C reuse fine mapcount=1",
		page_count = {
			get_ro = "B copy pin_lost refcount=2 mapcount=1",
			pin_ro = "B copy pin_lost refcount=1025 mapcount=1",
			pin_rw_longterm = "B copy pin_lost refcount=1025 mapcount=1",
			vmsplice = "B copy maybe_lost refcount=2 mapcount=1",
		},
		exclusive = "C none",
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	local pfn = page:pagemap().pfn
	page:mremap()
	check(page:pagemap().pfn == pfn, "the same page at a new address")
	check(page:write "B" == nil and ref:read() == "B", "the holder has come along")

	page:mprotect "r"
	page:mprotect "rw"
	page:write "C"
	return ref:read()
end
