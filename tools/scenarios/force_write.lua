-- SPDX-License-Identifier: GPL-2.0
--
-- A debugger writes to memory that is mapped read-only (FOLL_FORCE, here by
-- /proc/self/mem): a breakpoint in a page that somebody holds. Up to 5.18 that is a
-- write fault on behalf of the owner, and the rule decides as if he wrote himself.
-- Since then it asks for none where the page is exclusive already.

scenario {
	title = "a forced write to a read-only page that somebody holds",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = { mapcount = "B none", page_count = "A none", exclusive = "B none" },
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	page:mprotect "r"
	local mem = assert(io.open("/proc/self/mem", "r+b"))
	mem:setvbuf "no"
	mem:seek("set", page:addr())
	if not mem:write "B" then
		skip "no forced write by /proc/self/mem: proc_mem.force_override is not \"always\""
	end
	mem:close()
	check(page:read() == "B", "it is written")

	local fault
	for _, record in ipairs(trace "cow_fault") do
		if record.addr == page:addr() then
			fault = record
		end
	end
	local decision = { mapcount = "reuse", page_count = "copy", exclusive = "none" }
	local made = fault and fault.decision or "none"
	check(made == decision[rule], "the write fault of that: " .. made)
	return ref:read()
end
