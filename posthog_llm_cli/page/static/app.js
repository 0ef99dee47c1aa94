// Which view is shown (the address says), and the keys that work everywhere.
import { el, byId, show, announce } from "./dom.js";
import { isReadable } from "./blocks.js";
import { loadTraces, traceByKey, linkTo } from "./rows.js";
import { showTraces, setUpTraces, readQuery, neighbour, focusTable } from "./traces.js";
import { showTrace } from "./trace.js";
import { drawCharts } from "./charts.js";
import { setUpTheme } from "./theme.js";

const VIEWS = ["overview", "traces", "trace"];
const ROWS_AT_FIRST = 8;
const TITLE = document.title;
let lastTraces = "#/traces";
let isSearchWanted = false;
let place = { view: "overview", parts: [], parameters: new URLSearchParams() };

function readPlace() {
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").map(decode);
  return { view: VIEWS.includes(parts[0]) ? parts[0] : "overview", parts, parameters: new URLSearchParams(search) };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a link that somebody cut
  }
}

async function go() {
  const before = place;
  place = readPlace();
  for (const view of VIEWS) show(byId(`view-${view}`), view === place.view);
  for (const link of document.querySelectorAll("nav a")) {
    link.setAttribute("aria-current", link.dataset.view === place.view ? "page" : "false");
  }
  document.title = place.view === "overview" ? TITLE : `${place.view === "trace" ? "Trace" : "Traces"} · ${TITLE}`;
  if (place.view === "traces") {
    lastTraces = location.hash;
    showTraces(readQuery(place.parameters));
    if (isSearchWanted) focusSearch();
    else if (!isTyping(document.activeElement)) focusTable();
  } else if (place.view === "trace") {
    await showTrace(place.parts[1] ?? "", place.parts[2] ?? null);
    if (document.activeElement?.closest("#view-trace") === null || document.activeElement === null) byId("tree").focus({ preventScroll: true });
  } else {
    scrollTo(0, 0);
    if (before.view !== "overview") byId("view-overview").focus({ preventScroll: true });
  }
}

function isTyping(element) {
  return element !== null && element.matches("input, select, textarea");
}

function step(by) {
  const trace = traceByKey(place.parts[1] ?? "");
  const next = trace === undefined ? undefined : neighbour(trace, by);
  if (next !== undefined) location.hash = linkTo(next);
}

function search() {
  if (place.view === "traces") return focusSearch();
  isSearchWanted = true; // the view is shown when the address has changed
  location.hash = lastTraces;
}

function focusSearch() {
  isSearchWanted = false;
  byId("search").focus();
  byId("search").select();
}

function back() {
  if (byId("keys").open) byId("keys").close();
  else if (isTyping(document.activeElement)) focusTable();
  else if (place.view === "trace") location.hash = lastTraces;
  else if (place.view === "traces") location.hash = "#/overview";
}

const KEYS = {
  "/": search,
  "?": () => byId("keys").showModal(),
  "[": () => step(-1),
  "]": () => step(1),
  o: () => { location.hash = "#/overview"; },
  t: () => { location.hash = lastTraces; },
  d: () => byId("theme").click(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape") {
    event.preventDefault();
    back();
  } else if (!isTyping(event.target) && !byId("keys").open && event.key in KEYS) {
    event.preventDefault();
    KEYS[event.key]();
  } else if ((event.key === "j" || event.key === "k") && place.view !== "overview" && !isTyping(event.target) && !byId("keys").open) {
    const list = byId(place.view === "trace" ? "tree" : "traces");
    list.focus({ preventScroll: true });
    list.dispatchEvent(new KeyboardEvent("keydown", { key: event.key }));
  }
});

// A long table of the overview waits behind a button; without this script it is shown whole.
function fold(table) {
  const rest = [...table.tBodies[0].rows].slice(ROWS_AT_FIRST);
  if (rest.length < 3) return;
  rest.forEach((row) => show(row, false));
  const more = el("button", { type: "button", class: "more unfold", onclick: () => {
    rest.forEach((row) => show(row, true));
    more.remove();
  } }, `Show all ${rest.length + ROWS_AT_FIRST}`);
  table.closest(".scrolling").after(more);
}

async function start() {
  document.querySelectorAll(".figures").forEach(fold);
  byId("show-keys").addEventListener("click", KEYS["?"]);
  byId("close-keys").addEventListener("click", back);
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("back").addEventListener("click", () => { location.hash = lastTraces; });
  setUpTheme(drawCharts);
  if (!isReadable()) {
    announce("");
    show(byId("too-old"), true);
    return;
  }
  await loadTraces();
  setUpTraces(() => readQuery(readPlace().parameters));
  showTraces(readQuery(new URLSearchParams()));
  addEventListener("hashchange", go);
  await go();
  document.documentElement.dataset.ready = "true";
}

start();
