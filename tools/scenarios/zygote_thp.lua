-- SPDX-License-Identifier: GPL-2.0
--
-- The zygote leak where a PMD maps a huge page. When Linux 5.9 taught
-- do_wp_page() to count references, do_huge_pmd_wp_page() went on asking for
-- mappings until 5.18: Debian's 5.10 hands the child what the parent writes. A
-- pin leaks like a reference there; since 5.19 it unshares first.
--
-- Linux 5.8, which followed the mapcount rule, closed it for a while by making
-- the reference itself break the sharing.

local leaks = {
	get_ro = "B reuse leak level=pmd refcount=2 mapcount=1",
	pin_ro = "B reuse leak level=pmd refcount=2 mapcount=1",
	pin_rw_longterm = "A reuse fine level=pmd refcount=1 mapcount=1",
	-- Whose the pipe is cannot be known; the byte that the child reads tells.
	vmsplice = "B reuse fine level=pmd refcount=2 mapcount=1",
}

scenario {
	title = "the zygote on a huge page mapped by PMD",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = {
		mapcount = leaks,
		page_count = leaks,
		exclusive = {
			-- Split first: 512 PTEs and the reference.
			get_ro = "A copy needed level=pte refcount=513 mapcount=1 exclusive=no",
			pin_ro = "A reuse fine level=pmd refcount=1 mapcount=1 exclusive=no",
			pin_rw_longterm = "A reuse fine level=pmd refcount=1 mapcount=1 exclusive=no",
			vmsplice = "A copy maybe_lost level=pte refcount=513 mapcount=1 exclusive=no",
		},
	},
}

function story(holder)
	local huge = map { huge = "pmd" }
	huge:write "A"
	settle()

	local child = fork(function(parent)
		local ref = hold(huge:part(), holder)
		huge:munmap()
		parent:barrier() -- the reference is all that the child has left
		parent:barrier() -- the parent has written
		return ref:read()
	end)
	child:barrier()
	huge:write "B"
	child:barrier()
	return child:wait()
end
