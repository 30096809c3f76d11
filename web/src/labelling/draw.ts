/** Draws the timeline on a canvas: only what is visible. Knows nothing of events. */

import type { Waveform } from "../api/types";
import { clock } from "../words";
import { type Item, type Track, visible } from "./layout";

export const RULER = 24;
export const SOUND = 36;
export const MOTION = 22;
export const LANE = 24;
export const GAP = 16;
export const OVERVIEW = 18;

export interface Scene {
  width: number;
  start: number;
  seconds: number;
  end: number;
  now: number;
  mark: number | null;
  selected: string | null;
  drag: { id: string; start: number; stop: number } | null;
  tracks: Track[];
  waveforms: Waveform[];
  hasSound: boolean;
  isDark: boolean;
}

interface Colours {
  page: string; ink: string; quiet: string; line: string; soft: string; accent: string; sound: string; motion: string; now: string;
}

const LIGHT: Colours = {
  page: "#ffffff", ink: "#1a1d21", quiet: "#555c65", line: "#d5dae0", soft: "#f3f5f7", accent: "#0b5c92", sound: "#7fa6c2", motion: "#c59a5a", now: "#c2185b",
};
const DARK: Colours = {
  page: "#14171a", ink: "#e7eaee", quiet: "#a5aeb8", line: "#363d45", soft: "#1d2125", accent: "#7cc0f0", sound: "#4d7693", motion: "#8a6b3c", now: "#ff80ab",
};

const fills = new Map<number, string>();

function fill(hue: number, isDark: boolean, isFaint: boolean): string {
  const key = hue * 4 + (isDark ? 2 : 0) + (isFaint ? 1 : 0);
  let found = fills.get(key);
  if (!found) {
    const light = isDark ? (isFaint ? 20 : 32) : isFaint ? 93 : 80;
    found = `hsl(${hue} ${isFaint ? 25 : 55}% ${light}%)`;
    fills.set(key, found);
  }
  return found;
}

/** Where each track begins, and the height of it all. */
export function places(tracks: Track[], hasSound: boolean): { tops: number[]; bands: number; height: number } {
  const bands = RULER + (hasSound ? SOUND : 0) + MOTION;
  let y = bands;
  const tops = tracks.map((track) => {
    const top = y + GAP;
    y = top + track.numLanes * LANE + 4;
    return top;
  });
  return { tops, bands, height: y + OVERVIEW + 8 };
}

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

export function draw(context: CanvasRenderingContext2D, scene: Scene): void {
  const colours = scene.isDark ? DARK : LIGHT;
  const { tops, bands, height } = places(scene.tracks, scene.hasSound);
  const x = (seconds: number) => ((seconds - scene.start) / scene.seconds) * scene.width;
  context.font = "12px system-ui, 'DejaVu Sans', sans-serif";
  context.textBaseline = "middle";
  context.fillStyle = colours.page;
  context.fillRect(0, 0, scene.width, height);
  ruler(context, scene, colours, x, height);
  bandsOf(context, scene, colours);
  scene.tracks.forEach((track, i) => tracks(context, scene, colours, x, track, tops[i] as number));
  if (scene.mark !== null) span(context, x(scene.mark), x(Math.max(scene.now, scene.mark)), bands, height - OVERVIEW - 8, colours);
  line(context, x(scene.now), 0, height - OVERVIEW - 6, colours.now);
  overview(context, scene, colours, height - OVERVIEW - 2);
}

type Scale = (seconds: number) => number;

function ruler(context: CanvasRenderingContext2D, scene: Scene, colours: Colours, x: Scale, height: number): void {
  const step = STEPS.find((each) => (each / scene.seconds) * scene.width >= 84) ?? 7200;
  context.fillStyle = colours.soft;
  context.fillRect(0, 0, scene.width, RULER);
  for (let i = Math.ceil(scene.start / step); i * step <= scene.start + scene.seconds; i++) {
    const at = Math.round(x(i * step));
    context.fillStyle = colours.line;
    context.fillRect(at, 0, 1, height - OVERVIEW - 8);
    context.fillStyle = colours.quiet;
    context.fillText(clock(i * step, step < 1 ? 1 : 0), at + 4, RULER / 2);
  }
}

function bandsOf(context: CanvasRenderingContext2D, scene: Scene, colours: Colours): void {
  if (scene.hasSound) band(context, scene, "sound", RULER, SOUND, colours.sound, true);
  band(context, scene, "motion", RULER + (scene.hasSound ? SOUND : 0), MOTION, colours.motion, false);
}

/** The finest waveform that covers the view, one bar a pixel: the largest of the bins behind it. */
function band(
  context: CanvasRenderingContext2D, scene: Scene, what: "sound" | "motion", top: number, height: number, colour: string, isMirrored: boolean,
): void {
  const stop = Math.min(scene.end, scene.start + scene.seconds);
  const covering = scene.waveforms.filter((each) => each.start_seconds <= scene.start + 0.01 && each.stop_seconds >= stop - 0.01);
  const found = covering.sort((a, b) => a.bin_seconds - b.bin_seconds)[0];
  const values = found?.[what];
  if (!found || !values?.length) return;
  context.fillStyle = colour;
  context.beginPath();
  const perPixel = scene.seconds / scene.width / found.bin_seconds;
  const first = (scene.start - found.start_seconds) / found.bin_seconds;
  for (let pixel = 0; pixel < scene.width; pixel++) {
    const from = Math.floor(first + pixel * perPixel);
    const to = Math.max(from + 1, Math.floor(first + (pixel + 1) * perPixel));
    let largest = 0;
    for (let i = Math.max(0, from); i < to && i < values.length; i++) largest = Math.max(largest, values[i] as number);
    const size = Math.max(what === "sound" ? 1 : 0, largest * (height - 4));
    context.rect(pixel, isMirrored ? top + (height - size) / 2 : top + height - 2 - size, 1, size);
  }
  context.fill();
}

