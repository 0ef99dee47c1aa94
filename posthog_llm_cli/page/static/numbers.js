// Numbers and times as the terminal writes them; what the log does not say is a dash. Times are UTC.

const WHOLE = new Intl.NumberFormat("en-US");
export const NOT_SAID = "–";

export function whole(number) {
  return number === null || number === undefined ? NOT_SAID : WHOLE.format(number);
}

export function short(number) {
  if (number === null || number === undefined || number < 10_000) return whole(number);
  if (number < 999_950) return `${(number / 1e3).toFixed(1)} k`;
  return number < 999_950_000 ? `${(number / 1e6).toFixed(1)} M` : `${(number / 1e9).toFixed(1)} G`;
}

export function usd(amount) {
  if (amount === null || amount === undefined) return NOT_SAID;
  if (amount === 0 || amount >= 0.995) return `$${amount.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  let places = 2;
  while (places < 9 && Number(amount.toFixed(places)) < 10 ** (1 - places)) places += 1;
  return `$${amount.toFixed(places)}`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NOT_SAID;
  if (seconds < 0.9995) return `${(1000 * seconds).toFixed(0)} ms`;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(Math.round(seconds) / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(seconds) % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function time(ms) {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

export function exactTime(ms) {
  return `${new Date(ms).toISOString().slice(0, 23).replace("T", " ")} UTC`;
}

export function count(number, noun, plural = `${noun}s`) {
  return `${WHOLE.format(number)} ${number === 1 ? noun : plural}`;
}
