-- SPDX-License-Identifier: GPL-2.0
--
-- khugepaged puts small pages together to a huge one by copying them, which would
-- part a holder from its page: a page with a reference more than mappings makes
-- it give up. MADV_COLLAPSE (Linux 6.1) asks for the same at once.

scenario {
	title = "MADV_COLLAPSE around a held page, then the owner writes",
	holders = { "nobody", "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = {
		page_count = "B none",
		exclusive = {
			nobody = "- none",
			get_ro = "B none",
			pin_ro = "B none",
			pin_rw_longterm = "B none",
			vmsplice = "B none",
		},
	},
}

function story(holder)
	local memory = map { pages = 1024 }
	local at = -memory:addr() % (2 << 20)
	local range = memory:part(at, 2 << 20)
	range:write(("A"):rep(2 << 20))
	local page = range:part(0, 4096)
	settle()

	local ref = holder ~= "nobody" and hold(page, holder)
	local pfn = page:pagemap().pfn
	range:madvise "hugepage"
	if ref then
		local ok, why = pcall(range.madvise, range, "collapse")
		check(not ok, "it cannot be collapsed")
		check(page:pagemap().pfn == pfn, "the page stays")
	else
		range:madvise "collapse"
		check(page:state().huge, "nobody holds it: it is collapsed")
	end
	page:write "B"
	return ref and ref:read()
end
