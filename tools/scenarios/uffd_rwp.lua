-- SPDX-License-Identifier: GPL-2.0
--
-- UFFDIO_RWPROTECT (Linux 7.3) makes memory PROT_NONE, to see who touches it: a
-- page is like one that NUMA balancing came by. The next touch makes the entry as
-- it was; who asks for the page by GUP has to touch it first. So no holder is left
-- behind, whether he came before (the first five) or meanwhile.

scenario {
	title = "UFFDIO_RWPROTECT, and the owner writes",
	holders = { "get_ro", "pin_ro", "pin_rw", "pin_rw_longterm", "vmsplice",
		    "get_ro_meanwhile", "pin_rw_meanwhile", "vmsplice_meanwhile" },
	expect = { exclusive = "B none or B reuse fine mapcount=1 exclusive=yes" },
}

function story(holder)
	local kind, meanwhile = holder:gsub("_meanwhile", "")
	local page = map()
	page:write "A"
	settle()

	local ref = meanwhile == 0 and hold(page, kind)
	page:uffd_rwp(true)
	check(page:state().protnone, "it is PROT_NONE")
	if not ref then
		ref = hold(page, kind)
		check(not page:state().protnone, "GUP makes it as it was")
	end
	page:write "B"
	page:uffd_rwp(false)
	return ref:read()
end
