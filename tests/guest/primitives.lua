-- SPDX-License-Identifier: GPL-2.0
--
-- Every primitive that needs the module, with what must come of it on every
-- kernel. A test of the scenario language, not of a kernel's rule.

scenario {
	title = "the primitives do what the manual says",
	holders = { "pins", "references", "writes", "swap", "sharing", "pmd", "pte", "hugetlb",
		    "trace", "uring_fixed", "vm_readv", "direct_write", "direct_read", "refused",
		    "moving", "merging", "scanning", "trapping", "cpus" },
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

function tell.pmd()
	local memory = map { huge = "pmd" }
	settle()
	local first, last = memory:state(), memory:state(511 * 4096)
	check(first.huge and last.huge and first.order == 9, "one PMD")
	check(last.pfn == first.pfn + 511 and first.refcount == 1, "one folio, one reference")
	check(memory:addr() % (2 << 20) == 0 and memory:read(2) == "\0\0", "aligned, zeros")
	local small = map { pages = 512 }
	small:write "A"
	check(small:state().order == 0, "no huge page unless asked for")
	check(not pcall(map, { huge = "pmd", pages = 1 }), "not a page of a huge one")

	-- A fault by PMD is found wherever in the huge page the write is.
	clear_refs()
	local fault = memory:write("B", 511 * 4096)
	check(fault and fault.level == "pmd" and fault.decision == "reuse", "a fault by PMD")
	local part = memory:part(4096, 8192)
	part:write("C", 4096)
	check(memory:read(1, 8192) == "C" and part:addr() == memory:addr(4096), "a part")
	check(not pcall(memory.part, memory, 511 * 4096, 8192), "a part is inside")
	check(not pcall(memory.part, memory, 1), "a part is of whole pages")
end

function tell.pte()
	local memory = map { huge = "pte", pages = 1024 }
	settle()
	for _, offset in ipairs { 0, 511 * 4096, 512 * 4096 } do
		local page = memory:state(offset)
		check(page.order == 9 and not page.huge and page.write, "by PTE, writable")
		check(page.refcount == 512 and page.mapcount == 1, "512 PTEs")
	end
	check(memory:write "A" == nil, "no fault")
	memory:part(4096):munmap()
	settle()
	check(memory:state().refcount == 511, "a part is unmapped")
end

function tell.hugetlb()
	local memory = map { huge = "hugetlb" }
	local page = memory:state(4096)
	check(page.huge and page.kind == "hugetlb" and page.order == 9, "of hugetlbfs")
	local ref = hold(memory:part(4096), "get_ro")
	memory:write("A", 4096)
	check(ref:read() == "A", "a page of it is held")
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

function tell.moving()
	local memory = map { pages = 2 }
	memory:write("AB", 4095)
	local from, ref = memory:addr(), hold(memory, "pin_rw")
	local pfn = memory:pagemap(4096).pfn
	memory:mremap { shift = 8192 }
	check(memory:addr() ~= from and memory:addr() % (2 << 20) == 8192, "a new address")
	check(memory:pagemap(4096).pfn == pfn, "the same pages")
	ref:write("CD", 4095)
	check(memory:read(2, 4095) == "CD", "and the holder of them")
	check(memory:write("EF", 4095) == nil and ref:read(2, 4095) == "EF")
	clear_refs(4)
	check(not pcall(memory.mremap, memory, { shift = 1 }), "pages only")
	check(not pcall(memory.mremap, memory, { shift = 2 << 20 }), "less than 2 MiB")
	memory:mremap()
	check(memory:addr() % (2 << 20) == 0 and memory:read(2, 4095) == "EF", "aligned")
end

function tell.merging()
	local memory = map { pages = 2 }
	memory:write "A"
	memory:write("B", 4096)
	check(not memory:ksm(), "different pages are not merged")
	memory:write("A", 4096)
	check(memory:ksm(), "like ones are")
	local page = memory:pagemap()
	check(memory:pagemap(4096).pfn == page.pfn and kpagecount(page.pfn) == 2, "into one")
	local run = assert(io.open "/sys/kernel/mm/ksm/run"):read "n"
	check(run == 0, "ksmd is left as it was")
	local fault = memory:write "B"
	check(fault.kind == "ksm" and fault.decision == "copy", "a write copies")
	check(memory:read(1, 4096) == "A")
end

function tell.scanning()
	local memory = map { pages = 4 }
	memory:write(("A"):rep(16384))
	check(memory:pagemap_scan() == 4, "all are written at first")
	check(memory:pagemap_scan { protect = true } == 4, "until they are protected")
	check(memory:pagemap_scan() == 0, "none since")
	memory:write("BB", 4095)
	check(memory:pagemap_scan() == 2, "two are written")
	memory:write("B", 12288)
	check(memory:pagemap_scan { protect = true } == 3, "one more, not next to them")
	check(memory:pagemap_scan() == 0, "none since")

	local page, to = map(), map()
	page:write "A"
	check(not pcall(page.uffd_move, page, memory), "of the same length only")
	check(page:uffd_move(to) == true, "moved")
	check(not page:pagemap().present and to:read() == "A", "to there")
	to, page = page, to
	hold(page, "pin_ro")
	check(page:uffd_move(to) == false and page:read() == "A", "a pinned page stays")
end

function tell.trapping()
	local memory = map { pages = 2 }
	memory:write("A")
	memory:write("A", 4096)
	check(memory:state().protnone == false, "can be touched")
	memory:uffd_rwp(true)
	check(memory:state().protnone and memory:state(4096).protnone, "all of it cannot")
	check(memory:read() == "A" and not memory:state().protnone, "who touches it may")
	check(memory:state(4096).protnone == true, "that page alone")
	memory:uffd_rwp(false)
	check(memory:state(4096).protnone == false, "as it was")
	check(memory:write("B", 4096) == nil, "writable, too")
end

function tell.cpus()
	cpu(0)
	local child = fork(function()
		return io.open "/proc/self/status":read "a":match "Cpus_allowed_list:%s*(%S+)"
	end)
	check(child:wait() == "0", "a child is bound with its parent")
	check(not pcall(cpu, -1) and not pcall(cpu, 1 << 40), "numbers of CPUs only")
end

function story(what)
	tell[what]()
end
