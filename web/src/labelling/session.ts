/** All that the labelling page can do, by name; keys and buttons call it. */

import { computed, signal } from "@preact/signals";
import { api } from "../api/client";
import type { ClassEntry, ClassSets, Decision, LabelSegment, Proposal, Proposals } from "../api/types";
import { attempt, project, say } from "../state";
import { labelOf } from "../words";
import { layOut } from "./layout";
import { Palette, type Pair } from "./palette";
import type { Player } from "./player";
import { type Change, type LabelStore, newId, type Values } from "./store";
import { View } from "./view";

const HANDS: Array<Values["hand"]> = [null, "left", "right", "both"];
const EMPTY: Pair = { verb: null, noun: null };

function withWords(known: ClassEntry[], words: Array<string | null>): ClassEntry[] {
  const names = new Set(known.map((entry) => entry.name));
  const missing = [...new Set(words)].filter((word): word is string => word !== null && !names.has(word));
  return [...known, ...missing.map((name) => ({ name, category: null, num_segments: 0 }))];
}

export class Session {
  readonly selected = signal<string | null>(null);
  /** Where a new segment begins, while its end is looked for. */
  readonly mark = signal<number | null>(null);
  readonly markPair = signal<Pair>(EMPTY);
  readonly proposals = signal<Proposals | null>(null);
  /** An edge that is being dragged. */
  readonly drag = signal<{ id: string; start: number; stop: number } | null>(null);
  readonly view: View;
  readonly tracks = computed(() => layOut(this.store.segments.value, this.proposals.value?.proposals ?? null));
  readonly ordered = computed(() =>
    [...this.store.segments.value].sort(([, a], [, b]) => a.start_seconds - b.start_seconds || a.stop_seconds - b.stop_seconds),
  );
  readonly selectedValues = computed(() => this.store.segments.value.get(this.selected.value ?? "") ?? null);
  readonly selectedProposal = computed(
    () => this.proposals.value?.proposals.find((each) => each.id === this.selected.value) ?? null,
  );
  readonly edges = computed(() => {
    const values = [...this.store.segments.value.values(), ...this.openProposals()];
    return [...new Set(values.flatMap((each) => [each.start_seconds, each.stop_seconds]))].sort((a, b) => a - b);
  });

  /** Words to choose from: the project's, and those that were typed here a moment ago. */
  readonly classes = computed<ClassSets>(() => {
    const known = project.value?.classes ?? { verbs: [], nouns: [] };
    const here = [...this.store.segments.value.values()];
    return { verbs: withWords(known.verbs, here.map((each) => each.verb)), nouns: withWords(known.nouns, here.map((each) => each.noun)) };
  });

  constructor(readonly recording: string, readonly store: LabelStore, readonly player: Player, readonly palette: Palette) {
    this.view = new View(player.end);
  }

  private openProposals(): Proposal[] {
    return this.proposals.value?.proposals.filter((each) => each.decision === "open") ?? [];
  }

  private make(start: number, stop: number, pair: Pair): Values {
    return { recording_id: this.recording, start_seconds: start, stop_seconds: stop, ...pair, hand: null, note: "" };
  }

  // --- going somewhere -----------------------------------------------------------------------------------------

  seek(seconds: number): void {
    this.player.seek(seconds);
    this.view.show(this.player.time.value);
  }

  step(numPictures: number): void {
    this.player.step(numPictures);
    this.view.show(this.player.time.value);
  }

  skip(seconds: number): void {
    const wanted = this.player.time.value + seconds;
    this.player.pause();
    this.seek(Math.max(0, wanted));
  }

  edge(direction: 1 | -1): void {
    const now = this.player.time.value;
    const found = this.edges.value.filter((each) => (direction > 0 ? each > now + 1e-4 : each < now - 1e-4));
    const target = direction > 0 ? found[0] : found.at(-1);
    if (target === undefined) return;
    this.player.pause();
    this.seek(target);
    const at = this.ordered.value.find(([, each]) => each.start_seconds === target || each.stop_seconds === target);
    const proposal = this.openProposals().find((each) => each.start_seconds === target || each.stop_seconds === target);
    this.selected.value = at?.[0] ?? proposal?.id ?? this.selected.value;
  }

