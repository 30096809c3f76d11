/** Labels of an annotator in a recording: edits, undo without end, and a queue that saves them. Knows nothing of pages. */

import { computed, signal } from "@preact/signals";
import { api, Refused } from "../api/client";
import type { AddEdit, ChangeEdit, Conflict, DeleteEdit, Edits, EditsDone, LabelSegment } from "../api/types";
import { isAway, sayFault } from "../state";

export type Values = Omit<LabelSegment, "id" | "version">;
export type Stored = { id: string; version: number | null; values: Values | null };

export interface Change {
  id: string;
  before: Values | null;
  after: Values | null;
}

/** Something that can be undone: changes of labels, or what was decided about proposals. */
export interface Step {
  words: string;
  changes: Change[];
  undo?: () => Promise<void>;
  redo?: () => Promise<void>;
}

/** 128 bits; `crypto.randomUUID` is missing where the page came over plain HTTP from another machine. */
export function newId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function valuesOf(segment: LabelSegment): Values {
  const { id: _id, version: _version, ...values } = segment;
  return values;
}

const same = (a: Values | null | undefined, b: Values | null | undefined) =>
  a === b || (!!a && !!b && (Object.keys(a) as Array<keyof Values>).every((name) => a[name] === b[name]));

export class LabelStore {
  readonly segments = signal<ReadonlyMap<string, Values>>(new Map());
  readonly conflicts = signal<Conflict[]>([]);
  readonly numWaiting = signal(0);
  private readonly steps = signal<{ done: Step[]; undone: Step[] }>({ done: [], undone: [] });
  readonly canUndo = computed(() => this.steps.value.done.at(-1)?.words ?? null);
  readonly canRedo = computed(() => this.steps.value.undone.at(-1)?.words ?? null);
  private readonly server = new Map<string, LabelSegment>();
  private readonly dirty = new Set<string>();
  private revision = 0;
  private pumping: Promise<void> | null = null;
  private isClosed = false;
  private readonly stashName: string;

  constructor(readonly annotator: string, readonly recording: string, folder: string) {
    this.stashName = `egoact-studio-unsaved:${folder}:${annotator}:${recording}`;
  }

  /** Take what the server has; and what an earlier visit could not send. */
  open(revision: number, segments: LabelSegment[]): void {
    this.revision = revision;
    this.server.clear();
    for (const segment of segments) this.server.set(segment.id, segment);
    this.segments.value = new Map(segments.map((segment) => [segment.id, valuesOf(segment)]));
    const kept = JSON.parse(localStorage.getItem(this.stashName) ?? "[]") as Stored[];
    const changes = kept.map((each) => ({ id: each.id, before: this.segments.value.get(each.id) ?? null, after: each.values }));
    const late = kept.filter((each) => (this.server.get(each.id)?.version ?? null) !== each.version);
    if (changes.length) this.apply("changes that were not saved yet", changes, late);
  }

  close(): void {
    this.isClosed = true;
  }

  /** Change labels here at once, and on the server as soon as it can be. */
  apply(words: string, changes: Change[], late: Stored[] = []): void {
    const real = changes.filter((change) => !same(change.before, change.after));
    if (!real.length) return;
    this.put(real.map((change) => [change.id, change.after]));
    this.remember({ words, changes: real });
    if (late.length) this.conflicts.value = late.map((each) => ({ id: each.id, current: this.server.get(each.id) ?? null }));
    void this.pump();
  }

  /** Take something into the history that is done already. */
  remember(step: Step): void {
    this.steps.value = { done: [...this.steps.value.done, step], undone: [] };
  }

  async undo(): Promise<Step | null> {
    const step = this.steps.value.done.at(-1);
    if (!step) return null;
    this.steps.value = { done: this.steps.value.done.slice(0, -1), undone: [...this.steps.value.undone, step] };
    this.put(step.changes.map((change) => [change.id, change.before]));
    void this.pump();
    if (step.undo) await step.undo();
    return step;
  }

  async redo(): Promise<Step | null> {
    const step = this.steps.value.undone.at(-1);
    if (!step) return null;
    this.steps.value = { done: [...this.steps.value.done, step], undone: this.steps.value.undone.slice(0, -1) };
    this.put(step.changes.map((change) => [change.id, change.after]));
    void this.pump();
    if (step.redo) await step.redo();
    return step;
  }

  private put(entries: Array<[string, Values | null]>): void {
    const next = new Map(this.segments.value);
    for (const [id, values] of entries) {
      if (values) next.set(id, values);
      else next.delete(id);
      this.dirty.add(id);
    }
    this.segments.value = next;
    this.numWaiting.value = this.dirty.size;
  }

