-- SPDX-License-Identifier: GPL-2.0
--
-- Every primitive that needs the module, with what must come of it on every
-- kernel. A test of the scenario language, not of a kernel's rule.

scenario {
	title = "the primitives do what the manual says",
	holders = { "pins", "references", "writes", "swap", "sharing", "huge", "trace",
		    "uring_fixed", "vm_readv", "direct_write", "direct_read", "refused" },
}

local tell = {}

function tell.pins()
	local page = map { pages = 2 }
	page:write("AB", 4095)
	local ref = pin(page, { write = true, longterm = true })
	check(ref:read(2, 4095) == "AB", "reads across pages")
	ref:write("XY", 4095)
	check(page:read(2, 4095) == "XY", "a write through the pin is seen")
	check(ref:state().coherent == true, "coherent")
	check(ref:state(4096).held.pfn == page:pagemap(4096).pfn, "second page")
	check(page:state().pinned == "yes", "looks pinned")
	check(page:state().holders == 1, "one holder")

	page:munmap()
	check(ref:state().coherent == false, "not coherent without a mapping")
	check(ref:read(1, 4095) == "X", "kept after munmap")
	ref:unpin()
	check(not pcall(ref.unpin, ref), "cannot be returned twice")
end

function tell.references()
	local page = map()
	page:write "A"
	settle()
	local one = page:state().refcount
	for _, how in ipairs { "get_ro", "get_rw", "pin_ro", "pin_rw", "pin_ro_longterm",
			       "pin_rw_longterm", "vmsplice" } do
		local ref = hold(page, how)
		local more = how:match "pin" and 1024 or 1
		settle()
		check(page:state().refcount == one + more, how .. ": references")
		check(ref:read() == "A", how .. ": reads")
		ref:unpin()
	end
	settle()
	check(page:state().refcount == one, "all returned")

	local ref = pin(page, { foll_pin = false, fast = true })
	local ok, why = pcall(ref.write, ref, "B")
	check(not ok and why:match "not permitted", "a read-only reference cannot write")
	ok, why = pcall(pin, page, { foll_pin = false, longterm = true })
	check(not ok and why:match "Invalid argument", "longterm is for pins")
end

