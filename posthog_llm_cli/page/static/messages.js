// What an event's properties hold → messages of parts that can be shown. PostHog's trace view reads many dialects; so does this.
//
// A message: {role, name, parts}. A part is one of
//   {kind: "text" | "reasoning" | "refusal", text} · {kind: "call", id, name, input} · {kind: "result", id, name, parts}
//   {kind: "image", url, note} · {kind: "file", name, note} · {kind: "json", title, value}

const ROLES = {
  __proto__: null,
  human: "user", model: "assistant", ai: "assistant", bot: "assistant", instructions: "system", context: "system",
};
const TEXTS = new Set(["text", "input_text", "output_text", "summary_text"]);
const IMAGES = new Set(["image_url", "input_image", "image"]);

export function inputOf(properties) {
  const value = properties.$ai_input ?? properties.$ai_input_state;
  const messages = value === undefined || value === null ? [] : messagesOf(value, "user");
  const instructions = properties.$ai_instructions;
  if (typeof instructions === "string" && instructions) messages.unshift(textMessage("system", instructions));
  return named(messages);
}

export function outputOf(properties) {
  const value = properties.$ai_output_choices ?? properties.$ai_output_state ?? properties.$ai_output;
  return value === undefined || value === null ? [] : named(messagesOf(value, "assistant"));
}

function textMessage(role, text) {
  return { role, parts: [{ kind: "text", text }] };
}

function messagesOf(value, role) {
  if (typeof value === "string") return [textMessage(role, value)];
  if (!Array.isArray(value)) return isObject(value) ? [messageOf(value, role)] : [jsonMessage(role, value)];
  return value.map((item) => (typeof item === "string" ? textMessage(role, item) : messageOf(item, role)));
}

function jsonMessage(role, value) {
  return { role, parts: [{ kind: "json", title: null, value }] };
}

function messageOf(item, role) {
  if (!isObject(item)) return jsonMessage(role, item);
  if (isObject(item.message) && item.role === undefined) return messageOf(item.message, role);
  if (typeof item.role !== "string") {
    const part = partOf(item);
    return { role: part.kind === "result" ? "tool" : part.kind === "json" ? role : "assistant", parts: [part] };
  }
  const parts = partsOf(item.content ?? item.parts);
  if (typeof item.reasoning_content === "string") parts.unshift({ kind: "reasoning", text: item.reasoning_content });
  if (typeof item.refusal === "string" && item.refusal) parts.push({ kind: "refusal", text: item.refusal });
  for (const call of Array.isArray(item.tool_calls) ? item.tool_calls : []) parts.push(partOf({ type: "function", ...call }));
  if (isObject(item.function_call)) parts.push(callPart(null, item.function_call));
  const known = ROLES[item.role.toLowerCase()] ?? item.role;
  if (known === "tool" || known === "function") {
    return { role: "tool", parts: [{ kind: "result", id: item.tool_call_id ?? null, name: item.name ?? null, parts }] };
  }
  return { role: known, name: typeof item.name === "string" ? item.name : null, parts };
}

function partsOf(content) {
  if (content === null || content === undefined) return [];
  if (typeof content === "string") return content === "" ? [] : [{ kind: "text", text: content }];
  if (!Array.isArray(content)) return [isObject(content) ? partOf(content) : { kind: "json", title: null, value: content }];
  return content.map((part) => (typeof part === "string" ? { kind: "text", text: part } : partOf(part)));
}

function partOf(part) {
  if (!isObject(part)) return { kind: "json", title: null, value: part };
  const type = typeof part.type === "string" ? part.type : "";
  if (typeof part.text === "string" && (TEXTS.has(type) || type === "")) return { kind: "text", text: part.text };
  if (type === "function" || type === "custom") return callPart(part.id, part.function ?? part.custom ?? part);
  if (type === "function_call" || type === "custom_tool_call") return callPart(part.call_id ?? part.id, part);
  if (type === "tool_use" || type === "tool-call") return callPart(part.id ?? part.toolCallId, { name: part.name ?? part.toolName, arguments: part.input });
  if (isObject(part.functionCall)) return callPart(null, { name: part.functionCall.name, arguments: part.functionCall.args });
  if (type.endsWith("_call_output") || type === "tool_result") return resultPart(part);
  if (type.startsWith("reasoning") || type === "thinking") return reasoningPart(part);
  if (type === "refusal") return { kind: "refusal", text: String(part.refusal ?? part.text ?? "") };
  if (IMAGES.has(type)) return imagePart(part);
  if (type === "image_generation_call") return { kind: "image", url: imageUrl(part.result), note: "generated image" };
  if (type === "audio" || type === "input_audio") return audioPart(part);
  if (type === "file" || type === "input_file" || type === "document") return filePart(part);
  if (type === "mcp_call") return callPart(part.id, part);
  return { kind: "json", title: type.replaceAll("_", " ") || null, value: part };
}

