-- SPDX-License-Identifier: GPL-2.0
--
-- As zero_page, for a huge zero page: 2 MiB of memory that were only read. The
-- first write splits its mapping and copies a small zero page, or allocates a
-- huge page at once (Linux 6.13); the holder is left with zeros either way. A
-- long-term pin unshares first since 6.2.

local split = "0 copy needed kind=zero level=pte pin_lost"
local replaced = "0 copy pin_lost kind=zero level=pmd"

scenario {
	title = "a reference to the huge zero page, then the owner writes",
	holders = { "get_ro", "pin_ro", "pin_ro_longterm", "pin_rw" },
	expect = {
		mapcount = { get_ro = split, pin_ro = split, pin_ro_longterm = split,
			     pin_rw = "B none" },
		page_count = { get_ro = split, pin_ro = split, pin_ro_longterm = split,
			       pin_rw = "B none" },
		exclusive = {
			get_ro = split .. " or " .. replaced,
			pin_ro = split .. " or " .. replaced,
			pin_ro_longterm = split .. " or B reuse fine exclusive=yes or B none",
			pin_rw = "B none",
		},
	},
}

function story(holder)
	local memory = map { pages = 1024 }
	local range = memory:part(-memory:addr() % (2 << 20), 2 << 20)
	range:madvise "hugepage"
	range:read()
	if not range:state().huge then
		skip "no huge zero page: transparent_hugepage/use_zero_page is 0"
	end
	check(range:state().kind == "zero", "a read gives the huge zero page")

	local page = range:part()
	local ref = hold(page, holder)
	settle()
	local own = page:state().kind == "anon"
	page:write "B"
	local saw = ref:read() == "B" and "B" or "0"
	check(own == (saw == "B"), "the holder follows if the page was the owner's")
	return saw
end
