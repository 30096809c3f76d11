/** Numbers and labels in words. Knows nothing about pages. */

const pad = (value: number, width: number) => String(value).padStart(width, "0");

/** 83.5 -> "1:23.500"; with `digits` 0 -> "1:23". */
export function clock(seconds: number, digits = 3): string {
  const scale = 10 ** digits;
  const units = Math.round(Math.max(0, seconds) * scale);
  const whole = Math.floor(units / scale);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = digits ? `.${pad(units % scale, digits)}` : "";
  const tail = `${pad(whole % 60, 2)}${rest}`;
  return hours ? `${hours}:${pad(minutes, 2)}:${tail}` : `${minutes}:${tail}`;
}

/** The reverse of `clock`; also plain seconds. Null where it is neither. */
export function parseClock(text: string): number | null {
  const parts = text.trim().replace(",", ".").split(":");
  if (parts.length > 3 || parts.some((part) => !/^\d+(\.\d+)?$/.test(part))) return null;
  return parts.reduce((sum, part) => sum * 60 + Number(part), 0);
}

/** "about 3 minutes". */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export function bytes(size: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let power = 0;
  while (size >= 1000 && power < units.length - 1) [size, power] = [size / 1000, power + 1];
  return `${size.toFixed(size < 10 && power ? 1 : 0)} ${units[power]}`;
}

export const percent = (share: number, digits = 0) => `${(100 * share).toFixed(digits)} %`;

export const count = (number: number, noun: string, plural = `${noun}s`) =>
  `${number.toLocaleString("en")} ${number === 1 ? noun : plural}`;

export const labelOf = (each: { verb: string | null; noun: string | null }) =>
  [each.verb, each.noun].filter(Boolean).join(" ") || "no label";

const hues = new Map<string, number>();

/** Colours for words, as far apart as can be; those that are named first keep theirs. */
export function giveHues(words: string[]): void {
  for (const word of words) if (!hues.has(word)) hues.set(word, Math.round((205 + 137.508 * hues.size) % 360));
}

/** The hue of a word. */
export function hueOf(word: string | null): number {
  giveHues([word ?? ""]);
  return hues.get(word ?? "") as number;
}
