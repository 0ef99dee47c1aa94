// One trace: the tree of its calls at the left, the call that is looked at at the right.
import { el, byId, replace, announce } from "./dom.js";
import { usd, duration, whole, short, time, exactTime, count } from "./numbers.js";
import { page, callsOf, propertiesOf, traceByKey, titleOf, linkTo } from "./rows.js";
import { inputOf, outputOf } from "./messages.js";
import { inputCards, messageCard, textBlock, jsonBlock } from "./conversation.js";
import { List } from "./list.js";

const KINDS = { __proto__: null, generation: "Generation", embedding: "Embedding", span: "Span", trace: "Trace", metric: "Metric", feedback: "Feedback", evaluation: "Evaluation" };
const CONTENT = new Set(["$ai_input", "$ai_output_choices", "$ai_output", "$ai_input_state", "$ai_output_state", "$ai_instructions", "$ai_tools", "$ai_error", "$ai_model_parameters"]);
const TREE_ROW = 58;

let shownTrace = null;
let nodes = [];
let tree = null;
let wanted = 0;

// The calls in the order of the tree, each with its depth: a child stands under the span it names, in the order of time.
export function treeOf(calls) {
  const bySpan = new Map(calls.filter((call) => call.span !== null).map((call) => [call.span, call]));
  const children = new Map();
  const roots = [];
  for (const call of calls) {
    const parent = bySpan.get(call.parent);
    if (parent === undefined || parent === call) roots.push(call);
    else if (children.has(parent)) children.get(parent).push(call);
    else children.set(parent, [call]);
  }
  const found = [];
  const seen = new Set();
  const visit = (start) => {
    const waiting = [[start, 0]];
    while (waiting.length > 0) {
      const [call, depth] = waiting.pop();
      if (seen.has(call)) continue;
      seen.add(call);
      found.push({ call, depth });
      for (const child of (children.get(call) ?? []).toReversed()) waiting.push([child, depth + 1]);
    }
  };
  roots.forEach(visit);
  calls.forEach((call) => { if (!seen.has(call)) visit(call); }); // parents in a circle
  return found;
}

export async function showTrace(key, uuid) {
  const [trace, calls] = await find(key, uuid);
  if (trace === undefined) return lacking(key);
  if (trace !== shownTrace) {
    shownTrace = trace;
    nodes = treeOf(calls);
    head(trace);
    drawTree();
  }
  const at = uuid === null ? firstLook() : nodes.findIndex(({ call }) => call.uuid === uuid);
  tree.active = Math.max(0, at);
  tree.reveal();
  tree.redraw();
  await showCall(nodes[tree.active].call);
}

// A card knows a call by its trace's id alone, which traces for several destinations may have in common.
async function find(key, uuid) {
  const traces = [key, ...page.destinations.map((_, place) => `${key}@${place}`)].map(traceByKey).filter((trace) => trace !== undefined);
  for (const trace of traces) {
    const calls = await callsOf(trace);
    if (uuid === null || calls.some((call) => call.uuid === uuid)) return [trace, calls];
  }
  return traces.length === 0 ? [undefined, []] : [traces[0], await callsOf(traces[0])];
}

// A trace is opened because of what went wrong in it, if anything did.
function firstLook() {
  const failed = nodes.findIndex(({ call }) => call.error !== null);
  return failed >= 0 ? failed : nodes.findIndex(({ call }) => call.kind === "generation");
}

function lacking(key) {
  shownTrace = null;
  nodes = [];
  replace(byId("trace-head"), el("h1", {}, "This trace is not in the page"), el("p", { class: "dim" }, key));
  tree?.setCount(0);
  replace(byId("call"), el("p", {}, page.leftOut || "There is no such trace among those of this preview."));
}