function tell.writes()
	local page = map { pages = 2 }
	check(page:write "A" == nil, "a first touch is no write fault")
	clear_refs()
	local pages = trace "clear_refs"
	check(pages[#pages].wrprotected > 0, "clear_refs is in the trace")
	local fault = page:write("BB", 4095)
	check(fault and fault.event == "cow_fault" and fault.addr == page:addr(), "one fault")
	check(page:read(2, 4095) == "BB", "both written")

	local zero = map()
	zero:read()
	fault = zero:write "A"
	check(fault.decision == "copy" and fault.kind == "zero" and fault.verdict == "needed",
	      "the zero page is copied")
end

function tell.swap()
	local page = map()
	page:write "A"
	settle()
	if not page:swap_out() then
		skip "no swap space"
	end
	check(page:pagemap().swapped and not page:state().present, "gone")
	check(page:read() == "A" and page:pagemap().present, "back")
	local held = map()
	held:write "A"
	local ref = hold(held, "pin_ro")
	settle()
	check(not held:swap_out(), "a pinned page stays")
	check(ref:read() == "A")
end

function tell.sharing()
	local page = map { file = "memfd", shared = true }
	local ref = hold(page, "pin_rw")
	local child = fork(function(parent)
		page:write "C"
		check(page:state().kind == "shmem", "kind")
	end)
	child:wait()
	check(page:read() == "C" and ref:read() == "C", "shared memory stays shared")

	page = map()
	page:write "A"
	child = fork(function(parent)
		parent:barrier()
		parent:barrier()
		return page:read()
	end)
	child:barrier()
	check(page:state().mapcount == 2, "mapped twice")
	check(kpagecount(page:pagemap().pfn) == 2, "the kernel says so too")
	local fault = page:write "B"
	check(fault.decision == "copy" and fault.verdict == "needed", "a needed copy")
	child:barrier()
	check(child:wait() == "A", "the child keeps its own")
end

function tell.huge()
	local memory = map { pages = 512, huge = true }
	memory:write "A"
	if not memory:state().huge then
		skip "no huge page to be had"
	end
	check(memory:state().order == 9, "order")
	check(memory:addr() % (2 << 20) == 0, "aligned")
	local small = map { pages = 512 }
	small:write "A"
	check(small:state().order == 0, "no huge page unless asked for")
end

function tell.trace()
	local page = map()
	page:write "A"
	mark "here"
	local found
	for _, record in ipairs(trace "mark") do
		found = found or record.text == "here"
	end
	check(found, "a mark is in the trace")
	local before = #trace()
	local ref = hold(page, "get_ro")
	check(#trace() > before and #trace "pin" == 1 and trace "pin"[1].addr, "so is a pin")
	ref:unpin()
	check(trace "unpin"[1].id == trace "pin"[1].id, "and its return")
end

-- Takes hold of memory that begins with "A" and has "XY" across its pages.
-- Returns the memory, the holder, and a check of how many references that is.
local function take(how)
	local page = map { pages = 3 }
	page:write "A"
	page:write("XY", 4095)
	page:write("Z", 8192)
	settle()
	local before = page:state().refcount
	local ref = hold(page, how)
	return page, ref, function(more, what)
		settle()
		local state = page:state()
		check(state.refcount == before + more, how .. ": " .. what)
		check(state.pinned == (more >= 1024 and "yes" or "no"), how .. ": pinned, " .. what)
	end
end

function tell.uring_fixed()
	local page, ref, held = take "uring_fixed"
	held(1024, "a pin")
	check(ref:read() == "A" and ref:read(2, 4095) == "XY", "reads")
	page:write "B"
	check(ref:read() == "B", "sees what is written")
	ref:write("PQ", 4095)
	check(page:read(2, 4095) == "PQ", "writes")
	local child = fork(function() return ref:read() end)
	check(child:wait() == "B" and ref:read() == "B", "from two processes")
	local all = ref:read(3 * 4096)
	check(#all == 3 * 4096 and all:sub(8193, 8193) == "Z", "reads all")
	held(1024, "still a pin")
	ref:unpin()
	held(0, "given back")
end

function tell.vm_readv()
	local page, ref, held = take "vm_readv"
	held(1024, "a pin")
	page:write "B"
	page:write("V", 4096)
	check(ref:read() == "B", "reads when it is let go on, not before")
	held(0, "it is over")
	page:write "C"
	check(ref:read() == "B" and ref:read(2, 4095) == "XV", "it reads once")
	check(not pcall(ref.write, ref, "D"), "it cannot write")
	ref:unpin()
	held(0, "given back")
	ref = hold(page, "vm_readv")
	held(1024, "a pin again")
	ref:unpin()
	held(0, "given back unread")
end

-- The counters are per CPU, and /proc/vmstat has their sum only now and then.
local function pins_taken()
	local file = assert(io.open("/proc/sys/vm/stat_refresh", "w"))
	file:write "1"
	file:close()
	return vmstat "nr_foll_pin_acquired"
end

-- What O_DIRECT takes, a reference or a pin, this kernel itself must say.
local function take_direct(how)
	local before = pins_taken()
	local page, ref, held = take(how)
	local more = pins_taken() > before and 1024 or 1
	held(more, more == 1 and "a reference" or "a pin")
	return page, ref, held
end

function tell.direct_write()
	local page, ref, held = take_direct "direct_write"
	page:write "B"
	page:write("V", 4096)
	local child = fork(function()
		local ok, why = pcall(ref.read, ref)
		return not ok and why:match "only the process that began" or "?"
	end)
	check(child:wait() == "only the process that began", "not from another process")
	check(ref:read() == "B", "the device reads when it goes on, not before")
	held(0, "it is over")
	page:write "C"
	check(ref:read() == "B" and ref:read(2, 4095) == "XV", "it reads once")
	check(not pcall(ref.write, ref, "D"), "it cannot write")
	ref:unpin()

	ref = hold(page, "direct_write")
	local other = map()
	local more = hold(other, "direct_write")
	check(ref:read() == "C", "two devices at once")
	more:unpin()
	ref:unpin()
	held(0, "given back")
end

-- Memory that nobody may look at cannot be held.
local function refused(how)
	local page = map()
	page:mprotect "none"
	local ok, why = pcall(hold, page, how)
	check(not ok and tostring(why):match "Bad address", how .. ": refused")
end

function tell.refused()
	for _, how in ipairs { "uring_fixed", "vm_readv", "direct_write", "direct_read" } do
		refused(how)
	end
end

function tell.direct_read()
	local page, ref, held = take_direct "direct_read"
	check(not pcall(ref.read, ref), "this device reads nothing")
	page:write "B"
	ref:write("PQ", 4095)
	check(page:read(2, 4095) == "PQ", "the device writes")
	check(page:read() == "A", "all of it, as it was when it began")
	held(0, "it is over")
	check(not pcall(ref.write, ref, "D"), "it writes once")
	ref:unpin()
	ref = hold(page, "direct_read")
	ref:unpin()
	held(0, "given back unwritten")
end

function story(what)
	tell[what]()
end
