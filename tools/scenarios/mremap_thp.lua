-- SPDX-License-Identifier: GPL-2.0
--
-- mremap() of a huge page that is held: to an aligned address the PMD moves as it
-- is, to another it is split. The holder stays with its page. What the next
-- write-protect does to it hangs on that in 5.10, which counts mappings of a PMD,
-- and references of a PTE.

scenario {
	title = "mremap of a held huge page, mprotect and back, then the owner writes",
	holders = { "aligned", "misaligned" },
	expect = {
		mapcount = {
			aligned = "C reuse fine level=pmd refcount=2 mapcount=1",
			misaligned = "C reuse fine level=pte refcount=513 mapcount=1",
		},
		page_count = {
			aligned = "C reuse fine level=pmd refcount=2 mapcount=1",
			misaligned = "B copy pin_lost level=pte refcount=513 mapcount=1",
		},
		exclusive = "C none or C reuse fine exclusive=yes",
	},
}

function story(how)
	local memory = map { huge = "pmd" }
	memory:write "A"
	settle()

	local ref = hold(memory:part(), "pin_rw")
	local pfn = memory:pagemap().pfn
	memory:mremap { shift = how == "aligned" and 0 or 4096 }
	check(memory:pagemap().pfn == pfn, "the same page at a new address")
	check(memory:state().huge == (how == "aligned"), "by the PMD if that fits")
	check(memory:write "B" == nil and ref:read() == "B", "the holder has come along")

	memory:mprotect "r"
	memory:mprotect "rw"
	memory:write "C"
	return ref:read()
end
