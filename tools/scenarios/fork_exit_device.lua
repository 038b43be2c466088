-- SPDX-License-Identifier: GPL-2.0
--
-- fork_exit, for a holder that writes: data of a read(2) with O_DIRECT that was
-- under way while the program forked never arrive. open(2) warns of it. What is
-- seen here is what the owner reads in the end: D if what the device wrote is
-- there, its own B if that went into a page that nobody maps any more.
--
-- FOLL_GET loses the data, FOLL_PIN does not. O_DIRECT takes FOLL_GET references
-- up to Linux 6.4, and pins since.

local lost = {
	get_rw = "B copy pin_lost refcount=2 mapcount=1",
	pin_rw = "D none early_copy",
	uring_fixed = "D none early_copy",
	direct_read = "B copy maybe_lost refcount=2 mapcount=1 or D none early_copy",
}

local kept = {
	get_rw = "D reuse fine refcount=2 mapcount=1",
	pin_rw = "D none early_copy",
	uring_fixed = "D none early_copy",
	direct_read = "D reuse fine refcount=2 mapcount=1",
}

scenario {
	title = "fork during a device's write, the child exits, then the parent writes",
	holders = { "get_rw", "pin_rw", "uring_fixed", "direct_read" },
	expect = { mapcount = kept, page_count = lost, exclusive = lost },
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	local child = fork(function() end)
	child:wait()
	page:write "B"
	ref:write "D"
	return page:read()
end
