-- SPDX-License-Identifier: GPL-2.0
--
-- A pin of a small page adds 1024 to its count of references, so whatever has
-- 1024 of them looks pinned. The comment of page_maybe_dma_pinned() finds that
-- unlikely, and its callers able to live with it. This is how they live: fork()
-- copies a page that nobody pinned, and to clear_refs it stays written for ever.
--
-- Both ask first whether this process has ever pinned anything; a single pin of
-- another page, long returned, and the answer is yes for as long as it lives.
-- fork() takes a reference of its own before it counts since Linux 5.19, so to it
-- 1023 are enough.

scenario {
	title = "so many plain references that they look like a pin",
	holders = { "1022", "1023", "1024", "1024_no_pin" },
	expect = {
		mapcount = {
			["1022"] = "B reuse fine refcount=1022 mapcount=1",
			["1023"] = "B reuse fine refcount=1023 mapcount=1",
			["1024"] = "B none early_copy or B reuse fine refcount=1024 mapcount=1",
			["1024_no_pin"] = "B reuse fine refcount=1024 mapcount=1",
		},
		page_count = {
			["1022"] = "A copy pin_lost refcount=1022 mapcount=1",
			["1023"] = "A copy pin_lost refcount=1023 mapcount=1",
			["1024"] = "B none early_copy",
			["1024_no_pin"] = "A copy pin_lost refcount=1024 mapcount=1",
		},
		exclusive = {
			["1022"] = "A copy pin_lost refcount=1022 mapcount=1 exclusive=no",
			["1023"] = "B reuse fine refcount=1023 mapcount=1 exclusive=yes early_copy",
			["1024"] = "B none early_copy",
			["1024_no_pin"] = "A copy pin_lost refcount=1024 mapcount=1 exclusive=no",
		},
	},
}

function story(holder)
	local page, other = map(), map()
	page:write "A"
	other:write "A"
	settle()

	if not holder:match "no_pin" then
		hold(other, "pin_ro"):unpin()
	end
	local references = tonumber(holder:match "%d+")
	local crowd = hold(page, "get_ro", references - 1) -- and its mapping
	check(page:state().refcount == references, "so many")
	check(page:state().pinned == (references >= 1024 and "yes" or "no"), "looks pinned")

	clear_refs(4)
	if rule ~= "mapcount" then
		local left = holder == "1024"
		check(page:pagemap().soft_dirty == left, "clear_refs leaves what looks pinned")
		check(page:state().write == left, "... with its write bit")
	end
	local child = fork(function() end)
	child:wait()
	page:write "B"
	return crowd:read()
end
