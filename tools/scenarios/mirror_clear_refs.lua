-- SPDX-License-Identifier: GPL-2.0
--
-- A GPU driver, KVM or any other secondary MMU maps the same pages as the process
-- and has an mmu notifier that tells it what happens to them. clear_refs tells it
-- that all addresses change (soft_dirty). The device here then looks at the page
-- once more, so each has it mapped again when the owner writes.
--
-- One that holds no reference, or drops it when told, is right on every rule: a
-- copy tells it before the new page is seen. All that the page_count rule takes
-- from the one with a reference is a copy for nothing. One that keeps page and
-- reference whatever it is told, as drivers did that drop mappings late, is left
-- with the old page by page_count: Andrea Arcangeli's complaint of January 2021.

scenario {
	title = "a secondary MMU, clear_refs, then the owner writes",
	holders = { "mirror_none", "mirror_get", "mirror_keep" },
	expect = {
		mapcount = "B reuse fine mapcount=1 mirror",
		page_count = {
			mirror_none = "B reuse fine refcount=1 mapcount=1 mirror",
			mirror_get = "B copy superfluous refcount=2 mapcount=1 mirror",
			mirror_keep = "A copy pin_lost refcount=2 mapcount=1 mirror",
		},
		exclusive = {
			mirror_none = "B reuse fine refcount=1 mapcount=1 exclusive=yes mirror",
			mirror_get = "B reuse fine refcount=2 mapcount=1 exclusive=yes mirror",
			mirror_keep = "B reuse fine refcount=2 mapcount=1 exclusive=yes mirror",
		},
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local device = hold(page, holder)
	clear_refs(4)
	device:read()
	settle()
	page:write "B"
	return device:read()
end
