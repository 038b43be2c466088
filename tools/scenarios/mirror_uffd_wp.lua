-- SPDX-License-Identifier: GPL-2.0
--
-- A live snapshot of a virtual machine whose memory a secondary MMU maps as
-- well. UFFDIO_WRITEPROTECT tells it twice (protection_vma): as the protection
-- comes and as it goes. The device looks at the page after that, then the owner
-- writes.
--
-- Where that write faults, before Linux 6.2, the page_count rule copies for any
-- reference; who drops it when told of the copy is right all the same.

local kept = "B none mirror or B reuse fine mapcount=1 exclusive=yes mirror"

scenario {
	title = "a secondary MMU, UFFDIO_WRITEPROTECT and back, then the owner writes",
	holders = { "mirror_none", "mirror_get", "mirror_keep" },
	expect = {
		mapcount = "B reuse fine mapcount=1 mirror",
		page_count = {
			mirror_none = "B reuse fine refcount=1 mapcount=1 mirror",
			mirror_get = "B copy superfluous refcount=2 mapcount=1 mirror",
			mirror_keep = "A copy pin_lost refcount=2 mapcount=1 mirror",
		},
		exclusive = kept,
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local device = hold(page, holder)
	page:uffd_wp(true)
	page:uffd_wp(false)
	device:read()
	settle()
	page:write "B"
	return device:read()
end