  select(id: string | null, goes = false): void {
    this.selected.value = id;
    const found = this.selectedValues.value ?? this.selectedProposal.value;
    if (!goes || !found) return;
    this.player.pause();
    this.seek(found.start_seconds);
  }

  neighbour(direction: 1 | -1): void {
    const ids = this.ordered.value.map(([id]) => id);
    const at = ids.indexOf(this.selected.value ?? "");
    const now = this.player.time.value;
    const here = this.ordered.value.findIndex(([, each]) => each.start_seconds > now);
    const next = at >= 0 ? at + direction : direction > 0 ? here : (here < 0 ? ids.length : here) - 1;
    if (next >= 0 && ids[next] !== undefined) this.select(ids[next], true);
  }

  playSelected(): void {
    const found = this.selectedValues.value ?? this.selectedProposal.value;
    if (found) this.player.playStretch(found.start_seconds, found.stop_seconds);
    else say("Select a segment first: up and down go from edge to edge.");
  }

  // --- labels ----------------------------------------------------------------------------------------------------

  in(): void {
    this.mark.value = this.player.time.value;
    this.markPair.value = EMPTY;
    this.selected.value = null;
  }

  out(): void {
    const start = this.mark.value;
    const stop = this.player.index.value === this.player.frames.times_seconds.length - 1 ? this.player.end : this.player.time.value;
    if (start === null) return say("Press i where the action begins, then o where it has ended.");
    if (stop <= start) return say("The end must be after the beginning.");
    const id = newId();
    const values = this.make(start, stop, this.markPair.value);
    this.store.apply("new segment", [{ id, before: null, after: values }]);
    this.mark.value = null;
    this.selected.value = id;
  }

  escape(): void {
    if (this.mark.value !== null) this.mark.value = null;
    else this.selected.value = null;
  }

  /** Change a segment, the selected one unless told; of a proposal, its correction. */
  change(words: string, change: Partial<Values>, id = this.selected.value): void {
    const before = this.store.segments.value.get(id ?? "");
    if (id && before) {
      const after = { ...before, ...change };
      if (after.stop_seconds <= after.start_seconds) return say("The end must be after the beginning.");
      return this.store.apply(words, [{ id, before, after }]);
    }
    const proposal = this.proposals.value?.proposals.find((each) => each.id === id);
    const label = proposal?.segment_id ?? "";
    if (this.store.segments.value.has(label)) return this.change(words, change, label); // it became one meanwhile
    if (!proposal) return say("Select a segment first, or make one with i and o.");
    const now = this.proposalValues(proposal);
    void this.decide([{ proposal_id: proposal.id, action: "correct", segment: { ...now, ...change } }]);
  }

  private proposalValues(proposal: Proposal): Values {
    return this.make(proposal.start_seconds, proposal.stop_seconds, { verb: proposal.verb, noun: proposal.noun });
  }

  /** Verb and noun are both typed: they may get a number. */
  keepPair(): void {
    if (this.selectedValues.value) this.palette.use(this.selectedValues.value);
  }

  label(pair: Pair): void {
    this.palette.use(pair);
    if (this.mark.value !== null) this.markPair.value = pair;
    else this.change(`label ${labelOf(pair)}`, pair);
  }

  slot(number: number): void {
    const pair = this.palette.slots.value[number - 1];
    if (pair) this.label(pair);
    else say(`There is no label on ${number} yet: those that you use get a number.`);
  }

  hand(): void {
    const now = this.selectedValues.value?.hand ?? null;
    this.change("hand", { hand: HANDS[(HANDS.indexOf(now) + 1) % HANDS.length] ?? null });
  }

  moveEdge(edge: "start_seconds" | "stop_seconds"): void {
    this.change("edge", { [edge]: this.player.time.value });
  }

  split(): void {
    const [id, before, at] = [this.selected.value, this.selectedValues.value, this.player.time.value];
    if (!id || !before) return say("Select a segment to split.");
    if (at <= before.start_seconds || at >= before.stop_seconds) return say("Go inside the segment to split it.");
    const second = newId();
    this.store.apply("split", [
      { id, before, after: { ...before, stop_seconds: at } },
      { id: second, before: null, after: { ...before, start_seconds: at } },
    ]);
    this.selected.value = second;
  }

