-- SPDX-License-Identifier: GPL-2.0
--
-- The huge page of the dispute of January 2021: a device of the parent holds
-- subpage A, the child maps only subpages B. Nobody else can reach B; still, when
-- the child has forked a grandchild that is gone, its next write to B is copied,
-- for the references of a large folio are counted together. Once a page: the copy
-- is a small one, and later rounds reuse it. Here are three rounds over eight
-- pages, and how many superfluous copies the first made; the others make none.
--
--   get_ro    the parent maps A and holds it by a reference
--   pin_ro    ... by a pin, which since 5.19 takes A out of the folio first
--   nobody    the parent has unmapped it all
--   one_page  the same, and B is a single page
--
-- What exclusive does for a large folio went through three rules: as_small counts
-- its references, never (6.7) always copies, mappings (6.15) reuses it if all its
-- references are this process's mappings, more than one.

local all, seven, once, none = "8 reuse fine", "7 reuse fine", "1 reuse fine", "0 reuse fine"

scenario {
	title = "a huge page in parts: A held by the parent, B written by the child",
	holders = { "get_ro", "pin_ro", "nobody", "one_page" },
	expect = {
		mapcount = none,
		-- The last of eight is alone with one reference.
		page_count = { get_ro = all, pin_ro = all, nobody = seven, one_page = none },
		exclusive = {
			as_small = { get_ro = all, pin_ro = seven, nobody = seven, one_page = none },
			never = { get_ro = all, pin_ro = all, nobody = all, one_page = once },
			mappings = { get_ro = all, pin_ro = none, nobody = none, one_page = once },
		},
	},
}

-- Leaves only some pages of a huge one mapped.
local function keep(huge, offset, length)
	if offset > 0 then
		huge:part(0, offset):munmap()
	end
	huge:part(offset + length, 512 * 4096 - offset - length):munmap()
end

function story(holder)
	local huge = map { huge = "pmd" }
	huge:write "A"
	settle()

	local offset, length = 256 * 4096, holder == "one_page" and 4096 or 8 * 4096
	local child = fork(function(parent)
		local b = huge:part(offset, length)
		keep(huge, offset, length)
		parent:barrier() -- the parent has A, the child has B
		parent:barrier() -- the device has A, too
		local first
		for _ = 1, 3 do
			fork(function() end):wait()
			settle()
			b:write(("B"):rep(length))
			first = first or copies(b)
		end
		check(copies(b) == first, "a page is copied once")
		check(copies(b, "superfluous") == first, "for nothing")
		return tostring(first)
	end)
	if holder:match "_ro" then
		keep(huge, 0, 4096)
		child:barrier()
		hold(huge:part(), holder)
	else
		huge:munmap()
		child:barrier()
	end
	child:barrier()
	return child:wait()
end
