-- SPDX-License-Identifier: GPL-2.0
--
-- The zygote leak by way of swap: memory is short, the parent's page goes to the
-- swap cache, and the parent's write brings it back. Up to Linux 5.17
-- do_swap_page() decides by itself there, by mappings and swap entries, so on
-- Debian's 5.10 the child reads what the parent writes. Since 5.19 the swap entry
-- remembers whether the page was exclusive.

-- Whose the pipe is cannot be known; the byte that the child reads tells.
local leaks = { get_ro = "B reuse leak", vmsplice = "B reuse fine" }

scenario {
	title = "the zygote while the page is in the swap cache",
	holders = { "get_ro", "vmsplice" },
	expect = {
		mapcount = leaks,
		page_count = leaks,
		exclusive = {
			get_ro = "A copy needed mapcount=1 exclusive=no",
			vmsplice = "A copy maybe_lost mapcount=1 exclusive=no",
		},
	},
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local child = fork(function(parent)
		local ref = hold(page, holder)
		page:munmap()
		parent:barrier() -- the reference is all that the child has left
		parent:barrier() -- the parent has written
		return ref:read()
	end)
	child:barrier()
	settle()
	if not page:swap_out() then
		skip "no swap space"
	end
	page:write "B"
	child:barrier()
	return child:wait()
end
