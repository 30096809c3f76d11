/** The nine labels on the number keys: they stay where they are, so that fingers can learn them. */

import { signal } from "@preact/signals";

export interface Pair {
  verb: string | null;
  noun: string | null;
}

const NUM_SLOTS = 9;
const sameAs = (a: Pair) => (b: Pair) => a.verb === b.verb && a.noun === b.noun;

/** Pairs by how often they are used. */
export function mostUsed(pairs: Iterable<Pair>): Pair[] {
  const counts = new Map<string, { pair: Pair; number: number }>();
  for (const { verb, noun } of pairs) {
    if (!verb && !noun) continue;
    const key = JSON.stringify([verb, noun]);
    const found = counts.get(key) ?? { pair: { verb, noun }, number: 0 };
    found.number += 1;
    counts.set(key, found);
  }
  return [...counts.values()].sort((a, b) => b.number - a.number).map((each) => each.pair);
}

export class Palette {
  readonly slots = signal<Pair[]>([]);

  constructor(private readonly storage: string, used: Pair[]) {
    const kept = JSON.parse(localStorage.getItem(storage) ?? "[]") as Pair[];
    this.slots.value = kept.length ? kept : used.slice(0, NUM_SLOTS);
    for (const pair of used) this.use(pair);
  }

  /** Give a label a number, where one is free. */
  use({ verb, noun }: Pair): void {
    if ((!verb && !noun) || this.slots.value.length >= NUM_SLOTS) return;
    if (!this.slots.value.some(sameAs({ verb, noun }))) this.keep([...this.slots.value, { verb, noun }]);
  }

  /** The most used labels get the numbers anew. */
  rearrange(used: Pair[]): void {
    this.keep(used.slice(0, NUM_SLOTS));
  }

  private keep(slots: Pair[]): void {
    this.slots.value = slots;
    localStorage.setItem(this.storage, JSON.stringify(slots));
  }
}