function callPart(id, call) {
  const output = call.output ?? null;
  return {
    kind: "call", id: id ?? null, name: String(call.name ?? "tool"), input: readJson(call.arguments ?? call.input ?? null),
    server: call.server_label ?? null, output: output === null ? null : readJson(output), error: call.error ?? null,
  };
}

function resultPart(part) {
  const content = part.output ?? part.content;
  return { kind: "result", id: part.call_id ?? part.tool_use_id ?? null, name: null, parts: partsOf(content) };
}

function reasoningPart(part) {
  const pieces = [part.text, part.thinking, ...textsOf(part.summary), ...textsOf(part.content)];
  const text = pieces.filter((piece) => typeof piece === "string" && piece !== "").join("\n\n");
  return text === "" ? { kind: "json", title: "reasoning", value: part } : { kind: "reasoning", text };
}

function textsOf(list) {
  return Array.isArray(list) ? list.map((piece) => (isObject(piece) ? piece.text : piece)) : [list];
}

function imagePart(part) {
  const source = part.image_url ?? part.image ?? part.source ?? part.data;
  const url = isObject(source) ? source.url ?? source.data : source;
  if (isObject(source) && source.type === "base64") return { kind: "image", url: `data:${source.media_type};base64,${source.data}`, note: null };
  const note = typeof part.file_id === "string" ? `file ${part.file_id}` : null;
  return { kind: "image", url: typeof url === "string" ? imageUrl(url) : null, note };
}

function imageUrl(value) {
  if (typeof value !== "string") return null;
  if (value.startsWith("iVBORw0KGgo")) return `data:image/png;base64,${value}`;
  if (value.startsWith("/9j/")) return `data:image/jpeg;base64,${value}`;
  return value;
}

function audioPart(part) {
  const audio = isObject(part.input_audio) ? part.input_audio : part;
  const transcript = audio.transcript ?? part.transcript;
  if (typeof transcript === "string") return { kind: "text", text: transcript, note: "audio, transcript" };
  return { kind: "file", name: `audio${typeof audio.format === "string" ? ` (${audio.format})` : ""}`, note: sizeNote(audio.data) };
}

function filePart(part) {
  const file = isObject(part.file) ? part.file : part;
  const name = file.filename ?? file.file_url ?? file.file_id ?? "file";
  return { kind: "file", name: String(name), note: sizeNote(file.file_data) };
}

function sizeNote(data) {
  if (typeof data !== "string") return null;
  return data.startsWith("[") ? data : `${Math.round((data.length * 3) / 4 / 1000)} kB, not shown`;
}

// Arguments are JSON in text; what is none stays text.
export function readJson(value) {
  if (typeof value !== "string" || !/^\s*[[{"]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

// A result says only the id of its call; the call says the name.
function named(messages) {
  const names = new Map();
  for (const message of messages) {
    for (const part of message.parts) {
      if (part.kind === "call" && part.id !== null) names.set(part.id, part.name);
      if (part.kind === "result") part.name ??= names.get(part.id) ?? null;
    }
  }
  return messages;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const RASTER = /^data:image\/(png|jpeg|gif|webp);base64,([A-Za-z0-9+/]+={0,2})$/;
const HEADS = { png: "\x89PNG\r\n\x1a\n", jpeg: "\xff\xd8\xff", gif: "GIF8", webp: "RIFF" };

// Whether a URL is a picture that may be shown: base64 of a known raster type that begins as its type does. An SVG is a
// document and no picture, and a picture on a server would be asked for over the network.
export function isPicture(url) {
  const found = typeof url === "string" ? RASTER.exec(url) : null;
  if (found === null) return false;
  try {
    return atob(found[2].slice(0, 16).padEnd(16, "A")).startsWith(HEADS[found[1]]);
  } catch {
    return false;
  }
}
