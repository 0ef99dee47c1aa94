// The traces: one object each, and the questions that are asked of them.
import { open, numbered, eachBlock } from "./blocks.js";

export const page = JSON.parse(document.getElementById("page").textContent);
export let traces = [];
let byKey = new Map();

export async function loadTraces() {
  const rows = await open("rows");
  let calls = 0;
  traces = rows.map((values, number) => {
    const trace = { number, firstCall: calls, hay: null };
    page.rowColumns.forEach((name, place) => { trace[name] = values[place]; });
    calls += trace.listed;
    return trace;
  });
  byKey = new Map(traces.map((trace) => [keyOf(trace), trace]));
}

// What a deep link names: the trace's id, and the destination where it is not the first one.
export function keyOf(trace) {
  return trace.destination === 0 ? trace.trace : `${trace.trace}@${trace.destination}`;
}

export function traceByKey(key) {
  return byKey.get(key);
}

export function linkTo(trace, uuid = null) {
  return `#/trace/${encodeURIComponent(keyOf(trace))}${uuid === null ? "" : `/${encodeURIComponent(uuid)}`}`;
}

export async function callsOf(trace) {
  const outlines = await numbered("o", page.outlines, trace.number);
  return outlines.map((values, place) => {
    const call = { number: trace.firstCall + place };
    page.callColumns.forEach((name, member) => { call[name] = values[member]; });
    return call;
  });
}

// The properties of a call as they will be sent, null where they had to be left out.
export function propertiesOf(call) {
  return numbered("c", page.contents, call.number);
}

export function titleOf(trace) {
  return trace.title || trace.preview || trace.models[0] || trace.trace;
}

function hayOf(trace) {
  trace.hay ??= [trace.trace, trace.title, trace.preview, trace.session, trace.user, ...trace.models, ...trace.kinds]
    .filter(Boolean).join("\n").toLowerCase();
  return trace.hay;
}

function wordsOf(query) {
  return query.text.toLowerCase().split(/\s+/).filter(Boolean);
}

// `query`: text (all words must be there), model, error (a kind), errors (only traces with errors). `others` are the
// traces in which the words were found elsewhere.
export function matching(query, others = new Set()) {
  const words = wordsOf(query);
  return traces.filter((trace) =>
    (!query.errors || trace.errors > 0) &&
    (query.model === "" || trace.models.includes(query.model)) &&
    (query.error === "" || trace.kinds.includes(query.error)) &&
    (others.has(trace) || words.every((word) => hayOf(trace).includes(word))));
}

// The traces of which one call's content has all words that the trace itself has not. `goOn` is told how far it is.
export async function withContent(query, goOn) {
  const words = wordsOf(query);
  const found = new Set();
  let place = 0;
  await eachBlock("c", page.contents, (values, first, share) => {
    values.forEach((properties, at) => {
      if (properties === null) return;
      while (place + 1 < traces.length && traces[place + 1].firstCall <= first + at) place += 1;
      const trace = traces[place];
      if (found.has(trace)) return;
      const text = textsIn(properties).join("\n").toLowerCase();
      if (words.every((word) => text.includes(word) || hayOf(trace).includes(word))) found.add(trace);
    });
    return goOn(share);
  });
  return found;
}

function textsIn(value) {
  if (typeof value === "string") return [value];
  return value !== null && typeof value === "object" ? Object.values(value).flatMap(textsIn) : [];
}

const ORDERS = {
  __proto__: null,
  time: (trace) => trace.at_ms,
  name: (trace) => titleOf(trace).toLowerCase(),
  model: (trace) => (trace.models[0] ?? "").toLowerCase(),
  user: (trace) => (trace.user ?? "").toLowerCase(),
  calls: (trace) => trace.calls,
  latency: (trace) => trace.latency_s,
  tokens: (trace) => tokensOf(trace),
  cost: (trace) => trace.cost_usd,
  errors: (trace) => trace.errors,
};

export function tokensOf(trace) {
  if (trace.input_tokens === null && trace.output_tokens === null) return null;
  return (trace.input_tokens ?? 0) + (trace.output_tokens ?? 0);
}

// What is not said comes last, whichever way.
export function sorted(found, column, isDescending) {
  const keyed = found.map((trace) => [(ORDERS[column] ?? ORDERS.time)(trace), trace]);
  const sign = isDescending ? -1 : 1;
  keyed.sort(([left, one], [right, other]) => {
    if (left === null || right === null) return (left === null) - (right === null) || one.number - other.number;
    return sign * (left < right ? -1 : left > right ? 1 : 0) || other.at_ms - one.at_ms;
  });
  return keyed.map(([, trace]) => trace);
}
