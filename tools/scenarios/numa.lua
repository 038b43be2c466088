-- SPDX-License-Identifier: GPL-2.0
--
-- NUMA balancing makes memory PROT_NONE now and then, to see from where it is
-- used. The next touch makes the PTE as it was, or writable by way of a write
-- fault on a page that is exclusive. 5.10 and 6.1 leave a page alone that has
-- more than one reference, as that fault would have copied it; 6.12 and later
-- leave alone what is pinned, and reuse the rest.

scenario {
	title = "NUMA balancing comes by a held page, then the owner writes",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = {
		mapcount = "B none or B reuse fine mapcount=1",
		page_count = "B none",
		exclusive = "B none or B reuse fine exclusive=yes",
	},
}

local function read_number(path)
	local file = io.open(path)
	return file and file:read "n"
end

function story(holder)
	if not io.open "/sys/devices/system/node/node1" then
		skip "one NUMA node only: nothing to balance"
	elseif read_number "/proc/sys/kernel/numa_balancing" ~= 1 then
		skip "kernel.numa_balancing is not 1"
	end

	cpu(0)
	local page, free = map(), map()
	page:write "A"
	free:write "A"
	settle()
	local ref = hold(page, holder)

	-- Only who runs, and on another node than his memory, is looked at.
	cpu(1)
	while not free:state().protnone do
		if os.clock() > 30 then
			skip "NUMA balancing did not come by in 30 s of processor time"
		end
	end
	local protnone = page:state().protnone
	check(not (protnone and holder:match "^pin"), "what is pinned is left alone")
	check(not (protnone and rule == "page_count"), "so is what has another reference")
	page:write "B"
	return ref:read()
end
