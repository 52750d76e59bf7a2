// What the console does beyond pages and forms. Every page works without it.

const root = document.documentElement;
root.classList.add("js");

// The server prints exact times in the reader's zone.
const zone = encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
if (!document.cookie.split("; ").includes("zone=" + zone)) {
	document.cookie = `zone=${zone}; path=/admin; max-age=31536000; samesite=lax`;
}

// The words are the page's, in its language.
function say(what) {
	const said = document.getElementById("said");
	if (said) said.textContent = said.dataset[what];
}

// ── times that count on ──────────────────────────────────────────────────
// The words are those of templates/time.go: change both.

function relative(seconds) {
	const s = Math.floor(Math.abs(seconds));
	if (root.lang === "ar") return arabic(s, seconds < 0);
	if (s < 5) return "now";
	let text;
	if (s < 60) text = s + " s";
	else if (s < 3600) text = Math.floor(s / 60) + " min";
	else if (s < 86400) text = Math.floor(s / 3600) + " h";
	else if (s < 30 * 86400) text = Math.floor(s / 86400) + " d";
	else return ""; // a date, which does not move
	return seconds < 0 ? "in " + text : text + " ago";
}

// arabic counts as internal/arabic does: change both.
function arabic(s, ahead) {
	if (s < 5) return "الآن";
	let n, one, two, few, many, other;
	if (s < 60) [n, one, two, few, many, other] = [s, "ثانية واحدة", "ثانيتين", "ثوانٍ", "ثانية", "ثانية"];
	else if (s < 3600) [n, one, two, few, many, other] = [s / 60, "دقيقة واحدة", "دقيقتين", "دقائق", "دقيقة", "دقيقة"];
	else if (s < 86400) [n, one, two, few, many, other] = [s / 3600, "ساعة واحدة", "ساعتين", "ساعات", "ساعة", "ساعة"];
	else if (s < 30 * 86400) [n, one, two, few, many, other] = [s / 86400, "يوم واحد", "يومين", "أيام", "يومًا", "يوم"];
	else return ""; // a date, which does not move
	n = Math.floor(n);
	const rest = n % 100;
	const noun = rest >= 3 && rest <= 10 ? few : rest >= 11 ? many : other;
	const digits = String(n).replace(/\d/g, (d) => "٠١٢٣٤٥٦٧٨٩"[d]);
	return (ahead ? "خلال " : "قبل ") + (n === 1 ? one : n === 2 ? two : digits + " " + noun);
}

// The reader's clock may be wrong: time is counted on from the server's. It is not
// counted by performance.now(), which stands still while the machine sleeps.
const served = Date.parse(document.body.dataset.now || "") || Date.now();
const skew = served - Date.now();

function tick(within = document) {
	const now = Date.now() + skew;
	for (const t of within.querySelectorAll("time[data-rel]")) {
		const text = relative((now - Date.parse(t.dateTime)) / 1000);
		if (text && t.textContent !== text) t.textContent = text;
	}
}

// ── copying ──────────────────────────────────────────────────────────────

document.addEventListener("click", async (e) => {
	const button = e.target.closest("[data-copy]");
	if (!button) return;
	try {
		await navigator.clipboard.writeText(button.dataset.copy);
	} catch {
		// Without https there is no clipboard: the text is selected by hand.
		const area = document.createElement("textarea");
		area.value = button.dataset.copy;
		document.body.append(area);
		area.select();
		const done = document.execCommand("copy");
		area.remove();
		button.focus();
		if (!done) return say("sayFailed");
	}
	button.classList.add("done");
	say("sayCopied");
	setTimeout(() => button.classList.remove("done"), 1500);
});

// ── menus ────────────────────────────────────────────────────────────────

function closeMenus(but) {
	for (const m of document.querySelectorAll("details.menu[open]")) {
		if (!m.contains(but)) m.open = false;
	}
}
document.addEventListener("pointerdown", (e) => closeMenus(e.target));

// A form is sent once.
document.addEventListener("submit", (e) => {
	if (e.target.method !== "post" || e.defaultPrevented) return;
	if (e.target.dataset.sent) return e.preventDefault();
	e.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
	for (const f of document.querySelectorAll("form[data-sent]")) delete f.dataset.sent;
});

