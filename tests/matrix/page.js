// SPDX-License-Identifier: GPL-2.0
"use strict";
(() => {
	const id = (name) => document.getElementById(name);
	const all = (selector, root = document) => [...root.querySelectorAll(selector)];
	const panel = id("panel"), main = panel.parentElement;
	const title = document.title;

	function make(tag, properties = {}, ...children) {
		const element = Object.assign(document.createElement(tag), properties);
		element.append(...children);
		return element;
	}

	/* --- the stories, packed until the first is asked for ---------------- */

	let told;
	function stories() {
		if (!told) {
			const packed = Uint8Array.from(atob(id("stories").textContent), (c) => c.charCodeAt(0));
			const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
			told = new Response(stream).json();
		}
		return told;
	}

	const or = (value, otherwise = "-") => value === null ? otherwise : value;

	/* As `cowscope trace` prints it. */
	function recordLine(record) {
		const { ts, comm, pid, cpu, event, ...fields } = record;
		const seconds = `${Math.floor(ts / 1e9)}.${String(Math.floor(ts % 1e9 / 1e3)).padStart(6, "0")}`;
		const words = Object.entries(fields).map(([key, value]) => `${key}=${or(value)}`);
		const line = make("div", { className: "record" },
			`${or(comm, "<...>")}-${pid} [${String(cpu).padStart(3, "0")}] ${seconds}: `);
		line.append(make("mark", {}, event), ":");
		for (const word of words) {
			line.append(" ");
			line.append(/^(decision|verdict)=[a-z]/.test(word) ? make("mark", {}, word) : word);
		}
		const meaning = { pin_lost: "lost", leak: "leak", maybe_lost: "maybe", superfluous: "superfluous" }[
			event === "pin_lost" ? event : record.verdict];
		if (meaning)
			line.querySelectorAll("mark").forEach((mark) => { mark.className = meaning; });
		return line;
	}

	const counts = (page) => `refcount=${or(page.refcount)} mapcount=${or(page.mapcount)} exclusive=${or(page.exclusive)}`;

	/* What a step read, and how it left the page that it was about. */
	function endLines(step) {
		const lines = [], { got, page, held } = step;
		if (got !== null)
			lines.push(make("div", { className: "state" }, `read "${got}"`));
		if (page) {
			let text = "page: " + (page.pfn ? `pfn=${page.pfn} pte=${or(page.pte)} ${counts(page)}` : "none");
			if (held && held.pfn && held.pfn !== page.pfn)
				text += `; held: pfn=${held.pfn} ${counts(held)}`;
			lines.push(make("div", { className: "state" }, text));
		}
		return lines;
	}

	/* Steps, records and what became of the page, in order of time. */
	function storyLines(cell) {
		const events = [];
		cell.steps.forEach((step, n) => {
			const who = step.pid === cell.pid ? "" : `[child ${step.pid}] `;
			events.push([step.begin || step.end, 0,
				[make("div", { className: "step" }, `${n + 1}. ${who}${step.line}`)]]);
			if (step.end)
				events.push([step.end, 2, endLines(step)]);
		});
		for (const record of cell.records)
			events.push([record.ts, 1, [recordLine(record)]]);
		events.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
		return events.flatMap((event) => event[2]);
	}

	function facts(cell) {
		const list = make("dl");
		const say = (term, text) => {
			if (text !== null && text !== "")
				list.append(make("dt", {}, term), make("dd", {}, text));
		};
		say("result", cell.result);
		say("seen", `saw ${or(cell.saw, "nothing")}, decision ${cell.decision}, verdict ${or(cell.verdict)}`);
		say("expected", cell.expected);
		say("why", cell.why && cell.why.trim());
		say("reason", cell.reason);
		return list;
	}

	function fill(all_told, name, cell) {
		const kernel = all_told.kernels.find((k) => k.name === cell.kernel);
		const row = name.slice(0, -cell.kernel.length - 1);
		const others = make("nav", { ariaLabel: "the same on other kernels" });
		for (const k of all_told.kernels) {
			const other = all_told.cells[`${row}.${k.name}`];
			if (!other)
				continue;
			const link = make("a", { href: `#${row}.${k.name}`, className: other.meaning },
				`${k.name}: ${other.word}`);
			if (k.name === cell.kernel)
				link.setAttribute("aria-current", "true");
			others.append(link);
		}
		const close = make("button", { type: "button", className: "close" }, "close");
		close.onclick = () => { location.hash = ""; };
		const parts = [close, make("h2", {}, `${row} on ${kernel.name}`),
			make("p", {}, `${cell.title}. Linux ${kernel.release}, rule ${kernel.rule}: `,
				make("b", { className: cell.meaning }, `${cell.word} (${all_told.meanings[cell.meaning]})`)),
			others, facts(cell)];
		const lines = storyLines(cell);
		if (!lines.length && cell.result !== "skip")
			parts.push(make("p", {}, "The steps are not kept here: cowscope run --trace, on that kernel, shows them."));
		if (lines.length)
			parts.push(make("pre", { className: "story", tabIndex: 0 }, ...lines));
		const scenario = all_told.scenarios[cell.scenario];
		if (scenario)
			parts.push(make("details", {}, make("summary", {}, `${cell.scenario}.lua`),
				make("pre", { className: "source" }, scenario.source)));
		panel.replaceChildren(...parts);
	}

	/* --- the address names the cell that is open ------------------------- */

	let current = null;
	async function follow() {
		const name = decodeURIComponent(location.hash.slice(1));
		const all_told = name ? await stories() : null;
		if (name !== decodeURIComponent(location.hash.slice(1)))
			return;
		if (current)
			current.removeAttribute("aria-current");
		const cell = all_told && all_told.cells[name];
		const last = current;
		current = cell ? id(name) : null;
		panel.hidden = !cell;
		main.classList.toggle("open", !!cell);
		document.title = cell ? `${name} - ${title}` : title;
		if (!cell) {
			panel.replaceChildren();
			if (last)
				last.focus({ preventScroll: true });
			return;
		}
		fill(all_told, name, cell);
		panel.scrollTop = 0;
		fold(current.closest("tbody"), false);
		current.setAttribute("aria-current", "true");
		current.scrollIntoView({ block: "nearest", inline: "nearest" });
		id("scroll").scrollIntoView({ block: "nearest" });
	}

	/* --- folding and filtering ------------------------------------------- */

	function fold(group, folded) {
		const button = group.querySelector("tr.group button");
		if (!button)	/* only its sums are here */
			return;
		group.classList.toggle("folded", folded);
		button.setAttribute("aria-expanded", String(!folded));
	}

	function filter() {
		const words = id("text").value.toLowerCase().split(/\s+/).filter(Boolean);
		const boxes = all("#legend input");
		const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
		let shown = 0, rows = 0;
		for (const group of all("#matrix tbody")) {
			const about = group.querySelector("tr.group").textContent;
			let any = false;
			for (const row of all("tr.row", group)) {
				const cells = [...row.cells].slice(1);
				const text = `${about} ${row.textContent}`.toLowerCase();
				const here = words.every((word) => text.includes(word)) &&
					(wanted.size === boxes.length || cells.some((cell) => wanted.has(cell.className))) &&
					(!id("differ").checked || new Set(cells.map((cell) => cell.textContent)).size > 1);
				row.hidden = !here;
				any ||= here;
				shown += here;
				rows++;
			}
			group.hidden = !any && !(group.querySelector("tr.row") ? false :
				words.every((word) => about.toLowerCase().includes(word)));
		}
		id("matrix").classList.toggle("searched", shown < rows);
		id("shown").value = `${shown} of ${rows} rows`;
	}

	/* --- events ---------------------------------------------------------- */

	id("matrix").addEventListener("click", (event) => {
		const button = event.target.closest("button");
		if (!button)
			return;
		if (button.id)
			location.hash = button.id;
		else
			fold(button.closest("tbody"), button.getAttribute("aria-expanded") === "true");
	});

	const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
	id("matrix").addEventListener("keydown", (event) => {
		const step = steps[event.key], cell = event.target.closest("td, th");
		if (!step || !cell)
			return;
		const rows = all("#matrix tbody tr").filter((row) => row.offsetParent && row.querySelector("button"));
		const row = rows[rows.indexOf(cell.parentElement) + step[0]];
		const next = row && row.cells[Math.min(cell.cellIndex + step[1], row.cells.length - 1)];
		const button = next && (next.querySelector("button") || row.querySelector("button"));
		if (button) {
			event.preventDefault();
			button.focus();
		}
	});
	document.addEventListener("keydown", (event) => {
		if (event.key === "Escape" && current)
			location.hash = "";
	});
	id("filter").addEventListener("input", filter);
	id("filter").addEventListener("submit", (event) => event.preventDefault());
	id("fold").addEventListener("click", () => {
		const groups = all("#matrix tbody").filter((group) => group.querySelector("tr.group button")),
			folded = groups.some((group) => !group.classList.contains("folded"));
		groups.forEach((group) => fold(group, folded));
		id("fold").textContent = folded ? "unfold all" : "fold all";
	});
	window.addEventListener("hashchange", follow);
	filter();
	follow();
})();
