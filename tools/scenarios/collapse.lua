-- SPDX-License-Identifier: GPL-2.0
--
-- khugepaged puts small pages together to a huge one by copying them, which would
-- part a holder from its page: a page with a reference more than mappings makes
-- it give up. MADV_COLLAPSE (Linux 6.1) asks for the same at once.

local huge = 2 << 20

scenario {
	title = "MADV_COLLAPSE around a held page, then the owner writes",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = "B none",
}

function story(holder)
	local function small_pages()
		local memory = map { pages = 1024 }
		local range = memory:part(-memory:addr() % huge, huge)
		range:write(("A"):rep(huge))
		return range
	end
	local held, free = small_pages(), small_pages()
	settle()

	local page = held:part()
	local ref = hold(page, holder)
	local pfn = page:pagemap().pfn
	for _, range in ipairs { held, free } do
		range:madvise "hugepage"
	end
	free:madvise "collapse"
	check(free:state().huge, "what nobody holds is collapsed")
	check(not pcall(held.madvise, held, "collapse"), "what is held is not")
	check(page:pagemap().pfn == pfn, "the page stays")
	page:write "B"
	return ref:read()
end