function head(trace) {
  const destination = page.destinations.length > 1 ? page.destinations[trace.destination] : null;
  replace(byId("trace-head"),
    el("h1", { dir: "auto" }, titleOf(trace)),
    el("dl", { class: "facts" },
      ...fact("Trace", trace.trace, "mono"), ...fact("User", trace.user === trace.trace ? null : trace.user), ...fact("Session", trace.session, "mono"),
      ...fact("Time", `${time(trace.at_ms)} UTC`), ...fact("Calls", whole(trace.calls)),
      ...fact("Latency", said(trace.latency_s, duration)), ...fact("Tokens", tokens(trace)), ...fact("Cost", said(trace.cost_usd, usd)), ...fact("Errors", trace.errors > 0 ? whole(trace.errors) : null, "bad"),
      ...fact("Destination", destination)),
    trace.listed < trace.events ? el("p", { class: "note" }, `The first ${whole(trace.listed)} of its ${count(trace.events, "event")} are in the page.`) : null);
}

function fact(name, value, style = null) {
  return value === null || value === undefined || value === "" ? [] : [el("div", {}, el("dt", {}, name), el("dd", { class: style, title: value }, value))];
}

function said(value, words) {
  return value === null ? null : words(value);
}

function tokens({ input_tokens, output_tokens }) {
  return input_tokens === null && output_tokens === null ? null : `${short(input_tokens)} in, ${short(output_tokens)} out`;
}

// -------------------------------------------------------------------------------------------------------------- tree

function drawTree() {
  const container = byId("tree");
  const starts = nodes.map(({ call }) => call.at_ms - 1000 * (call.latency_s ?? 0));
  const begin = Math.min(...starts);
  const whole_ms = Math.max(...nodes.map(({ call }) => call.at_ms)) - begin;
  tree ??= new List(container, {
    rowHeight: () => TREE_ROW, row: (number) => tree.makeRow(number),
    open: (number) => { location.hash = linkTo(shownTrace, nodes[number].call.uuid); },
    moved: (number) => { follow(linkTo(shownTrace, nodes[number].call.uuid)); showCall(nodes[number].call); },
  });
  tree.makeRow = (number) => treeRow(number, starts[number] - begin, whole_ms);
  container.scrollTop = 0;
  tree.setCount(nodes.length);
}

// While the keyboard runs through a tree the address follows, without a place to go back to for every call.
function follow(hash) {
  window.history.replaceState(null, "", hash);
}

function treeRow(number, start_ms, whole_ms) {
  const { call, depth } = nodes[number];
  const isTimed = whole_ms > 0 && call.latency_s !== null;
  const bar = isTimed ? el("span", { class: "bar" }, el("i", {})) : null;
  if (bar !== null) {
    bar.firstChild.style.left = `${(100 * start_ms) / whole_ms}%`;
    bar.firstChild.style.width = `${Math.max(1, (100_000 * call.latency_s) / whole_ms)}%`;
  }
  const row = el("div", { class: `node kind-${call.kind in KINDS ? call.kind : "other"}${call.error === null ? "" : " failed"}`, role: "treeitem", "aria-level": depth + 1, "aria-posinset": number + 1, "aria-setsize": nodes.length },
    el("span", { class: "node-name" }, el("span", { class: "dot", "aria-hidden": "true" }), el("span", { dir: "auto" }, nameOf(call)), call.error === null ? null : el("span", { class: "badge bad" }, "error")),
    el("span", { class: "node-facts" }, [call.name && call.model ? call.model : null, said(call.latency_s, duration), said(call.cost_usd, usd)].filter((text) => text !== null).join(" · ")),
    bar);
  row.style.setProperty("--depth", Math.min(depth, 12));
  return row;
}

function nameOf(call) {
  return call.name || call.model || KINDS[call.kind] || call.kind;
}

// -------------------------------------------------------------------------------------------------------------- call

async function showCall(call) {
  wanted = call.number;
  const properties = await propertiesOf(call);
  if (wanted !== call.number) return; // another one was chosen meanwhile
  replace(byId("call"), callHead(call), errorPanel(call, properties), ...(properties === null ? [leftOut()] : body(call, properties)));
  byId("call").scrollTop = 0;
  announce(`${KINDS[call.kind] ?? call.kind}: ${nameOf(call)}`);
}

