-- SPDX-License-Identifier: GPL-2.0
--
-- Soft-dirty tracking, with which CRIU finds the pages written since a moment,
-- begins by taking the write bit from every PTE: "4" into /proc/PID/clear_refs.
-- In January 2021 Andrea Arcangeli showed that the page_count rule then copies
-- a page that somebody merely holds, and leaves the holder with the old one.
--
-- FOLL_PIN pins are safe everywhere: clear_refs leaves a page alone that looks
-- pinned (9348b73c2e1b, Linux 5.11, and Debian's 5.10). It cannot see FOLL_GET:
-- O_DIRECT is lost up to 6.4, where it takes references, if page_count rules.

scenario {
	title = "clear_refs takes the write bit, then the owner writes",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice", "uring_fixed",
		    "vm_readv", "direct_write", "rdma_mr" },
	expect = {
		mapcount = {
			get_ro = "B reuse fine refcount=2 mapcount=1",
			pin_ro = "B none",
			pin_rw_longterm = "B none",
			vmsplice = "B reuse fine refcount=2 mapcount=1",
			uring_fixed = "B none",
			vm_readv = "B none",
			direct_write = "B reuse fine refcount=2 mapcount=1 or B none",
			rdma_mr = "B none",
		},
		page_count = {
			get_ro = "A copy pin_lost refcount=2 mapcount=1",
			pin_ro = "B none",
			pin_rw_longterm = "B none",
			vmsplice = "A copy maybe_lost refcount=2 mapcount=1",
			uring_fixed = "B none",
			vm_readv = "B none",
			direct_write = "A copy maybe_lost refcount=2 mapcount=1",
			rdma_mr = "B none",
		},
		exclusive = {
			get_ro = "B reuse fine refcount=2 mapcount=1 exclusive=yes",
			pin_ro = "B none",
			pin_rw_longterm = "B none",
			vmsplice = "B reuse fine refcount=2 mapcount=1 exclusive=yes",
			uring_fixed = "B none",
			vm_readv = "B none",
			direct_write = "B reuse fine refcount=2 mapcount=1 exclusive=yes or B none",
			rdma_mr = "B none",
		},
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	clear_refs(4)
	page:write "B"
	return ref:read()
end