// ── keyboard ─────────────────────────────────────────────────────────────

const keys = document.getElementById("keys");
document.querySelector("[data-keys]")?.addEventListener("click", () => keys?.showModal());

let going = -Infinity; // when g was pressed

function walk(step) {
	const rows = [...document.querySelectorAll("main a.row")];
	if (!rows.length) return;
	const at = rows.findIndex((a) => a.closest("tr, li")?.contains(document.activeElement));
	const next = rows[at < 0 ? 0 : Math.min(Math.max(at + step, 0), rows.length - 1)];
	next.focus({ preventScroll: true, focusVisible: true });
	next.closest("tr, li").scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (e) => {
	if (e.key === "Escape") {
		const menu = document.querySelector("details.menu[open]");
		closeMenus(null);
		if (menu) menu.querySelector("summary").focus();
		else if (e.target.matches?.("input, textarea")) e.target.blur();
		return;
	}
	if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing || keys?.open) return;
	if (e.target.closest?.("input, textarea, select, [contenteditable]")) return;
	const went = performance.now() - going < 1500;
	going = -Infinity;
	if (went) {
		const link = document.querySelector(`[data-go="${CSS.escape(e.key)}"]`);
		if (link) {
			e.preventDefault();
			location.assign(link.href);
		}
		return;
	}
	switch (e.key) {
	case "/":
		document.querySelector("[data-find]")?.select();
		document.querySelector("[data-find]")?.focus();
		break;
	case "g":
		going = performance.now();
		break;
	case "j":
		walk(1);
		break;
	case "k":
		walk(-1);
		break;
	case "?":
		keys?.showModal();
		break;
	default:
		return;
	}
	e.preventDefault();
});

// ── parts that refresh ───────────────────────────────────────────────────

const held = new Map(); // parts whose new content waits: somebody points at the old
let mouse = false; // a finger does not hover, though its last place still says so
for (const what of ["pointermove", "pointerdown"]) {
	document.addEventListener(what, (e) => { mouse = e.pointerType === "mouse"; }, { passive: true });
}

// sameShape: only texts and attributes differ, so nothing moves.
function sameShape(a, b) {
	if (a.nodeName !== b.nodeName || a.childNodes.length !== b.childNodes.length) return false;
	for (let i = 0; i < a.childNodes.length; i++) {
		if (!sameShape(a.childNodes[i], b.childNodes[i])) return false;
	}
	return true;
}

function patch(a, b) {
	if (a.nodeType === Node.TEXT_NODE) {
		if (a.data !== b.data) a.data = b.data;
		return;
	}
	if (a.nodeType === Node.ELEMENT_NODE) {
		for (const { name } of [...a.attributes]) {
			if (!b.hasAttribute(name) && !(name === "open" && a.matches("details"))) a.removeAttribute(name);
		}
		for (const { name, value } of b.attributes) {
			if (a.getAttribute(name) !== value) a.setAttribute(name, value);
		}
	}
	for (let i = 0; i < a.childNodes.length; i++) patch(a.childNodes[i], b.childNodes[i]);
}

// ticked: its rows were chosen, and must stay what they are.
const ticked = (within) => within.querySelectorAll("input[form=bulk]:checked").length;

function inUse(el) {
	if (ticked(el)) return true;
	if (el.contains(document.activeElement)) return true;
	if (mouse && el.matches(":hover")) return true;
	const chosen = getSelection();
	return !chosen.isCollapsed && chosen.containsNode(el, true);
}

function put(el, html) {
	const fresh = document.createElement("template");
	fresh.innerHTML = html;
	const now = fresh.content;
	tick(now);
	held.delete(el);
	delete el.dataset.held;
	const childrenOf = (n) => [...n.childNodes];
	const [old, next] = [childrenOf(el), childrenOf(now)];
	if (!ticked(el) && old.length === next.length && old.every((n, i) => sameShape(n, next[i]))) {
		old.forEach((n, i) => patch(n, next[i]));
		return;
	}
	if (inUse(el)) {
		held.set(el, html);
		el.dataset.held = "";
		return;
	}
	if (el.matches(".strip")) afloat(el);
	const open = new Set([...el.querySelectorAll("details[open] > summary")].map((s) => s.textContent));
	el.replaceChildren(now);
	for (const s of el.querySelectorAll("details > summary")) {
		if (open.has(s.textContent)) s.parentNode.open = true;
	}
}

