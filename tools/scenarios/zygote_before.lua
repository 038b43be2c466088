-- SPDX-License-Identifier: GPL-2.0
--
-- The zygote the other way round: the parent takes the reference, then forks and
-- unmaps the page, and the child writes. What the child writes is not the
-- parent's to see. The mapcount rule showed it; since 5.9 nothing does.
--
-- A pin taken before fork() gives the child a copy of its own at once.

scenario {
	title = "the parent keeps a reference over fork and unmaps, then the child writes",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = {
		mapcount = {
			get_ro = "B reuse leak refcount=2 mapcount=1",
			pin_ro = "A none early_copy or B reuse leak refcount=1025 mapcount=1",
			pin_rw_longterm = "A none early_copy or B reuse leak refcount=1025 mapcount=1",
			vmsplice = "B reuse fine refcount=2 mapcount=1",
		},
		page_count = {
			get_ro = "A copy needed refcount=2 mapcount=1",
			pin_ro = "A none early_copy",
			pin_rw_longterm = "A none early_copy",
			vmsplice = "A copy maybe_lost refcount=2 mapcount=1",
		},
		exclusive = {
			get_ro = "A copy needed refcount=2 mapcount=1 exclusive=no",
			pin_ro = "A none early_copy",
			pin_rw_longterm = "A none early_copy",
			vmsplice = "A copy maybe_lost refcount=2 mapcount=1 exclusive=no",
		},
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	local child = fork(function(parent)
		parent:barrier() -- the parent has unmapped it
		page:write "B"
	end)
	page:munmap()
	child:barrier()
	child:wait()
	return ref:read()
end
