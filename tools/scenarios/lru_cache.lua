-- SPDX-License-Identifier: GPL-2.0
--
-- A page that was just faulted in waits in a cache of its CPU to be put on an LRU
-- list, and the cache holds a reference. The page_count rule takes that for a
-- holder, and copies memory that is nobody else's, if it is written soon enough.
-- An exclusive page needs no count. After a fork it is not exclusive any more:
-- then this CPU's cache is emptied before references are counted, but not another
-- CPU's, and a process that has moved copies still.

scenario {
	title = "a fresh page, write-protected and written at once",
	holders = { "mprotect", "clear_refs", "fork_same_cpu", "fork_other_cpu" },
	expect = {
		page_count = "- copy superfluous refcount=2 mapcount=1",
		exclusive = {
			mprotect = "- none",
			clear_refs = "- reuse fine refcount=2 mapcount=1 exclusive=yes",
			fork_same_cpu = "- reuse fine refcount=2 mapcount=1 exclusive=no",
			fork_other_cpu = "- copy superfluous refcount=2 mapcount=1 exclusive=no",
		},
		mapcount = "- reuse fine refcount=2 mapcount=1",
	},
}

local protect = {}

function protect.mprotect(page)
	page:mprotect "r"
	page:mprotect "rw"
end

function protect.clear_refs()
	clear_refs(4)
end

-- A fork touches many pages: on another CPU, for the caches to keep the page.
function protect.fork_same_cpu()
	cpu(1)
	fork(function() end):wait()
	cpu(0)
end

function protect.fork_other_cpu()
	cpu(1)
	fork(function() end):wait()
end

function story(how)
	for _ = 1, 20 do
		local page = map()
		cpu(0)
		settle()
		page:write "A"
		protect[how](page)
		local fault = page:write "B"
		-- A cache is emptied when it is full: then this was not the moment.
		if not fault or fault.refcount > 1 then
			return
		end
	end
end
