/** Which stretch of a recording the timeline shows. */

import { signal } from "@preact/signals";

const SHORTEST = 0.5;

export class View {
  readonly start = signal(0);
  readonly span: ReturnType<typeof signal<number>>;

  constructor(readonly end: number) {
    this.span = signal(Math.max(SHORTEST, Math.min(end, 60)));
  }

  get seconds(): number {
    return this.span.value as number;
  }

  set(start: number, span: number): void {
    const length = Math.max(SHORTEST, Math.min(this.end || 1, span));
    this.span.value = length;
    this.start.value = Math.max(0, Math.min(this.end - length, start));
  }

  /** Larger factors show less; what is at `around` stays where it is. */
  zoom(factor: number, around: number): void {
    const share = (around - this.start.value) / this.seconds;
    const length = Math.max(SHORTEST, Math.min(this.end || 1, this.seconds / factor));
    this.set(around - share * length, length);
  }

  pan(seconds: number): void {
    this.set(this.start.value + seconds, this.seconds);
  }

  /** Move so that a moment can be seen. */
  show(seconds: number): void {
    const share = (seconds - this.start.value) / this.seconds;
    if (share < 0 || share > 1) this.set(seconds - 0.2 * this.seconds, this.seconds);
  }
}