function tracks(context: CanvasRenderingContext2D, scene: Scene, colours: Colours, x: Scale, track: Track, top: number): void {
  context.fillStyle = colours.soft;
  context.fillRect(0, top, scene.width, track.numLanes * LANE);
  const [first, last] = visible(track, scene.start, scene.start + scene.seconds);
  for (let i = first; i < last; i++) {
    const item = track.items[i] as Item;
    if (item.id === scene.selected) continue;
    segment(context, scene, colours, x, item, top);
  }
  const selected = scene.selected === null ? undefined : track.items.slice(first, last).find((item) => item.id === scene.selected);
  if (selected) segment(context, scene, colours, x, selected, top);
  context.fillStyle = colours.quiet;
  context.fillText(track.name, 4, top - 7);
}

function segment(context: CanvasRenderingContext2D, scene: Scene, colours: Colours, x: Scale, item: Item, top: number): void {
  const drag = scene.drag?.id === item.id ? scene.drag : null;
  const left = x(drag?.start ?? item.start);
  const right = x(drag?.stop ?? item.stop);
  if (right < 0 || left > scene.width) return;
  const [from, width] = [Math.max(-2, left), Math.max(1, Math.min(scene.width + 2, right) - Math.max(-2, left))];
  const y = top + item.lane * LANE + 1;
  const isSelected = item.id === scene.selected;
  const isDecided = item.decision !== null && item.decision !== "open";
  context.fillStyle = fill(item.hue, scene.isDark, isDecided);
  context.fillRect(from, y, width > 3 ? width - 1 : width, LANE - 2);
  if (item.confidence !== null && width > 3) {
    context.fillStyle = colours.accent;
    context.fillRect(from, y + LANE - 5, (width - 1) * item.confidence, 3);
  }
  if (isSelected) {
    context.strokeStyle = colours.accent;
    context.lineWidth = 3;
    context.strokeRect(from + 0.5, y + 0.5, Math.max(2, width - 2), LANE - 3);
  }
  if (width < 26) return;
  const prefix = item.decision === "accepted" || item.decision === "corrected" ? "✓ " : item.decision === "rejected" ? "✕ " : "";
  context.fillStyle = isDecided ? colours.quiet : colours.ink;
  const text = fit(prefix + item.text, width - 10);
  context.fillText(text, Math.max(4, from + 5), y + (LANE - 2) / 2 - (item.confidence !== null ? 1 : 0));
}

/** Roughly as many letters as there is room for; measuring each text would cost more than drawing it. */
function fit(text: string, width: number): string {
  const most = Math.floor(width / 6.6);
  return text.length <= most ? text : most < 2 ? "" : `${text.slice(0, most - 1)}…`;
}

function span(context: CanvasRenderingContext2D, from: number, to: number, top: number, bottom: number, colours: Colours): void {
  context.globalAlpha = 0.2;
  context.fillStyle = colours.now;
  context.fillRect(from, top, Math.max(1, to - from), bottom - top);
  context.globalAlpha = 1;
  line(context, from, 0, bottom, colours.accent);
}

function line(context: CanvasRenderingContext2D, at: number, top: number, bottom: number, colour: string): void {
  context.fillStyle = colour;
  context.fillRect(Math.round(at) - 1, top, 2, bottom - top);
}

let small: { canvas: HTMLCanvasElement; tracks: Track[] | null; width: number; isDark: boolean } | null = null;

/** The whole recording in a strip, with the stretch that is shown; drawn anew only where labels changed. */
function overview(context: CanvasRenderingContext2D, scene: Scene, colours: Colours, top: number): void {
  if (!small || small.tracks !== scene.tracks || small.width !== scene.width || small.isDark !== scene.isDark) {
    small ??= { canvas: document.createElement("canvas"), tracks: null, width: 0, isDark: false };
    Object.assign(small, { tracks: scene.tracks, width: scene.width, isDark: scene.isDark });
    paintOverview(small.canvas, scene, colours);
  }
  context.drawImage(small.canvas, 0, top);
  const scale = scene.width / scene.end;
  context.fillStyle = colours.now;
  context.fillRect(scene.now * scale - 1, top, 2, OVERVIEW);
  context.strokeStyle = colours.accent;
  context.lineWidth = 2;
  context.strokeRect(scene.start * scale + 1, top + 1, Math.max(4, scene.seconds * scale - 2), OVERVIEW - 2);
}

function paintOverview(canvas: HTMLCanvasElement, scene: Scene, colours: Colours): void {
  canvas.width = Math.max(1, Math.round(scene.width));
  canvas.height = OVERVIEW;
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  context.fillStyle = colours.soft;
  context.fillRect(0, 0, canvas.width, OVERVIEW);
  const scale = scene.width / scene.end;
  const height = (OVERVIEW - 4) / Math.max(1, scene.tracks.length);
  scene.tracks.forEach((track, i) => {
    for (const item of track.items) {
      context.fillStyle = fill(item.hue, scene.isDark, item.decision !== null && item.decision !== "open");
      context.fillRect(item.start * scale, 2 + i * height, Math.max(1, (item.stop - item.start) * scale), height - 1);
    }
  });
}