// A line that comes or goes moves nothing: the strip's room stays.
function afloat(strip) {
	if (strip.classList.contains("afloat")) return;
	const room = document.createElement("div");
	room.style.blockSize = strip.offsetHeight + "px";
	strip.before(room);
	strip.classList.add("afloat");
}

function settle() {
	for (const [el, html] of held) {
		if (!el.isConnected) held.delete(el);
		else if (!inUse(el)) put(el, html);
	}
}

const address = document.body.dataset.stream;
const stale = document.getElementById("stale");
let stream;
let lost;

function upToDate(is) {
	clearTimeout(lost);
	if (!stale) return;
	if (is) stale.hidden = true;
	else lost = setTimeout(() => { stale.hidden = false; }, 3000);
}

// ended says that nothing will come any more, and why.
function ended(why) {
	rest();
	if (!stale) return;
	stale.textContent = stale.dataset[why];
	stale.hidden = false;
}

function listen() {
	if (!address || stream) return;
	stream = new EventSource(address);
	stream.addEventListener("open", () => upToDate(true));
	stream.addEventListener("fresh", () => upToDate(true));
	stream.addEventListener("stale", () => upToDate(false));
	stream.addEventListener("error", () => {
		if (stream?.readyState === EventSource.CLOSED) ended("sayReload");
		else upToDate(false);
	});
	stream.addEventListener("out", () => ended("sayOut"));
	stream.addEventListener("part", (e) => {
		const { key, html } = JSON.parse(e.data);
		for (const el of document.querySelectorAll(`[data-live="${CSS.escape(key)}"]`)) put(el, html);
	});
}

function rest() {
	clearTimeout(lost);
	stream?.close();
	stream = undefined;
}

// A browser has few connections to one server: tabs that nobody sees give
// theirs back.
let resting;
document.addEventListener("visibilitychange", () => {
	clearTimeout(resting);
	if (document.hidden) resting = setTimeout(rest, 5000);
	else listen();
});
addEventListener("pagehide", rest);
addEventListener("pageshow", (e) => { if (e.persisted && !document.hidden) listen(); });

if (!document.hidden) listen(); // a tab opened behind others listens when it is first seen
tick();
setInterval(() => { tick(); settle(); }, 1000);

// ── searches that go on ──────────────────────────────────────────────────
// From how far the page says that it looked, until it is full.

const fullPage = 50; // rows: pageSize in keyset.go
const looksMost = 200;

function appendFound(next) {
	const found = document.getElementById("found");
	const [rows, more] = [found, next.getElementById("found")].map((el) => el.querySelector("tbody"));
	tick(next);
	if (rows && more) rows.append(...more.rows);
	if (rows) {
		const [said, says] = [document, next].map((d) => d.getElementById("searched"));
		if (says) said.replaceWith(says);
		else said.remove();
	} else {
		found.replaceWith(next.getElementById("found"));
	}
	const [older, to] = [document, next].map((d) => d.querySelector(".pager")?.lastElementChild);
	if (older && to) older.replaceWith(to);
}

async function searchOn() {
	for (let look = 0; look < looksMost; look++) {
		const said = document.getElementById("searched");
		const rows = document.querySelectorAll("#found tbody tr").length;
		if (!said?.dataset.on || rows >= fullPage || ticked(document)) return;
		said.ariaBusy = "true";
		const answer = await fetch(said.dataset.on, { headers: { Accept: "text/html" } });
		if (!answer.ok || answer.redirected) return;
		appendFound(new DOMParser().parseFromString(await answer.text(), "text/html"));
	}
}
searchOn().catch(() => {}).finally(() => document.getElementById("searched")?.removeAttribute("aria-busy"));

// ── rows that are ticked ─────────────────────────────────────────────────

const ticks = document.querySelector("[data-ticked]");
function countTicks() {
	if (ticks) ticks.textContent = ticked(document);
}
document.addEventListener("change", countTicks);
addEventListener("pageshow", countTicks);
