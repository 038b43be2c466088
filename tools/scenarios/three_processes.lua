-- SPDX-License-Identifier: GPL-2.0
--
-- Since Linux 6.15 a large folio knows which processes map it, but has room for
-- two. Of three, the last one to come is not among them; when the other two have
-- gone, it is the only one left, nobody holds anything, and the folio still counts
-- as shared: every page is copied. Mapped by one PMD, the folio is reused, for
-- there a single reference is enough.

scenario {
	title = "a huge page of three processes: two go, the third writes it all",
	holders = { "pte", "pmd" },
	expect = {
		mapcount = { pte = "0 reuse fine mapcount=1", pmd = "0 reuse fine level=pmd" },
		page_count = {
			pte = "511 reuse fine refcount=1 mapcount=1",
			pmd = "0 reuse fine level=pmd",
		},
		exclusive = {
			as_small = {
				pte = "511 reuse fine refcount=1 mapcount=1",
				pmd = "0 reuse fine level=pmd",
			},
			never = {
				pte = "512 copy superfluous refcount=1 mapcount=1",
				pmd = "0 reuse fine level=pmd",
			},
			mappings = {
				pte = "512 copy superfluous refcount=1",
				pmd = "0 reuse fine level=pmd",
			},
		},
	},
}

function story(by)
	local huge = map { huge = by }
	huge:write "A"
	settle()

	local second = fork(function(parent)
		parent:barrier()
	end)
	local third = fork(function(parent)
		parent:barrier() -- the other two have gone
		huge:write(("B"):rep(512 * 4096))
		return tostring(copies(huge))
	end)
	second:barrier()
	second:wait()
	huge:munmap()
	settle()
	third:barrier()
	return third:wait()
end
