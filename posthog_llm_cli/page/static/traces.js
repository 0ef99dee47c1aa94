// The table of traces: search, filters, order.
import { el, byId, show, announce } from "./dom.js";
import { usd, duration, whole, short, time, count } from "./numbers.js";
import { traces, matching, withContent, sorted, tokensOf, titleOf, linkTo } from "./rows.js";
import { List } from "./list.js";

const FIRST = { __proto__: null, time: true, calls: true, latency: true, tokens: true, cost: true, errors: true }; // descending first
let found = [];
let table = null;
let shownQuery = null;

export function readQuery(parameters) {
  return {
    text: parameters.get("q") ?? "",
    model: parameters.get("model") ?? "",
    error: parameters.get("error") ?? "",
    errors: parameters.get("errors") === "1",
    content: parameters.get("in") === "content",
    sort: parameters.get("sort") ?? "time",
    isDescending: (parameters.get("order") ?? (FIRST[parameters.get("sort") ?? "time"] ? "down" : "up")) === "down",
  };
}

function hashOf(query) {
  const parameters = new URLSearchParams();
  if (query.text) parameters.set("q", query.text);
  if (query.model) parameters.set("model", query.model);
  if (query.error) parameters.set("error", query.error);
  if (query.errors) parameters.set("errors", "1");
  if (query.content) parameters.set("in", "content");
  parameters.set("sort", query.sort);
  if (query.isDescending !== Boolean(FIRST[query.sort])) parameters.set("order", query.isDescending ? "down" : "up");
  return `#/traces?${parameters}`;
}

export function showTraces(query) {
  const hash = hashOf(query);
  byId("search").value = query.text;
  byId("only-errors").checked = query.errors;
  byId("in-content").checked = query.content;
  choose(byId("by-model"), query.model);
  choose(byId("by-error"), query.error);
  if (hash === shownQuery) return;
  shownQuery = hash;
  for (const head of document.querySelectorAll("[data-sort]")) {
    const isSorted = head.dataset.sort === query.sort;
    head.setAttribute("aria-sort", isSorted ? (query.isDescending ? "descending" : "ascending") : "none");
  }
  fillTable(query);
  if (query.content && query.text.trim() !== "") searchContent(query, hash);
}

// What the rows say is found at once, what calls said when all of it was looked at.
async function searchContent(query, hash) {
  const isStillAsked = () => shownQuery === hash;
  const others = await withContent(query, (share) => {
    if (isStillAsked()) byId("found").textContent = `searching, ${Math.round(100 * share)} %`;
    return isStillAsked();
  });
  if (isStillAsked()) fillTable(query, others);
}

function fillTable(query, others = undefined) {
  found = sorted(matching(query, others), query.sort, query.isDescending);
  byId("traces").setAttribute("aria-rowcount", found.length + 1);
  byId("table").scrollTop = 0;
  table.setCount(found.length);
  // The heads stand over the columns whether or not a scroll bar takes its width from them.
  byId("heads").style.paddingRight = `${16 + byId("table").offsetWidth - byId("table").clientWidth}px`;
  const words = found.length === traces.length ? count(found.length, "trace") : `${whole(found.length)} of ${count(traces.length, "trace")}`;
  byId("found").textContent = words;
  show(byId("none-found"), found.length === 0);
  announce(words);
}

function choose(select, value) {
  if (value !== "" && ![...select.options].some((option) => option.value === value)) select.append(el("option", { value }, value));
  select.value = value;
}

// The trace before or after another in the table as it stands.
export function neighbour(trace, step) {
  const place = found.indexOf(trace);
  return place < 0 ? undefined : found[place + step];
}

export function focusTable() {
  byId("traces").focus({ preventScroll: true });
}

export function setUpTraces(currentQuery) {
  table = new List(byId("table"), {
    rowHeight: () => (matchMedia("(max-width: 820px)").matches ? 84 : 48),
    row: traceRow,
    focused: byId("traces"),
    open: (number) => { location.hash = linkTo(found[number]); },
  });
  fill(byId("by-model"), countsOf((trace) => trace.models));
  fill(byId("by-error"), countsOf((trace) => trace.kinds));
  let waiting = 0;
  const change = (changes) => {
    clearTimeout(waiting);
    const query = { ...currentQuery(), text: byId("search").value, ...changes };
    window.history.replaceState(null, "", hashOf(query));
    showTraces(query);
  };
  byId("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => change({}), 80);
  });
  byId("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "ArrowDown") return;
    event.preventDefault();
    change({});
    focusTable();
  });
  byId("only-errors").addEventListener("change", (event) => change({ errors: event.target.checked }));
  byId("in-content").addEventListener("change", (event) => change({ content: event.target.checked }));
  byId("by-model").addEventListener("change", (event) => change({ model: event.target.value }));
  byId("by-error").addEventListener("change", (event) => change({ error: event.target.value }));
  byId("clear").addEventListener("click", () => change({ text: "", model: "", error: "", errors: false }));
  for (const head of document.querySelectorAll("[data-sort]")) {
    head.querySelector("button").addEventListener("click", () => {
      const query = currentQuery();
      const sort = head.dataset.sort;
      change({ sort, isDescending: sort === query.sort ? !query.isDescending : Boolean(FIRST[sort]) });
    });
  }
}

function countsOf(valuesOf) {
  const counts = new Map();
  for (const trace of traces) for (const value of valuesOf(trace)) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((one, other) => other[1] - one[1]);
}

function fill(select, counts) {
  select.append(...counts.slice(0, 200).map(([value, number]) => el("option", { value }, `${value} (${whole(number)})`)));
  select.closest("label").hidden = counts.length === 0;
}

function traceRow(number) {
  const trace = found[number];
  const models = trace.models.length > 1 ? `${trace.models[0]} +${trace.models.length - 1}` : trace.models[0] ?? "";
  const cell = (style, text, title = null) => el("div", { class: `cell ${style}`, role: "gridcell", title }, text);
  return el("div", { class: `row${trace.errors > 0 ? " failed" : ""}`, role: "row", "aria-rowindex": number + 2 },
    cell("time", time(trace.at_ms)),
    el("div", { class: "cell name", role: "gridcell" },
      el("span", { class: "title", dir: "auto" }, titleOf(trace)),
      el("span", { class: "under" }, trace.title && trace.preview ? trace.preview : trace.trace)),
    cell("model", models, trace.models.join(", ")),
    cell("user", trace.user === trace.trace ? "" : trace.user ?? "", trace.user),
    cell("number calls", whole(trace.calls)),
    cell("number latency", duration(trace.latency_s)),
    cell("number tokens", short(tokensOf(trace)), `${whole(trace.input_tokens)} in, ${whole(trace.output_tokens)} out`),
    cell("number cost", usd(trace.cost_usd)),
    el("div", { class: "cell errors", role: "gridcell" }, trace.errors > 0 ? el("span", { class: "badge bad", title: trace.kinds.join(", ") }, trace.kinds[0] ?? whole(trace.errors)) : null));
}
