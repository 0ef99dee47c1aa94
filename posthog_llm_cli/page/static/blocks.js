// The page's data: deflated JSON in base64, a script element of no type that runs for each block, opened when wanted.

const OPENED_AT_ONCE = 24;
const opened = new Map();

export function isReadable() {
  return typeof DecompressionStream === "function";
}

async function inflate(text) {
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

// The script runs before the blocks are there, so that the page can be used while the browser still reads them.
async function textOf(id) {
  if (document.getElementById(id) === null && document.readyState === "loading") {
    await new Promise((resolve) => { document.addEventListener("DOMContentLoaded", resolve, { once: true }); });
  }
  return document.getElementById(id).textContent.trim();
}

// The value of a block. The last few are held, so that a trace is not inflated again for each of its calls.
export function open(id) {
  let value = opened.get(id);
  opened.delete(id);
  value ??= textOf(id).then(inflate);
  opened.set(id, value);
  if (opened.size > OPENED_AT_ONCE) opened.delete(opened.keys().next().value);
  return value;
}

// All values of a kind with their numbers, block by block, none of which is held: `see` says whether to go on.
export async function eachBlock(kind, blocks, see) {
  for (const [place, [first]] of blocks.entries()) {
    const values = await textOf(`${kind}${place}`).then(inflate);
    if (!see(values, first, (place + 1) / blocks.length)) return;
  }
}

// A value by its number among all blocks of a kind; `blocks` has [first number, how many] of each. Null: not in the page.
export async function numbered(kind, blocks, number) {
  let low = 0;
  let high = blocks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (blocks[middle][0] <= number) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return null;
  const [first, size] = blocks[low - 1];
  if (number >= first + size) return null;
  return (await open(`${kind}${low - 1}`))[number - first];
}
