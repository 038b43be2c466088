-- SPDX-License-Identifier: GPL-2.0
--
-- A live snapshot (QEMU's, since 2021) write-protects memory with
-- UFFDIO_WRITEPROTECT, saves a page and takes the protection off again. Before
-- Linux 6.2 that leaves the PTE read-only for the next write fault to sort out.
-- The page_count rule sorts it out by copying: nothing here asks whether the
-- page is pinned, so every kind of holder is left behind, FOLL_PIN or not.
--
-- Since 6.2 lifting the protection makes the PTE of an exclusive page writable
-- at once, and there is no fault at all.

local kept = "B none or B reuse fine mapcount=1 exclusive=yes"

scenario {
	title = "UFFDIO_WRITEPROTECT and back, then the owner writes",
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
		exclusive = kept,
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	page:uffd_wp(true)
	page:uffd_wp(false)
	page:write "B"
	return ref:read()
end