  /** With the next segment of the same hand. */
  merge(): void {
    const [id, before] = [this.selected.value, this.selectedValues.value];
    if (!id || !before) return say("Select a segment to merge with the next one.");
    const following = this.ordered.value.slice(this.ordered.value.findIndex(([each]) => each === id) + 1);
    const next = following.find(([, each]) => each.hand === before.hand);
    if (!next) return say("No segment follows.");
    const stop = Math.max(before.stop_seconds, next[1].stop_seconds);
    const note = [before.note, next[1].note].filter(Boolean).join("\n");
    this.store.apply("merge", [
      { id, before, after: { ...before, verb: before.verb ?? next[1].verb, noun: before.noun ?? next[1].noun, stop_seconds: stop, note } },
      { id: next[0], before: next[1], after: null },
    ]);
  }

  remove(): void {
    const [id, before] = [this.selected.value, this.selectedValues.value];
    if (this.selectedProposal.value) return this.reject();
    if (!id || !before) return say("Select a segment to delete.");
    this.store.apply("delete", [{ id, before, after: null }]);
    this.selected.value = null;
  }

  async undo(isAgain = false): Promise<void> {
    const step = await (isAgain ? this.store.redo() : this.store.undo());
    if (!step) return say(isAgain ? "There is nothing to do again." : "There is nothing to undo.");
    say(`${isAgain ? "Again" : "Undone"}: ${step.words}`);
    const id = step.changes.map((change: Change) => change.id).find((each) => this.store.segments.value.has(each));
    if (id) this.selected.value = id;
  }

  // --- proposals -------------------------------------------------------------------------------------------------

  accept(): void {
    const proposal = this.selectedProposal.value;
    if (proposal?.decision === "open") void this.decide([{ proposal_id: proposal.id, action: "accept" }]);
    else this.nextProposal();
  }

  reject(): void {
    const proposal = this.selectedProposal.value;
    if (proposal?.decision === "open") void this.decide([{ proposal_id: proposal.id, action: "reject" }]);
    else this.nextProposal();
  }

  acceptSure(confidence: number): void {
    const sure = this.openProposals().filter((each) => each.confidence >= confidence);
    if (!sure.length) return say("No open proposal is that sure.");
    void this.decide(sure.map((each) => ({ proposal_id: each.id, action: "accept" })));
  }

  nextProposal(): void {
    const open = this.openProposals();
    const next = open.find((each) => each.start_seconds >= this.player.time.value - 1e-4) ?? open[0];
    if (next) this.select(next.id, true);
    else say("No proposal is open.");
  }

  private async decide(decisions: Decision[]): Promise<void> {
    const redo = async () => void (await this.send(decisions));
    const made = await this.send(decisions);
    if (!made) return;
    const reopen = decisions.map((each) => ({ proposal_id: each.proposal_id, action: "reopen" as const }));
    const words = decisions.length > 1 ? `${decisions.length} proposals accepted` : `proposal: ${decisions[0]?.action}`;
    this.store.remember({ words, changes: [], redo, undo: async () => void (await this.send(reopen)) });
    if (decisions[0]?.action === "correct") this.corrected(made[0]);
    else if (decisions.length === 1) this.nextProposal();
  }

  /** What a proposal became is selected: there may be more to correct in it. */
  private corrected(label: LabelSegment | undefined): void {
    const typing = document.activeElement?.closest("#segment-form") ? document.activeElement.getAttribute("name") : null;
    if (label) this.selected.value = label.id;
    requestAnimationFrame(() => document.querySelector<HTMLElement>(`#segment-form [name="${typing}"]`)?.focus());
  }

  private async send(decisions: Decision[]): Promise<LabelSegment[] | null> {
    const run = this.proposals.value?.run;
    if (!run) return null;
    await this.store.settled();
    const body = { request_id: newId(), annotator: this.store.annotator, decisions };
    const done = await attempt(api.decide(run, this.recording, body));
    if (!done || !this.proposals.value) return null;
    this.store.take(done);
    const now = new Map(done.proposals.map((each) => [each.id, each]));
    const proposals = this.proposals.value.proposals.map((each) => now.get(each.id) ?? each);
    this.proposals.value = { ...this.proposals.value, proposals };
    return done.segments;
  }
}
