-- SPDX-License-Identifier: GPL-2.0
--
-- The sweep: who holds the page, what write-protects it, how it is mapped and in
-- which order that comes to pass, in all combinations that make sense. What each
-- is to show is not written down anywhere: tools/model.c takes the same steps by
-- the rule in force. A case is named
--
--     MAPPING.PROTECTOR.HOLDER[.WHEN]
--
-- and made of the rows below: to hold is put into one of the slots of a
-- protector's row, which gives the case its WHEN. The steps are those of
-- tools/model.h.

local all_holders = { "get_ro", "get_rw", "pin_ro", "pin_rw", "pin_ro_longterm",
		      "pin_rw_longterm", "vmsplice", "uring_fixed", "vm_readv" }
local few_holders = { "get_ro", "pin_ro", "pin_rw", "vmsplice" }
-- Who holds such a page for writing has broken COW and holds a small page.
local file_holders = { "get_ro", "pin_ro", "pin_rw", "pin_ro_longterm", "vmsplice" }

local of_huge = { "none", "clear_refs", "uffd_wp", "mprotect", "fork", "fork_exit",
		  "fork_unmap", "fork_write", "child_writes", "child_writes_alone" }
local of_small = { "swap", "mprotect_clear_refs", "fork_write_exit", "fork_mprotect",
		   table.unpack(of_huge) }
local of_files = { "none", "clear_refs", "mprotect", "fork" }

-- How the page is mapped, and what it is filled with: what is not written to is
-- not made anonymous.
local mappings = {
	{ "small",   { "map small", "write A" },   of_small, all_holders },
	{ "pmd",     { "map pmd", "write A" },     of_huge,  few_holders },
	{ "pte",     { "map pte", "write A" },     of_huge,  few_holders },
	{ "hugetlb", { "map hugetlb", "write A" }, of_huge,  few_holders },
	{ "file",    { "map file", "touch" },      of_files, file_holders },
	{ "shared",  { "map shared", "write A" },  of_files, few_holders },
	{ "zero",    { "map zero", "touch" },      of_files, file_holders },
}

-- What goes on until the write. In capitals the slots where somebody may come to
-- hold the page: BEFORE it is protected, BETWEEN that and its undoing, AFTER, or
-- the CHILD instead. The rest of a row says what else is special about it.
local protectors = {
	none = { "BEFORE" },
	clear_refs = { "BEFORE", "clear_refs", "AFTER" },
	uffd_wp = { "BEFORE", "uffd_wp on", "BETWEEN", "uffd_wp off", "AFTER" },
	mprotect = { "BEFORE", "mprotect r", "BETWEEN", "mprotect rw", "AFTER" },
	mprotect_clear_refs = { "BEFORE", "mprotect r", "BETWEEN", "clear_refs", "mprotect rw" },
	swap = { "BEFORE", "swap_out", "touch", "settle", "AFTER" },
	fork = { "BEFORE", "fork", "AFTER", "CHILD", look = "child look" },
	fork_exit = { "BEFORE", "fork", "child exit", "AFTER" },
	fork_unmap = { "BEFORE", "fork", "CHILD", "child munmap", "AFTER" },
	fork_write = { "BEFORE", "fork", "child write C", "AFTER", "CHILD", look = "child look" },
	fork_write_exit = { "BEFORE", "fork", "child write C", "child exit", "AFTER" },
	fork_mprotect = { "BEFORE", "mprotect r", "fork", "child exit", "mprotect rw", "AFTER" },
	child_writes = { "BEFORE", "fork", "AFTER", "CHILD", writer = "child ", look = "look" },
	child_writes_alone = { "BEFORE", "fork", "AFTER", "munmap", "CHILD", writer = "child " },
}

-- A holder that writes cannot be there while nobody may.
local function fits(holder, when)
	return when ~= "BETWEEN" or not (holder:find "_rw" or holder == "uring_fixed")
end

local names, steps_of = {}, {}

local function add_case(name, begin, row, holder, when)
	local steps = { table.unpack(begin) }
	local reader = when == "CHILD" and "child " or ""

	table.insert(steps, "settle")
	for _, step in ipairs(row) do
		if step == when then
			table.insert(steps, reader .. "hold " .. holder)
		elseif step ~= step:upper() then
			table.insert(steps, step)
		end
	end
	table.insert(steps, "settle")
	table.insert(steps, (row.writer or "") .. "write B")
	table.insert(steps, holder and reader .. "read" or row.look)
	table.insert(names, name)
	steps_of[name] = steps
end

for _, mapping in ipairs(mappings) do
	local kind, begin, of, holders = table.unpack(mapping)
	for _, protector in ipairs(of) do
		local row, name = protectors[protector], kind .. "." .. protector .. "."
		add_case(name .. "none", begin, row)
		for _, when in ipairs(row) do
			for _, holder in ipairs(when == when:upper() and holders or {}) do
				if fits(holder, when) then
					add_case(name .. holder .. "." .. when:lower(), begin, row,
						 holder, when)
				end
			end
		end
	end
end

scenario { title = "holder, write-protector, mapping and order, all combinations", holders = names }

-- The steps of a case, also for the model.
function steps(name)
	return steps_of[name]
end

local maps = {
	small = {}, pmd = { huge = "pmd" }, pte = { huge = "pte" }, hugetlb = { huge = "hugetlb" },
	file = { file = "memfd" }, shared = { file = "memfd", shared = true }, zero = {},
}

-- What a holder sees is one letter; a page that nobody wrote to has zeros.
local function letter(byte)
	return byte == "\0" and "0" or byte
end

local act = {
	map = function(own, kind) own.memory = map(maps[kind]) end,
	write = function(own, text) own.memory:write(text) end,
	touch = function(own) own.memory:read() end,
	look = function(own) return letter(own.memory:read()) end,
	settle = function() settle() end,
	hold = function(own, holder) own.ref = hold(own.memory:part(), holder) end,
	read = function(own) return letter(own.ref:read()) end,
	clear_refs = function() clear_refs(4) end,
	uffd_wp = function(own, on) own.memory:uffd_wp(on == "on") end,
	mprotect = function(own, access) own.memory:mprotect(access) end,
	swap_out = function(own) own.memory:swap_out() end,
	munmap = function(own) own.memory:munmap() end,
}

-- Takes the steps from one on, in step with the other process, if there is one:
-- whose turn it is does it, then both meet. Returns what the last step had to say.
local function play(list, from, is_child, own, other)
	local saw
	for i = from, #list do
		local of_child = list[i]:match "^child (.*)"
		local verb, argument = (of_child or list[i]):match "^(%S+) ?(%S*)$"
		if verb == "fork" then
			step "fork"
			other = fork(function(parent)
				return play(list, i + 1, true, { memory = own.memory }, parent)
			end)
		elseif verb == "exit" then
			if is_child then
				return
			end
			step "child exit"
			other:wait()
			other = nil
		else
			if is_child == (of_child ~= nil) then
				step(of_child or list[i])
				saw = act[verb](own, argument) or saw
			end
			if other then
				step ""
				other:barrier()
			end
		end
	end
	if other and not is_child then
		step ""
		saw = other:wait() or saw
	end
	return saw
end

function story(name)
	return play(steps_of[name], 1, false, {})
end
