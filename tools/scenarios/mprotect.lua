-- SPDX-License-Identifier: GPL-2.0
--
-- The plainest way to write-protect memory in place: mprotect() to read-only
-- and back, as garbage collectors do for their write barriers. On a private
-- mapping the page_count kernels leave the PTE read-only, and the write fault
-- that follows copies whatever anybody holds, pinned or not.
--
-- Since Linux 6.1 mprotect() itself makes the PTE of an exclusive page writable
-- again, and there is no fault at all.

scenario {
	title = "mprotect to read-only and back, then the owner writes",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice", "uring_fixed",
		    "vm_readv", "direct_write", "rdma_mr" },
	expect = {
		mapcount = {
			get_ro = "B reuse fine refcount=2 mapcount=1",
			pin_ro = "B reuse fine refcount=1025 mapcount=1",
			pin_rw_longterm = "B reuse fine refcount=1025 mapcount=1",
			vmsplice = "B reuse fine refcount=2 mapcount=1",
			uring_fixed = "B reuse fine refcount=1025 mapcount=1",
			vm_readv = "B reuse fine refcount=1025 mapcount=1",
			direct_write = "B reuse fine refcount=2 mapcount=1",
			rdma_mr = "B reuse fine refcount=1025 mapcount=1",
		},
		page_count = {
			get_ro = "A copy pin_lost refcount=2 mapcount=1",
			pin_ro = "A copy pin_lost refcount=1025 mapcount=1",
			pin_rw_longterm = "A copy pin_lost refcount=1025 mapcount=1",
			vmsplice = "A copy maybe_lost refcount=2 mapcount=1",
			uring_fixed = "A copy maybe_lost refcount=1025 mapcount=1",
			vm_readv = "A copy maybe_lost refcount=1025 mapcount=1",
			direct_write = "A copy maybe_lost refcount=2 mapcount=1",
			rdma_mr = "A copy maybe_lost refcount=1025 mapcount=1",
		},
		exclusive = "B none",
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	page:mprotect "r"
	page:mprotect "rw"
	page:write "B"
	return ref:read()
end
