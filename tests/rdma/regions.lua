-- SPDX-License-Identifier: GPL-2.0
-- What an RDMA memory region can do as a holder, and that it is what the kernel's
-- own FOLL_PIN for long is, each asked of memory and of the page's state.

scenario {
	title = "memory regions hold, see, write and give back",
	holders = { "rdma_mr", "rdma_mr_ro" },
}

local PAGES = 3

function story(holder)
	local page = map { pages = PAGES }
	for i = 0, PAGES - 1 do
		page:write("A", i * 4096)
	end
	settle()

	local before = page:state().refcount
	local ref = hold(page, holder)
	check(page:state().refcount == before + 1024, "a FOLL_PIN pin is 1024 references")
	check(page:state().pinned == "yes", "the page looks pinned")
	check(ref:read(1, 2 * 4096) == "A", "the last page is read")
	page:write("xyz", 4095)
	check(ref:read(5, 4094) == "\0xyz\0", "over the edge of a page")
	check(#ref:read(PAGES * 4096) == PAGES * 4096, "all of it is read")

	if holder == "rdma_mr" then
		ref:write("device", 4093)
		check(page:read(6, 4093) == "device", "the owner sees what the device wrote")
	else
		check(not pcall(ref.write, ref, "device"), "what may only be read is not written")
	end

	page:write "B"
	local child = fork(function()
		return ref:read()
	end)
	check(child:wait() == "B", "a child sees through the region of its parent")

	ref:unpin()
	check(page:state().refcount == before, "all references are returned")
end