function callHead(call) {
  return el("header", { class: "call-head" },
    el("h2", { dir: "auto" }, nameOf(call), el("span", { class: "badge" }, KINDS[call.kind] ?? call.kind)),
    el("dl", { class: "facts" },
      ...fact("Model", call.model), ...fact("Provider", call.provider),
      ...fact("Latency", said(call.latency_s, duration)), ...fact("First token", said(call.ttft_s, duration)),
      ...fact("Tokens", tokens(call)), ...fact("Cost", said(call.cost_usd, usd)),
      ...fact("Time", exactTime(call.at_ms)), ...fact("Source", call.source, "mono long")));
}

function errorPanel(call, properties) {
  if (call.error === null) return null;
  const message = properties === null ? null : properties.$ai_error;
  return el("section", { class: "error-panel", "aria-label": "Error" },
    el("h3", {}, call.error, call.status === null ? null : el("span", { class: "badge bad" }, `HTTP ${call.status}`)),
    message === undefined || message === null ? el("p", { class: "dim" }, "The log has no message, or it was left out.") : textBlock(typeof message === "string" ? message : JSON.stringify(message)));
}

function leftOut() {
  return el("p", { class: "note" }, "What this call said is not in the page, which would have become too large: errors, the most expensive and the slowest calls came first. The line of the log above has it.");
}

function body(call, properties) {
  const input = inputOf(properties);
  const output = outputOf(properties);
  const tools = Array.isArray(properties.$ai_tools) ? properties.$ai_tools : [];
  return [
    tools.length > 0 ? section(`Tools (${tools.length})`, tools.map(toolLine), false) : null,
    el("section", { class: "conversation" }, el("h3", {}, "Input"), ...(input.length > 0 ? inputCards(input) : [absent("input")])),
    call.kind === "embedding" ? null : el("section", { class: "conversation" }, el("h3", {}, "Output", stopOf(properties)), ...(output.length > 0 ? output.map(messageCard) : [absent("output")])),
    section("Model parameters", parameterList(properties.$ai_model_parameters), true),
    section("All other properties", [jsonBlock(Object.fromEntries(Object.entries(properties).filter(([name]) => !CONTENT.has(name))))], false),
    section("Raw event", [rawOf(properties)], false),
  ];
}

function absent(what) {
  return el("p", { class: "dim" }, page.isPrivate ? "Left out: --privacy-mode." : `The log has no ${what}.`);
}

function stopOf(properties) {
  return typeof properties.$ai_stop_reason === "string" ? el("span", { class: "badge" }, properties.$ai_stop_reason) : null;
}

function section(title, content, isOpen) {
  if (content === null || content.length === 0) return null;
  return el("details", { class: "section", open: isOpen }, el("summary", {}, title), ...content);
}

function parameterList(parameters) {
  if (typeof parameters !== "object" || parameters === null) return null;
  return [el("dl", { class: "facts wide" }, ...Object.entries(parameters).flatMap(([name, value]) => fact(name, typeof value === "string" ? value : JSON.stringify(value), "mono")))];
}

function toolLine(tool) {
  const shape = tool !== null && typeof tool === "object" ? tool.function ?? tool : {};
  const name = shape.name ?? tool?.type ?? "tool";
  return el("details", { class: "tool" }, el("summary", {}, el("code", {}, String(name)), typeof shape.description === "string" ? el("span", { class: "dim" }, ` ${shape.description.slice(0, 200)}`) : null), jsonBlock(tool));
}

// The event's JSON, made when it is asked for.
function rawOf(properties) {
  const holder = el("div", {});
  const fill = () => { if (holder.firstChild === null) holder.append(jsonBlock(properties)); };
  queueMicrotask(() => holder.parentElement?.addEventListener("toggle", fill, { once: true }));
  return holder;
}
