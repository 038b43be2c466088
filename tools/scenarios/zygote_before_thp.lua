-- SPDX-License-Identifier: GPL-2.0
--
-- A reference taken before fork(), on a huge page mapped by PMD. Where a PMD is
-- reused by its mappings, up to Linux 5.17, the child that is left alone with the
-- page writes into what the parent holds.
--
-- A pin of one page of it makes fork() split the PMD and copy all 512 pages.

scenario {
	title = "a reference over fork on a huge page mapped by PMD, then the child writes",
	holders = { "get_ro", "pin_ro", "vmsplice" },
	expect = {
		mapcount = {
			get_ro = "B reuse leak level=pmd refcount=2 mapcount=1",
			pin_ro = "A none early_copy or B reuse leak level=pmd mapcount=1",
			vmsplice = "B reuse fine level=pmd refcount=2 mapcount=1",
		},
		page_count = {
			get_ro = "B reuse leak level=pmd refcount=2 mapcount=1",
			pin_ro = "A none early_copy",
			vmsplice = "B reuse fine level=pmd refcount=2 mapcount=1",
		},
		exclusive = {
			-- Split first: 512 PTEs and the reference.
			get_ro = "A copy needed level=pte refcount=513 mapcount=1 exclusive=no",
			pin_ro = "A none early_copy",
			vmsplice = "A copy maybe_lost level=pte refcount=513 mapcount=1 exclusive=no",
		},
	},
}

function story(holder)
	local huge = map { huge = "pmd" }
	huge:write "A"
	settle()

	local ref = hold(huge:part(), holder)
	local child = fork(function(parent)
		parent:barrier() -- the parent has unmapped it
		huge:write "B"
	end)
	local early = #trace("early_copy", huge)
	check(early == (holder == "pin_ro" and 512 or 0) or rule == "mapcount",
	      early .. " pages were copied early")
	huge:munmap()
	child:barrier()
	child:wait()
	return ref:read()
end
