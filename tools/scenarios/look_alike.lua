-- SPDX-License-Identifier: GPL-2.0
--
-- "It is not even possible to detect reliably": a reference by FOLL_GET that a
-- driver keeps for an hour, and one that compaction, /proc or a racing GUP-fast
-- takes for a microsecond, are the same number in page->_refcount. A rule that
-- counts references must take the passer-by for a holder. It copies for both: one
-- copy loses somebody's page, the other only costs time and memory.
--
-- The fork takes the page's exclusive mark, so the newest rule counts here, too.
-- The mapcount rule did not count, and copied for neither.

scenario {
	title = "a holder or a passer-by: the same count, the same copy",
	holders = { "get_ro", "vmsplice", "speculative" },
	expect = {
		mapcount = "- reuse fine refcount=2 mapcount=1 pinned=no",
		page_count = {
			get_ro = "- copy pin_lost refcount=2 mapcount=1 pinned=no",
			vmsplice = "- copy maybe_lost refcount=2 mapcount=1 pinned=no",
			speculative = "- copy superfluous refcount=2 mapcount=1 pinned=no",
		},
		exclusive = {
			get_ro = "- copy pin_lost refcount=2 mapcount=1 exclusive=no pinned=no",
			vmsplice = "- copy maybe_lost refcount=2 mapcount=1 exclusive=no pinned=no",
			speculative = "- copy superfluous refcount=2 mapcount=1 exclusive=no pinned=no",
		},
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local child = fork(function() end)
	child:wait()
	hold(page, holder)
	page:write "B"
end
