-- SPDX-License-Identifier: GPL-2.0
--
-- A process hands out a page and then forks: O_DIRECT, RDMA and GPU drivers
-- have met this for twenty years. Whoever of the two writes first gets the
-- copy, and if that is the parent, the holder is left with the child.
--
-- FOLL_PIN exists for this: fork() copies a page that looks pinned for the
-- child at once (70e806e4e645, Linux 5.9) and leaves the parent's PTE alone.
-- A FOLL_GET reference is lost on every kernel; O_DIRECT took that up to Linux
-- 6.4, and has pinned since.

local lost = {
	get_ro = "A copy pin_lost refcount=3 mapcount=2",
	pin_ro = "B none early_copy",
	pin_rw_longterm = "B none early_copy",
	vmsplice = "A copy maybe_lost refcount=3 mapcount=2",
	uring_fixed = "B none early_copy",
	vm_readv = "B none early_copy",
	direct_write = "A copy maybe_lost refcount=3 mapcount=2 or B none early_copy",
	rdma_mr = "B none early_copy",
}

scenario {
	title = "fork after the reference, then the parent writes",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice", "uring_fixed",
		    "vm_readv", "direct_write", "rdma_mr" },
	expect = { mapcount = lost, page_count = lost, exclusive = lost },
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	local child = fork(function(parent)
		parent:barrier() -- stays, and maps the page, until it was written
	end)
	page:write "B"
	child:barrier()
	child:wait()
	return ref:read()
end
