-- SPDX-License-Identifier: GPL-2.0
--
-- Somebody holds a page, its owner writes to it, and nothing write-protected it
-- in between. The PTE is writable, so no write faults, no rule is asked, and
-- holder and owner go on sharing one page on every kernel. Whatever the other
-- scenarios lose, they lose by the one step that this one leaves out.

scenario {
	title = "the owner writes to a page that somebody holds",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice", "uring_fixed",
		    "vm_readv", "direct_write", "rdma_mr" },
	expect = "B none",
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	page:write "B"
	return ref:read()
end
