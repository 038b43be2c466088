// SPDX-License-Identifier: GPL-2.0
//
// Put behind the page by tests/matrix/run: clicks at each cell, of a sweep's at one
// of each group, kernel and meaning, and compares what is to be seen to what the
// guests said. Leaves its lines in place of the page.
"use strict";
(async () => {
	const id = (name) => document.getElementById(name);
	const lines = [];
	const ok = (good, what, ...details) => {
		lines.push(`${good ? "ok" : "not ok"} ${what}`);
		if (!good)
			lines.push(...details.slice(0, 10).map((detail) => `#   ${detail}`));
	};
	const none = (wrong, what) => ok(!wrong.length, what, ...wrong);

	/* Waits until something holds; what is clicked at takes effect a little later. */
	async function until(holds) {
		for (let i = 0; i < 500 && !holds(); i++)
			await new Promise((resolve) => setTimeout(resolve, 1));
		return holds();
	}

	const panel = id("panel");
	const opened = (text) => !panel.hidden && panel.querySelector("h2").textContent === text;
	const visible = (element) => element.getClientRects().length > 0;

	const meanings = { leak: "leak", pin_lost: "lost", maybe_lost: "maybe", needed: "needed",
		superfluous: "superfluous", unknown: "unknown" };
	const meaningOf = (story) => {
		if (story.result !== "ok")
			return story.result === "skip" ? "skipped" : "unexpected";
		if (!story.verdict && story.records.some((record) => record.event === "pin_lost"))
			return "lost";
		return meanings[story.verdict] || "coherent";
	};
	const nameOf = (story) => story.scenario + (story.holder ? "." + story.holder : "");
	const inSweep = (story) => story.holder && story.holder.includes(".");
	const fieldsOf = ({ ts, comm, pid, cpu, event, ...fields }) => `: ${event}: ` +
		Object.entries(fields).map(([key, value]) => `${key}=${value === null ? "-" : value}`).join(" ");

	function wrongCell(story, button) {
		const cell = button.parentElement, text = button.textContent;
		const column = id("matrix").tHead.rows[0].cells[cell.cellIndex];
		if (!column.textContent.startsWith(story.kernel))
			return `stands below ${column.textContent}`;
		const row = cell.parentElement.cells[0].textContent;
		if (row !== (story.holder || "-"))
			return `stands beside ${row}`;
		if (!cell.closest("tbody").textContent.startsWith(story.scenario))
			return "stands in another group";
		if (cell.className !== meaningOf(story))
			return `is ${cell.className}, not ${meaningOf(story)}`;
		const words = story.result === "skip" ? ["skipped", story.why.split("\n")[0]] :
			[story.saw, story.decision, story.verdict, story.result === "ok" ? null : "NOT OK"];
		return words.some((word) => word && !text.includes(word)) ? `says ${text}` : null;
	}

	async function wrongPanel(story, button) {
		button.click();
		if (!await until(() => opened(`${nameOf(story)} on ${story.kernel}`)))
			return "does not open";
		if (decodeURIComponent(location.hash) !== "#" + button.id)
			return `has the address ${location.hash}`;
		const text = panel.textContent;
		const wanted = [story.title, story.reason, story.expected, ...(story.why || "").trim().split("\n")];
		if (!inSweep(story) || !["coherent", "needed", "skipped"].includes(meaningOf(story)))
			wanted.push(...story.steps.map((step) => step.line), ...story.records.map(fieldsOf));
		const missing = wanted.find((part) => part && !text.includes(part));
		if (missing)
			return `does not show ${missing}`;
		return panel.querySelector(".source").textContent.includes("scenario") ? null : "has no source";
	}

	try {
		const stories = JSON.parse(id("expected").textContent);
		const cells = [...document.querySelectorAll("#matrix td > button")];
		ok(stories.length > 0 && cells.length === stories.length &&
			!document.querySelector("#matrix td.absent"),
			`${stories.length} cells, one for each story and kernel`, `there are ${cells.length}`);

		const inside = [], panels = [], clicked = new Set();
		for (const story of stories) {
			const name = `${nameOf(story)}.${story.kernel}`, button = id(name);
			const wrong = button ? wrongCell(story, button) : "is not there";
			if (wrong)
				inside.push(`${name} ${wrong}`);
			const kind = inSweep(story) ?
				[story.holder.split(".")[0], story.kernel, meaningOf(story)].join() : name;
			if (!button || clicked.has(kind) || panels.length > 10)
				continue;
			clicked.add(kind);
			const unlike = await wrongPanel(story, button);
			if (unlike)
				panels.push(`${name} ${unlike}`);
		}
		none(inside, "each cell is where it belongs and says what was seen");
		none(panels, `a click shows the story, the records and the reason: ${clicked.size} cells`);

		document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
		ok(await until(() => panel.hidden), "Escape closes the story");
		location.hash = cells[0].id;
		ok(await until(() => !panel.hidden && cells[0].getAttribute("aria-current")),
			"a permalink opens its cell");

		/* With the keyboard, among those that are not folded away. */
		const seen = cells.filter(visible), row = (button) => button.closest("tr");
		const below = seen.find((button) => row(button) !== row(seen[0]) &&
			button.parentElement.cellIndex === seen[0].parentElement.cellIndex);
		seen[0].focus();
		seen[0].dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true }));
		ok(!below || document.activeElement === below, "an arrow key moves to the next row");

		const filter = async (text) => {
			id("text").value = text;
			id("text").dispatchEvent(new Event("input", { bubbles: true }));
			return [...document.querySelectorAll("#matrix tr.row")].filter(visible);
		};
		const story = stories[stories.length - 1], words = `${story.scenario} ${story.holder || ""}`;
		const found = await filter(words);
		const wanted = new Set(stories.filter((s) => s.scenario === story.scenario && s.holder === story.holder)
			.map((s) => row(id(`${nameOf(s)}.${s.kernel}`))));
		ok([...wanted].every((r) => found.includes(r)) && found.length < cells.length,
			"the filter finds a row by its words", `${words}: ${found.length} rows`);
		ok(!(await filter("no such words")).length, "... and nothing where there is nothing");
		await filter("");

		const box = document.querySelector("#legend input"), worst = box.value;
		for (const other of document.querySelectorAll("#legend input"))
			other.checked = other === box;
		const bad = await filter("");
		const rows = new Set(cells.filter((button) => button.parentElement.className === worst).map(row));
		ok(bad.length === rows.size && bad.every((r) => rows.has(r)),
			`the legend leaves the ${rows.size} rows with ${worst}`, `${bad.length} rows`);
		for (const other of document.querySelectorAll("#legend input"))
			other.checked = true;
		await filter("");

		const group = seen[0].closest("tbody"), toggle = group.querySelector("tr.group button");
		toggle.click();
		ok(!visible(seen[0]) && toggle.getAttribute("aria-expanded") === "false" &&
			visible(group.querySelector("tr.sum")), "a group folds to a sum");
		toggle.click();
		ok(visible(seen[0]), "... and unfolds");
	} catch (error) {
		ok(false, "the test itself", String(error.stack));
	}
	none(window.errors, "no error in the page");
	lines.push("done");
	const pre = document.createElement("pre");
	pre.id = "tap";
	pre.textContent = "\n" + lines.join("\n") + "\n";
	document.body.replaceChildren(pre);
})();