  /** Wait until everything is saved, or a conflict needs a person. */
  async settled(): Promise<void> {
    await this.pump();
  }

  private pump(): Promise<void> {
    this.pumping ??= this.send().finally(() => {
      this.pumping = null;
    });
    return this.pumping;
  }

  private async send(): Promise<void> {
    while (this.dirty.size && !this.conflicts.value.length && !this.isClosed) {
      const ids = [...this.dirty].slice(0, 500);
      const sent = new Map(ids.map((id) => [id, this.segments.value.get(id) ?? null]));
      const edits = ids.map((id) => this.editOf(id, sent.get(id) ?? null)).filter((edit) => edit !== null);
      try {
        if (edits.length) this.adopt(await this.insist({ request_id: newId(), edits }));
        this.forget(ids.filter((id) => same(this.segments.value.get(id) ?? null, sent.get(id) ?? null)));
      } catch (error) {
        if (this.isClosed) return;
        this.refused(error, ids);
      }
    }
  }

  private editOf(id: string, wanted: Values | null): AddEdit | ChangeEdit | DeleteEdit | null {
    const known = this.server.get(id);
    if (!known) return wanted && { op: "add", id, segment: wanted };
    if (!wanted) return { op: "delete", id, version: known.version };
    return same(valuesOf(known), wanted) ? null : { op: "change", id, version: known.version, segment: wanted };
  }

  /** The same request again until the server answers; that changes nothing where it had arrived. */
  private async insist(edits: Edits): Promise<EditsDone> {
    for (let seconds = 0.5; ; seconds = Math.min(8, seconds * 2)) {
      try {
        const done = await api.edit(this.annotator, edits);
        isAway.value = false;
        return done;
      } catch (error) {
        if (!(error instanceof Refused) || !(error.isAway || error.status === 503) || this.isClosed) throw error;
        isAway.value = isAway.value || error.isAway;
        this.stash();
        await new Promise((done) => setTimeout(done, 1000 * seconds));
      }
    }
  }

  private adopt(done: { revision: number; segments: LabelSegment[]; deleted: string[] }): void {
    this.revision = Math.max(this.revision, done.revision);
    for (const segment of done.segments) this.server.set(segment.id, segment);
    for (const id of done.deleted) this.server.delete(id);
  }

  private forget(ids: string[]): void {
    const next = new Map(this.segments.value);
    for (const id of ids) {
      this.dirty.delete(id);
      const known = this.server.get(id);
      if (known) next.set(id, valuesOf(known));
      else next.delete(id);
    }
    this.segments.value = next;
    this.numWaiting.value = this.dirty.size;
    if (!this.dirty.size) localStorage.removeItem(this.stashName);
  }

  private refused(error: unknown, ids: string[]): void {
    if (error instanceof Refused && error.status === 409 && error.conflicts.length) {
      this.conflicts.value = error.conflicts;
      for (const { id, current } of error.conflicts) {
        if (current) this.server.set(id, current);
        else this.server.delete(id);
      }
      return;
    }
    sayFault(error);
    this.forget(ids); // as the server has them
  }

  /** A person chose: the own version of these segments, or what is on the server. */
  resolve(isMine: boolean): void {
    const ids = this.conflicts.value.map((conflict) => conflict.id);
    this.conflicts.value = [];
    if (!isMine) this.forget(ids);
    void this.pump();
  }

  /** What somebody else changed meanwhile. */
  async follow(revision: number | null): Promise<void> {
    await this.pump();
    if (this.isClosed || (revision !== null && revision <= this.revision)) return;
    const changes = await api.changes(this.annotator, this.revision);
    const mine = changes.segments.filter((segment) => segment.recording_id === this.recording);
    this.take({ ...changes, segments: mine });
  }

  /** Labels that the server made, of proposals for instance. */
  take(done: { revision: number; segments: LabelSegment[]; deleted: string[] }): void {
    this.adopt(done);
    this.forget([...done.segments.map((each) => each.id), ...done.deleted].filter((id) => !this.dirty.has(id)));
  }

  private stash(): void {
    const kept = [...this.dirty].map((id) => {
      return { id, version: this.server.get(id)?.version ?? null, values: this.segments.value.get(id) ?? null };
    });
    try {
      localStorage.setItem(this.stashName, JSON.stringify(kept));
    } catch {
      // full or forbidden; the page still has them
    }
  }
}
