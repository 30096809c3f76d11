import { parseClock } from "../words";

/** "0:10 - 0:25" on each line; null where one cannot be read. */
export function parseStretches(text: string): Array<[number, number]> | null {
  const lines = text.split("\n").filter((line) => line.trim());
  const found = lines.map((line) => line.split(/\s*(?:–|-|\bto\b)\s*/).map(parseClock));
  const isRight = found.every(([start, stop, more]) => start != null && stop != null && start < stop && more === undefined);
  return isRight ? (found as Array<[number, number]>) : null;
}
