-- SPDX-License-Identifier: GPL-2.0
--
-- The price of the early copy. A device has one page of a huge page pinned, and
-- its owner forks: the count of pins is one for the whole huge page, so the
-- parent's PMD is split and all of it is copied for the child at once, in small
-- pages. Parent and child have lost the huge page, and the child 2 MiB, for a pin
-- of 4 KiB. A FOLL_GET reference costs nothing of this, and is lost.

local early = "B none early_copy"
local lost = { pin_ro = early, pin_rw_longterm = early, get_ro = "A copy pin_lost mapcount=2" }

scenario {
	title = "one page of a huge page is held; fork, then the parent writes",
	holders = { "pin_ro", "pin_rw_longterm", "get_ro" },
	expect = { page_count = lost, exclusive = lost, mapcount = lost },
}

local function count(memory, key, value)
	local n = 0
	for at = 0, (2 << 20) - 1, 4096 do
		if memory:state(at)[key] == value then
			n = n + 1
		end
	end
	return n
end

function story(holder)
	local memory = map { huge = "pmd" }
	memory:write "A"
	settle()

	local page = memory:part()
	local ref = hold(page, holder)
	local pfn = page:pagemap().pfn
	local child = fork(function(parent)
		local small = count(memory, "order", 0)
		parent:barrier()
		return tostring(small)
	end)
	local copies = #trace("early_copy", memory)
	local pinned = holder:match "^pin" and true or false
	check(copies == (pinned and 512 or 0), "copied early: " .. copies)
	check(memory:state().huge ~= pinned, "the parent's PMD is split for a pin")
	check(page:pagemap().pfn == pfn, "the parent keeps the page")

	page:write "B"
	child:barrier()
	local small = child:wait()
	check(small == (pinned and "512" or "0"), "small pages of the child: " .. small)
	return ref:read()
end
