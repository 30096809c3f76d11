/** A video element on a recording's own clock, exact to the picture. */

import { computed, effect, signal, type Signal } from "@preact/signals";
import type { Frames } from "../api/types";

const RATES = [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4];

export class Player {
  /** The picture that is wanted; the one on the screen follows. */
  readonly index = signal(0);
  /** The picture that the browser says it shows; -1 before the first. */
  readonly shown = signal(-1);
  readonly isPlaying = signal(false);
  readonly rate = signal(1);
  readonly time = computed(() => this.timeOf(this.index.value));
  private video: HTMLVideoElement | null = null;
  private stopAt = Infinity;

  private readonly known: Signal<Frames>;

  constructor(frames: Frames) {
    this.known = signal(frames);
  }

  get frames(): Frames {
    return this.known.value;
  }

  /** Go on with a copy of the recording, as soon as nothing plays; its pictures are the same at the same times. */
  exchange(frames: Frames): void {
    if (frames.times_seconds.length !== this.frames.times_seconds.length) return;
    const end = effect(() => {
      if (this.isPlaying.value) return;
      this.known.value = frames;
      queueMicrotask(() => end());
    });
  }

  get end(): number {
    return this.frames.end_seconds;
  }

  timeOf(index: number): number {
    const times = this.frames.times_seconds;
    return index >= times.length ? this.end : (times[Math.max(0, index)] ?? 0);
  }

  /** The picture that is shown at a time: the last that has begun. */
  indexAt(seconds: number): number {
    const times = this.frames.times_seconds;
    let [low, high] = [0, times.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((times[middle] as number) <= seconds + 5e-4) low = middle;
      else high = middle - 1;
    }
    return Math.max(0, low);
  }

  /** The beginning of the picture that is nearest to a time; also the end of the last one. */
  snap(seconds: number): number {
    const index = this.indexAt(seconds);
    const [before, after] = [this.timeOf(index), this.timeOf(index + 1)];
    return seconds - before <= after - seconds ? before : after;
  }

  attach(video: HTMLVideoElement): () => void {
    this.video = video;
    let isAttached = true;
    const presented = (mediaSeconds: number) => {
      const index = this.indexAt(mediaSeconds - this.frames.video_offset_seconds);
      this.shown.value = index;
      if (!this.isPlaying.value) return;
      this.index.value = index;
      if (this.timeOf(index + 1) >= this.stopAt) this.pause();
    };
    const watch = () => {
      if (!isAttached) return;
      if ("requestVideoFrameCallback" in video) {
        video.requestVideoFrameCallback((_now, frame) => (presented(frame.mediaTime), watch()));
      } else {
        requestAnimationFrame(() => (presented((video as HTMLVideoElement).currentTime), watch()));
      }
    };
    watch();
    video.onplay = () => (this.isPlaying.value = true);
    video.onpause = () => this.pause();
    video.onended = () => {
      this.isPlaying.value = false;
      this.seekIndex(this.frames.times_seconds.length - 1);
    };
    video.onseeked = () => {
      if (!this.isPlaying.value && Math.abs(video.currentTime - this.clockOf(this.index.value)) > 1e-3) this.send();
    };
    video.onloadedmetadata = () => {
      video.playbackRate = this.rate.value;
      this.send();
    };
    if (video.readyState >= 1) this.send();
    return () => {
      isAttached = false;
      video.onplay = video.onpause = video.onended = video.onseeked = video.onloadedmetadata = null;
      this.video = null;
    };
  }

  /** Where the element must be to show a picture: its middle, so that no rounding leads to a neighbour. */
  private clockOf(index: number): number {
    return (this.timeOf(index) + this.timeOf(index + 1)) / 2 + this.frames.video_offset_seconds;
  }

  private send(): void {
    const video = this.video;
    if (!video || video.readyState < 1 || video.seeking) return; // onseeked sends the newest
    video.currentTime = this.clockOf(this.index.value);
  }

  seekIndex(index: number): void {
    this.stopAt = Infinity;
    this.index.value = Math.max(0, Math.min(this.frames.times_seconds.length - 1, index));
    this.send();
  }

  seek(seconds: number): void {
    this.seekIndex(this.indexAt(seconds));
  }

  step(numPictures: number): void {
    this.pause();
    this.seekIndex(this.index.value + numPictures);
  }

  pause(): void {
    if (!this.isPlaying.value) return;
    this.isPlaying.value = false; // at once: pictures that still come do not count
    this.video?.pause();
    this.seekIndex(this.index.value);
  }

  play(stopAt = Infinity): void {
    this.stopAt = stopAt;
    void this.video?.play().catch(() => undefined);
  }

  toggle(): void {
    if (this.isPlaying.value) this.pause();
    else this.play();
  }

  playStretch(start: number, stop: number): void {
    this.seek(start);
    this.play(stop);
  }

  faster(steps: number): void {
    const at = RATES.indexOf(this.rate.value);
    this.rate.value = RATES[Math.max(0, Math.min(RATES.length - 1, at + steps))] ?? 1;
    if (this.video) this.video.playbackRate = this.rate.value;
  }
}
