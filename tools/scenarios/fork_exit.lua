-- SPDX-License-Identifier: GPL-2.0
--
-- As fork_after, but the child is gone before the parent writes: system() or
-- popen() in a program that does O_DIRECT. Nobody else maps the page any more;
-- what is left of the fork is a PTE without its write bit. The mapcount rule
-- reuses the page here. page_count sees the reference and copies. exclusive
-- lost the mark at the fork, falls back to counting references, and copies too.

local lost = {
	get_ro = "A copy pin_lost refcount=2 mapcount=1",
	pin_ro = "B none early_copy",
	pin_rw_longterm = "B none early_copy",
	vmsplice = "A copy maybe_lost refcount=2 mapcount=1",
	uring_fixed = "B none early_copy",
	vm_readv = "B none early_copy",
	direct_write = "A copy maybe_lost refcount=2 mapcount=1 or B none early_copy",
	rdma_mr = "B none early_copy",
}

local kept = {
	get_ro = "B reuse fine refcount=2 mapcount=1",
	pin_ro = "B none early_copy",
	pin_rw_longterm = "B none early_copy",
	vmsplice = "B reuse fine refcount=2 mapcount=1",
	uring_fixed = "B none early_copy",
	vm_readv = "B none early_copy",
	direct_write = "B reuse fine refcount=2 mapcount=1",
	rdma_mr = "B none early_copy",
}

scenario {
	title = "fork after the reference, the child exits, then the parent writes",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice", "uring_fixed",
		    "vm_readv", "direct_write", "rdma_mr" },
	expect = { mapcount = kept, page_count = lost, exclusive = lost },
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	local child = fork(function() end)
	child:wait()
	page:write "B"
	return ref:read()
end
