-- SPDX-License-Identifier: GPL-2.0
--
-- A tracker asks which pages were written, and a device writes to one through its
-- pin, past every page table. The only answer that loses nothing is "dirty". That
-- is what soft-dirty tracking says of a pinned page that is mapped writable by a
-- PTE: clear_refs leaves it alone (9348b73c2e1b). It says "clean" of the same
-- page under a PMD, where nobody asks for pins, of one that is read-only for a
-- while, of shared memory and of FOLL_GET. UFFDIO_WRITEPROTECT never asks.

-- What the tracker says after the device has written: true is right.
local says_dirty = {
	small = true, thp_pte = true,
	referenced = false, read_only = false, thp_pmd = false, shared = false, uffd_wp = false,
}

scenario {
	title = "tracking begins, a device writes, then the owner",
	holders = { "small", "thp_pte", "thp_pmd", "read_only", "shared", "referenced", "uffd_wp" },
	expect = {
		mapcount = {
			small = "B none or B reuse fine",
			thp_pte = "B none or B reuse fine",
			thp_pmd = "B reuse fine level=pmd refcount=2 mapcount=1",
			read_only = "B reuse fine refcount=1025 mapcount=1",
			shared = "B reuse fine kind=shmem",
			referenced = "B reuse fine refcount=2 mapcount=1",
			uffd_wp = "B reuse fine refcount=1025 mapcount=1",
		},
		page_count = {
			small = "B none",
			thp_pte = "B none",
			thp_pmd = "B reuse fine level=pmd refcount=2 mapcount=1",
			read_only = "D copy pin_lost refcount=1025 mapcount=1",
			shared = "B reuse fine kind=shmem",
			referenced = "D copy pin_lost refcount=2 mapcount=1",
			uffd_wp = "D copy pin_lost refcount=1025 mapcount=1",
		},
		exclusive = {
			small = "B none",
			thp_pte = "B none",
			thp_pmd = "B reuse fine level=pmd refcount=2 mapcount=1 exclusive=yes",
			read_only = "B reuse fine refcount=1025 mapcount=1 exclusive=yes",
			shared = "B reuse fine kind=shmem",
			referenced = "B reuse fine refcount=2 mapcount=1 exclusive=yes",
			uffd_wp = "B none or B reuse fine refcount=1025 exclusive=yes",
		},
	},
}

local memory = {
	thp_pte = { huge = "pte" },
	thp_pmd = { huge = "pmd" },
	shared = { file = "memfd", shared = true },
}

local function begin_tracking(how, page)
	if how == "uffd_wp" then
		page:uffd_wp(true)
	elseif how == "read_only" then
		page:mprotect "r"
		clear_refs(4)
		page:mprotect "rw"
	else
		clear_refs(4)
	end
end

local function is_dirty(how, page)
	if how == "uffd_wp" then
		return not page:state().uffd_wp
	end
	return page:pagemap().soft_dirty
end

function story(how)
	local all = map(memory[how])
	all:write "A"
	local page = all:part()
	settle()

	local ref = hold(page, how == "referenced" and "get_rw" or "pin_rw")
	begin_tracking(how, page)
	ref:write "D"
	check(page:read() == "D", "the device has written")
	if rule ~= "mapcount" then -- there was no clear_refs that knows of pins
		check(is_dirty(how, page) == says_dirty[how], "what the tracker says")
	end
	if how == "thp_pte" and rule ~= "mapcount" then
		check(all:pagemap(511 * 4096).soft_dirty, "a pin keeps all of a huge page dirty")
	end

	if how == "uffd_wp" then
		page:uffd_wp(false)
	end
	page:write "B"
	check(how == "uffd_wp" or page:pagemap().soft_dirty, "the owner's write is seen")
	return ref:read()
end
