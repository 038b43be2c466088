-- SPDX-License-Identifier: GPL-2.0
--
-- fork_exit on a huge page mapped by 512 PTEs: each is a mapping and a reference,
-- and both rules that count references count all of them for each page. So the
-- parent, alone with its memory again, copies all but the last page of it, which
-- is the last reference. Linux 6.7 gave up and copies that, too; since 6.15 the
-- folio is reused if nothing but this process's mappings refers to it.

local none, all = "0 reuse fine mapcount=1", "512 copy superfluous refcount=2 mapcount=1"
local but_one = "511 reuse fine refcount=1 mapcount=1"

scenario {
	title = "a huge page by PTEs: fork, the child exits, the parent writes it all",
	holders = { "get_ro", "nobody" },
	expect = {
		mapcount = none,
		page_count = { get_ro = all, nobody = but_one },
		exclusive = {
			as_small = { get_ro = all, nobody = but_one },
			never = { get_ro = all, nobody = "512 copy superfluous refcount=1 mapcount=1" },
			mappings = { get_ro = all, nobody = "0 reuse fine" },
		},
	},
}

function story(holder)
	local huge = map { huge = "pte" }
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
