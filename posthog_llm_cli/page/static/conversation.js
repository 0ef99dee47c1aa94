// Messages → elements: the right side of the trace view.
import { el } from "./dom.js";
import { count } from "./numbers.js";
import { isPicture, readJson } from "./messages.js";

const LONG = 3000;
const EARLIER = 6;
const ROLE_NAMES = { __proto__: null, system: "System", developer: "Developer", user: "User", assistant: "Assistant", tool: "Tool" };

// The input: with a long history, what came before the last few messages waits behind a button.
export function inputCards(messages) {
  const hidden = messages.length - EARLIER;
  if (hidden < 3) return messages.map(messageCard);
  const [first, ...rest] = messages;
  const isFirstShown = first.role === "system" || first.role === "developer";
  const earlier = (isFirstShown ? rest : messages).slice(0, isFirstShown ? hidden - 1 : hidden);
  const more = el("button", { class: "more", type: "button", onclick: () => more.replaceWith(...earlier.map(messageCard)) },
    `Show ${count(earlier.length, "earlier message")}`);
  return [...(isFirstShown ? [messageCard(first)] : []), more, ...messages.slice(-EARLIER).map(messageCard)];
}

export function messageCard(message) {
  const role = ROLE_NAMES[message.role] === undefined ? "other" : message.role;
  const title = ROLE_NAMES[message.role] ?? String(message.role);
  return el("article", { class: `message role-${role}`, "aria-label": `${title} message` },
    el("header", {}, el("span", { class: "role" }, title), message.name ? el("span", { class: "dim" }, message.name) : null),
    ...(message.parts.length === 0 ? [el("p", { class: "dim" }, "no text")] : message.parts.map(partBlock)));
}

function partBlock(part) {
  switch (part.kind) {
    case "text": return textBlock(part.text, part.note);
    case "reasoning": return el("details", { class: "part reasoning", open: part.text.length < 600 },
      el("summary", {}, "Reasoning"), textBlock(part.text));
    case "refusal": return el("div", { class: "part refusal" }, el("div", { class: "label" }, "Refusal"), textBlock(part.text));
    case "call": return callBlock(part);
    case "result": return el("div", { class: "part result" },
      el("div", { class: "label" }, part.name ? "Result of " : "Result", part.name ? el("code", {}, part.name) : null, idOf(part.id)),
      ...(part.parts.length === 0 ? [el("p", { class: "dim" }, "empty")] : part.parts.map(partBlock)));
    case "image": return imageBlock(part);
    case "file": return el("p", { class: "part file" }, el("span", { class: "label" }, "File"), ` ${part.name}`, part.note ? el("span", { class: "dim" }, ` ${part.note}`) : null);
    default: return part.title === null ? el("div", { class: "part json" }, jsonBlock(part.value))
      : el("details", { class: "part json", open: JSON.stringify(part.value).length < 600 }, el("summary", {}, part.title), jsonBlock(part.value));
  }
}

function callBlock(part) {
  return el("div", { class: "part call" },
    el("div", { class: "label" }, "Calls ", el("code", {}, part.name), part.server ? ` on ${part.server}` : null, idOf(part.id)),
    part.input === null || part.input === undefined ? null : typeof part.input === "object" ? argumentList(part.input) : textBlock(String(part.input)),
    part.output === null ? null : el("div", { class: "label" }, "Output"),
    part.output === null ? null : typeof part.output === "object" ? jsonBlock(part.output) : textBlock(String(part.output)),
    part.error === null ? null : el("div", { class: "label bad" }, "Error"),
    part.error === null ? null : jsonBlock(part.error));
}

// The arguments of a tool call: a name and a value on a line, where they are that simple.
function argumentList(input) {
  const entries = Array.isArray(input) ? null : Object.entries(input);
  if (entries === null || entries.length > 12) return jsonBlock(input);
  if (entries.length === 0) return el("p", { class: "dim" }, "no arguments");
  return el("dl", { class: "arguments" }, ...entries.flatMap(([name, value]) => [
    el("dt", {}, name),
    el("dd", {}, typeof value === "object" && value !== null ? jsonBlock(value) : typeof value === "string" ? textBlock(value) : el("code", {}, String(value)))]));
}

function idOf(id) {
  return id === null || id === undefined ? null : el("span", { class: "id" }, String(id));
}

function imageBlock(part) {
  if (isPicture(part.url)) return el("figure", { class: "part image" }, el("img", { src: part.url, alt: part.note ?? "image in the message", loading: "lazy", decoding: "async" }));
  const isData = typeof part.url === "string" && part.url.startsWith("data:");
  const words = part.url === null || part.url === undefined ? part.note ?? "not in the log"
    : isData ? `${part.url.slice(0, 40)}…, not shown` : part.url;
  return el("p", { class: "part file" }, el("span", { class: "label" }, "Image"), ` ${words}`,
    isData || !/^https?:/.test(words) ? null : el("span", { class: "dim" }, " on a server, not loaded"));
}

// Text as it is; what stands between ``` is code, and what is JSON is laid out. Long text waits behind a button.
export function textBlock(text, note = null) {
  const block = el("div", { class: "part text", dir: "auto" }, note ? el("div", { class: "label" }, note) : null);
  const value = readJson(text);
  if (typeof value === "object" && value !== null) {
    block.append(jsonBlock(value));
    return block;
  }
  const isLong = text.length > LONG + 500;
  const body = el("div", {}, ...fences(isLong ? `${text.slice(0, LONG)}…` : text));
  block.append(body);
  if (isLong) {
    const more = el("button", { class: "more", type: "button", onclick: () => { body.replaceChildren(...fences(text)); more.remove(); } },
      `Show all ${count(text.length, "character")}`);
    block.append(more);
  }
  return block;
}

function fences(text) {
  return text.split(/^```/m).map((piece, place) => {
    if (place % 2 === 0) return piece.trim() === "" ? null : el("div", { class: "prose" }, piece.replace(/^\n+|\n+$/g, ""));
    const [language, ...lines] = piece.split("\n");
    return el("pre", { "data-language": language.trim() || null }, el("code", {}, lines.join("\n").replace(/\n$/, "")));
  }).filter((element) => element !== null);
}

export function jsonBlock(value) {
  const text = JSON.stringify(value, null, 2) ?? "null";
  const isLong = text.length > LONG + 500;
  const pre = el("pre", { class: "code", tabindex: "0" }, isLong ? `${text.slice(0, LONG)}\n…` : text);
  if (!isLong) return pre;
  const more = el("button", { class: "more", type: "button", onclick: () => { pre.textContent = text; more.remove(); } },
    `Show all ${count(text.length, "character")}`);
  return el("div", {}, pre, more);
}
