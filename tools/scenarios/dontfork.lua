-- SPDX-License-Identifier: GPL-2.0
--
-- What RDMA programs do since 2006 (MADV_DONTFORK): the child does not get what
-- a device holds, so the parent's PTE keeps its write bit and nothing can be
-- lost. MADV_WIPEONFORK gives the child zeros instead. Both need neither FOLL_PIN
-- nor an early copy, and work the same on every kernel.

scenario {
	title = "fork with MADV_DONTFORK and MADV_WIPEONFORK, then the parent writes",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = "B none",
}

function story(holder)
	local saw
	for _, advice in ipairs { "dontfork", "wipeonfork" } do
		local page = map()
		page:write "A"
		settle()

		local ref = hold(page, holder)
		page:madvise(advice)
		local child = fork(function(parent)
			if advice == "wipeonfork" then
				check(page:read() == "\0", "the child reads zeros")
			end
			parent:barrier()
		end)
		page:write "B"
		child:barrier()
		child:wait()
		saw = ref:read()
		check(saw == "B", advice .. ": the holder sees what was written")
	end
	return saw
end
