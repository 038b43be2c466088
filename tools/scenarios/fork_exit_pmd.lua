-- SPDX-License-Identifier: GPL-2.0
--
-- fork_exit on a huge page mapped by PMD, of which one page may be held: how many
-- of its 512 pages are copied when the parent writes them all? Where a PMD is
-- reused by its mappings, up to Linux 5.17, none. Since then one reference to one
-- page makes the kernel split the PMD and copy 512 pages, of which it loses one.

local reused = "0 reuse fine level=pmd mapcount=1"

scenario {
	title = "a huge page by PMD: fork, the child exits, the parent writes it all",
	holders = { "get_ro", "nobody" },
	expect = {
		mapcount = reused,
		page_count = reused,
		exclusive = { get_ro = "512 copy superfluous level=pte refcount=2", nobody = reused },
	},
}

function story(holder)
	local huge = map { huge = "pmd" }
	huge:write "A"
	settle()

	local ref = holder == "get_ro" and hold(huge:part(), holder)
	fork(function() end):wait()
	settle()
	huge:write(("B"):rep(512 * 4096))

	if ref then
		local kept = copies(huge) == 0
		check(ref:read() == (kept and "B" or "A"), "the holder loses what is copied")
	end
	return tostring(copies(huge))
end
