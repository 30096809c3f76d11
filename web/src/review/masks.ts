/** Where a mask is at a time; the same as `Mask.at` in src/egoact/privacy/masks.py. Knows nothing of pages. */

import type { ReviewedMask } from "../api/types";

export const MARGIN_SECONDS = 0.4;
export type Box = [number, number, number, number];
type Keyframe = ReviewedMask["keyframes"][number];

const boxOf = (key: Keyframe): Box => [key[1], key[2], key[3], key[4]];
const around = (a: Box, b: Box): Box => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];
const mixed = (a: Box, b: Box, share: number) => a.map((side, i) => side + ((b[i] as number) - side) * share) as Box;

function beyond(last: Keyframe, before: Keyframe, seconds: number): Box {
  if (last[0] === before[0]) return boxOf(last);
  const steps = (seconds - last[0]) / (last[0] - before[0]);
  const moved = mixed(boxOf(last), boxOf(before), -steps).map((side) => Math.min(1, Math.max(0, side))) as Box;
  return around(boxOf(last), moved);
}

export function boxAt(mask: ReviewedMask, seconds: number): Box | null {
  const keys = mask.keyframes;
  const [first, last] = [keys[0], keys.at(-1)];
  if (!first || !last || seconds < first[0] - MARGIN_SECONDS || seconds > last[0] + MARGIN_SECONDS) return null;
  const next = keys.findIndex((key) => key[0] > seconds);
  if (next === 0) return beyond(first, keys[1] ?? first, seconds);
  if (next < 0) return beyond(last, keys.at(-2) ?? last, seconds);
  const [one, other] = [keys[next - 1] as Keyframe, keys[next] as Keyframe];
  const share = (seconds - one[0]) / (other[0] - one[0]);
  return around(mixed(boxOf(one), boxOf(other), share), boxOf(share < 0.5 ? one : other));
}

/** With a place at a time, whatever was said of that moment before. */
export function placed(mask: ReviewedMask, seconds: number, box: Box): ReviewedMask {
  const others = mask.keyframes.filter((key) => Math.abs(key[0] - seconds) > 1e-3);
  const keyframes = [...others, [seconds, ...box] as Keyframe].sort((a, b) => a[0] - b[0]);
  return { ...mask, keyframes };
}

/** From or until a time, where it is then. */
export function bounded(mask: ReviewedMask, seconds: number, edge: "from" | "until"): ReviewedMask {
  const keys = mask.keyframes;
  const nearest = edge === "from" ? (keys[0] as Keyframe) : (keys.at(-1) as Keyframe);
  const box = boxAt(mask, seconds) ?? boxOf(nearest);
  const kept = keys.filter((key) => (edge === "from" ? key[0] > seconds : key[0] < seconds));
  return placed({ ...mask, keyframes: kept }, seconds, box);
}
