-- SPDX-License-Identifier: GPL-2.0
--
-- CVE-2020-29374. Android's zygote forks children that it does not trust. A
-- child takes a reference to a page that it still shares with its parent and
-- unmaps the page; now the parent is the only one that maps it. The mapcount
-- rule, up to Linux 5.8, lets the parent reuse it, and the child reads what the
-- parent writes: a leak, which nobody but the child can know of if the reference
-- is in a pipe. Jann Horn's report of it led to the page_count rule.
--
-- No kernel since 5.9 leaks: the child must go on reading the old byte. A copy
-- made for that is needed, not wasted. Where the child pins, it does so on a
-- page of its own: to pin for writing is to write, and since 5.19 pinning for
-- reading unshares first.

-- O_DIRECT up to Linux 6.4 (FOLL_GET), and since (FOLL_PIN)
local took_reference = "A copy maybe_lost refcount=2 mapcount=1 exclusive=no"
local unshared = "A reuse fine refcount=1 mapcount=1 exclusive=no"

scenario {
	title = "a child keeps a reference and unmaps, then the parent writes",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice", "uring_fixed",
		    "vm_readv", "direct_write", "rdma_mr" },
	expect = {
		mapcount = {
			get_ro = "B reuse leak refcount=2 mapcount=1",
			pin_ro = "B reuse leak refcount=1025 mapcount=1",
			pin_rw_longterm = "A reuse fine refcount=1 mapcount=1",
			vmsplice = "B reuse fine refcount=2 mapcount=1",
			uring_fixed = "A reuse fine refcount=1 mapcount=1",
			vm_readv = "B reuse fine refcount=1025 mapcount=1",
			direct_write = "B reuse fine refcount=2 mapcount=1",
			rdma_mr = "A reuse fine refcount=1 mapcount=1",
		},
		page_count = {
			get_ro = "A copy needed refcount=2 mapcount=1",
			pin_ro = "A copy needed refcount=1025 mapcount=1",
			pin_rw_longterm = "A reuse fine refcount=1 mapcount=1",
			vmsplice = "A copy maybe_lost refcount=2 mapcount=1",
			uring_fixed = "A reuse fine refcount=1 mapcount=1",
			vm_readv = "A copy maybe_lost refcount=1025 mapcount=1",
			direct_write = "A copy maybe_lost refcount=2 mapcount=1",
			rdma_mr = "A reuse fine refcount=1 mapcount=1",
		},
		exclusive = {
			get_ro = "A copy needed refcount=2 mapcount=1 exclusive=no",
			pin_ro = "A reuse fine refcount=1 mapcount=1 exclusive=no",
			pin_rw_longterm = "A reuse fine refcount=1 mapcount=1 exclusive=no",
			vmsplice = "A copy maybe_lost refcount=2 mapcount=1 exclusive=no",
			uring_fixed = "A reuse fine refcount=1 mapcount=1 exclusive=no",
			vm_readv = "A reuse fine refcount=1 mapcount=1 exclusive=no",
			direct_write = took_reference .. " or " .. unshared,
			rdma_mr = "A reuse fine refcount=1 mapcount=1 exclusive=no",
		},
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local child = fork(function(parent)
		local ref = hold(page, holder)
		page:munmap()
		parent:barrier() -- the reference is all that the child has left
		parent:barrier() -- the parent has written
		return ref:read()
	end)
	child:barrier()
	page:write "B"
	child:barrier()
	return child:wait()
end
