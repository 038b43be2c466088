-- SPDX-License-Identifier: GPL-2.0
--
-- One story that passes, one that fails, one that is skipped: who reads the
-- results must tell them apart.

scenario {
	title = "a story that passes, one that fails, one that is skipped",
	holders = { "passes", "fails", "skips" },
}

function story(holder)
	if holder == "skips" then
		skip "no kernel has what this story needs"
	end
	check(holder ~= "fails", "fails on purpose")
end
