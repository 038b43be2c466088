-- SPDX-License-Identifier: GPL-2.0
--
-- MADV_DONTNEED throws a page away, whoever holds it: malloc() does that behind
-- a program's back. The next touch gives a fresh page, without a write fault on
-- a present one; the holder keeps the old page. So by design on every kernel,
-- and why a driver has to be told (MMU notifiers) where memory may go.

scenario {
	title = "MADV_DONTNEED on a held page, then the owner writes",
	holders = { "get_ro", "pin_ro", "pin_rw_longterm", "vmsplice" },
	expect = "A none",
}

function story(holder)
	local page = map()
	page:write "A"
	settle()

	local ref = hold(page, holder)
	page:madvise "dontneed"
	page:write "B"
	check(holder == "vmsplice" or not ref:state().coherent, "the two have parted")
	return ref:read()
end
