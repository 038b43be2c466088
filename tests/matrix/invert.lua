-- SPDX-License-Identifier: GPL-2.0
--
-- Goes before a scenario and makes what it expects wrong in one respect, $INVERT:
-- saw, decision, verdict, fields, events, or check for what it checks by itself. A
-- text that does not tell of that stays as it is.

local invert = os.getenv "INVERT"

-- The first of these words that no alternative has.
local function other(taken, words)
	for _, word in ipairs(words) do
		if not taken[word] then
			return word
		end
	end
	error("no other word: " .. table.concat(words, " "))
end

local verdicts = { "fine", "pin_lost", "maybe_lost", "leak", "needed", "superfluous", "unknown" }
local is_verdict = {}
for _, verdict in ipairs(verdicts) do
	is_verdict[verdict] = true
end
local others = {
	exclusive = { "yes", "no", "unknown" }, pinned = { "yes", "no", "maybe" },
	kind = { "anon", "ksm", "zero" }, level = { "pte", "pmd", "hugetlb" },
}

-- The words of each alternative of a text.
local function parse(text)
	local all = { {} }
	for word in text:gmatch "%S+" do
		if word == "or" then
			all[#all + 1] = {}
		else
			table.insert(all[#all], word)
		end
	end
	return all
end

local function what_is(i, word)
	if i <= 2 then
		return i == 1 and "saw" or "decision"
	end
	return word:find "=" and "fields" or i == 3 and is_verdict[word] and "verdict" or "events"
end

local function wrong(what, word, taken)
	if what == "saw" then
		return other(taken, { "A", "B", "C", "D" })
	elseif what == "decision" then
		return other(taken, { "reuse", "copy", "none", "unshare" })
	elseif what == "verdict" then
		return other(taken, verdicts)
	elseif what == "fields" then
		local key, value = word:match "(.*)=(.*)"
		if others[key] then
			local words = {}
			for i, v in ipairs(others[key]) do
				words[i] = key .. "=" .. v
			end
			return other(taken, words)
		end
		repeat
			value = math.tointeger(value) + 1
		until not taken[key .. "=" .. value]
		return key .. "=" .. value
	elseif word ~= "early_copy" then
		return other(taken, { "pagemap_scan", "fork" })
	end
	-- An early copy that is not named must not be.
end

local function inverted(text)
	local taken, out = {}, {}
	local all = parse(text)

	for _, words in ipairs(all) do
		for i, word in ipairs(words) do
			if what_is(i, word) == invert then
				taken[word] = true
			end
		end
	end
	-- An alternative that does not tell of it would still be met.
	for _, words in ipairs(all) do
		local new, changed = {}, false
		for i, word in ipairs(words) do
			if what_is(i, word) == invert then
				changed = true
				word = wrong(invert, word, taken)
			end
			new[#new + 1] = word
		end
		if changed then
			out[#out + 1] = table.concat(new, " ")
		end
	end
	return #out > 0 and table.concat(out, " or ") or text
end

local real_scenario, real_check = scenario, check

local function each(expect)
	if type(expect) == "string" then
		return inverted(expect)
	elseif type(expect) ~= "table" then
		return expect
	end
	local new = {}
	for key, value in pairs(expect) do
		new[key] = each(value)
	end
	return new
end

local function scenario(t)
	t.expect = each(t.expect)
	return real_scenario(t)
end

local function check(holds, what)
	if invert == "check" then
		holds = not holds
	end
	return real_check(holds, what)
end
