// Numbers and times as a person reads them; what the log does not say is a dash. Times are UTC, as in the terminal.

const WHOLE = new Intl.NumberFormat("en-US");
const SHORT = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
export const NOT_SAID = "–";

export function whole(number) {
  return number === null || number === undefined ? NOT_SAID : WHOLE.format(number);
}

export function short(number) {
  return number === null || number === undefined ? NOT_SAID : number < 10_000 ? WHOLE.format(number) : SHORT.format(number);
}

export function usd(amount) {
  if (amount === null || amount === undefined) return NOT_SAID;
  if (amount === 0) return "$0";
  if (amount < 0.000001) return "<$0.000001";
  if (amount >= 1000) return `$${WHOLE.format(Math.round(amount))}`;
  const digits = amount >= 1 ? 2 : Math.min(8, 2 - Math.floor(Math.log10(amount)));
  return `$${amount.toFixed(digits)}`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NOT_SAID;
  if (seconds < 0.0005) return "0 ms";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

export function time(ms) {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

export function exactTime(ms) {
  return `${new Date(ms).toISOString().slice(0, 23).replace("T", " ")} UTC`;
}

export function bytes(size) {
  if (size < 1000) return `${size} B`;
  if (size < 1_000_000) return `${(size / 1000).toFixed(1)} kB`;
  return `${(size / 1_000_000).toFixed(1)} MB`;
}

export function count(number, noun, plural = `${noun}s`) {
  return `${WHOLE.format(number)} ${number === 1 ? noun : plural}`;
}
