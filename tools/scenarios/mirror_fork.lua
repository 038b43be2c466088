-- SPDX-License-Identifier: GPL-2.0
--
-- A process whose memory a secondary MMU maps forks, and the child exits. Fork
-- tells the mirror (protection_page); nothing but a read-only PTE is left of it.
-- The device looks at the page once more, then the owner writes.
--
-- Any reference makes page_count and exclusive copy, as the page is exclusive no
-- more. The mirror that holds none costs nothing, the one that drops it when told
-- costs a copy for nothing, and who keeps it is left with the old page. Under
-- the mapcount rule the page was reused for all of them.

local counted = {
	mirror_none = "B reuse fine refcount=1 mapcount=1 mirror",
	mirror_get = "B copy superfluous refcount=2 mapcount=1 mirror",
	mirror_keep = "A copy pin_lost refcount=2 mapcount=1 mirror",
}

scenario {
	title = "a secondary MMU, fork, the child exits, then the parent writes",
	holders = { "mirror_none", "mirror_get", "mirror_keep" },
	expect = {
		mapcount = "B reuse fine mapcount=1 mirror",
		page_count = counted,
		exclusive = counted,
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local device = hold(page, holder)
	local child = fork(function() end)
	child:wait()
	device:read()
	settle()
	page:write "B"
	return device:read()
end
