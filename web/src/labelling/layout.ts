/** Which track and lane each segment is drawn in. Knows nothing of pixels or canvases. */

import type { Proposal } from "../api/types";
import { hueOf, labelOf } from "../words";
import type { Values } from "./store";

export interface Item {
  id: string;
  start: number;
  stop: number;
  lane: number;
  hue: number;
  text: string;
  hand: Values["hand"];
  confidence: number | null;
  decision: Proposal["decision"] | null;
}

/** Items by start; `latest[i]` is the latest stop of items 0 to i, so that the first visible one is found by halving. */
export interface Track {
  name: string;
  isProposals: boolean;
  items: Item[];
  latest: Float64Array;
  numLanes: number;
}

const MOST_LANES = 4;

function track(name: string, items: Item[], isProposals = false): Track {
  items.sort((a, b) => a.start - b.start || a.stop - b.stop || (a.id < b.id ? -1 : 1));
  const ends: number[] = [];
  const latest = new Float64Array(items.length);
  items.forEach((item, i) => {
    let lane = ends.findIndex((end) => end <= item.start + 1e-6);
    if (lane < 0) lane = Math.min(ends.length, MOST_LANES - 1);
    ends[lane] = Math.max(ends[lane] ?? 0, item.stop);
    item.lane = lane;
    latest[i] = Math.max(i ? (latest[i - 1] as number) : -Infinity, item.stop);
  });
  return { name, items, latest, isProposals, numLanes: Math.max(1, ends.length) };
}

const itemOf = (id: string, each: Values | Proposal): Item => ({
  id,
  start: each.start_seconds,
  stop: each.stop_seconds,
  lane: 0,
  hue: hueOf(each.verb),
  text: labelOf(each),
  hand: "hand" in each ? each.hand : null,
  confidence: "confidence" in each ? each.confidence : null,
  decision: "decision" in each ? each.decision : null,
});

/** Proposals, then labels: of both hands or none in particular, and a track for each hand that is used. */
export function layOut(segments: ReadonlyMap<string, Values>, proposals: Proposal[] | null): Track[] {
  const items = [...segments].map(([id, values]) => itemOf(id, values));
  const of = (hand: "left" | "right") => items.filter((item) => item.hand === hand);
  const tracks = proposals ? [track("proposals", proposals.map((each) => itemOf(each.id, each)), true)] : [];
  tracks.push(track("labels", items.filter((item) => item.hand !== "left" && item.hand !== "right")));
  for (const hand of ["left", "right"] as const) if (of(hand).length) tracks.push(track(`${hand} hand`, of(hand)));
  return tracks;
}

/** Indices [first, last) that hold all items touching an interval. */
export function visible(found: Track, start: number, stop: number): [number, number] {
  const search = (isBefore: (i: number) => boolean) => {
    let [low, high] = [0, found.items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(middle)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const first = search((i) => (found.latest[i] as number) <= start);
  const last = search((i) => (found.items[i] as Item).start < stop);
  return [first, Math.max(first, last)];
}
