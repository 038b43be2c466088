-- SPDX-License-Identifier: GPL-2.0
--
-- ksmd does not merge a page that somebody holds: with its PTE taken away, all
-- references must be mappings (write_protect_page()). 5.10 asks that only of a
-- PTE that is writable or dirty. One that was swapped in by a read is neither,
-- and a page that is held behind such a PTE is merged away from its holder. Later
-- kernels ask the same of an exclusive page, whatever its PTE.

local function expect(clean)
	local e = { written = "B none", pinned = "B none", spliced = "B none" }
	for _, name in ipairs { "get", "pin" } do
		e["clean_" .. name] = clean
	end
	return e
end

scenario {
	title = "ksmd comes by a held page, then the owner writes",
	holders = { "written", "pinned", "spliced", "clean_get", "clean_pin" },
	expect = {
		mapcount = expect "A copy needed kind=ksm refcount=2 mapcount=2",
		page_count = expect "A copy needed kind=ksm refcount=2 mapcount=2",
		exclusive = expect "B none or B reuse fine exclusive=yes",
	},
}

local kind = {
	written = "get_ro", pinned = "pin_ro", spliced = "vmsplice",
	clean_get = "get_ro", clean_pin = "pin_ro",
}

function story(name)
	local two = map { pages = 2 }
	two:write "A"
	two:write("A", 4096)
	settle()
	local page = two:part()
	if name:match "^clean" then
		if not page:swap_out() then
			skip "no swap space: the page stays"
		end
		page:read()
		check(not page:state().dirty, "swapped in by a read: clean")
		settle()
	end

	local ref = hold(page, kind[name])
	settle()
	two:ksm()
	local merged = page:state().kind == "ksm"
	check(merged == (name:match "^clean" and rule ~= "exclusive" or false),
	      "merged away from its holder: " .. tostring(merged))
	page:write "B"
	return ref:read()
end
