import { effect, useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Waveform } from "../api/types";
import { recordings } from "../state";
import { draw, LANE, OVERVIEW, places, RULER } from "./draw";
import { type Item, visible } from "./layout";
import type { Session } from "./session";
import { useWaveforms } from "./waveforms";

const EDGE = 6;

interface Hit {
  item: Item;
  edge: "start" | "stop" | null;
  isProposal: boolean;
}

/** The timeline as a picture; the table of segments says the same in words. */
export function Timeline({ session }: { session: Session }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useSignal(0);
  const isDark = useSignal(matchMedia("(prefers-color-scheme: dark)").matches);
  const waveforms = useWaveforms(session, width);
  // not from the waveforms: nothing may move under the pointer when they arrive
  const hasSound = useComputed(() => recordings.value?.find((each) => each.id === session.recording)?.has_sound ?? false);
  const height = useComputed(() => places(session.tracks.value, hasSound.value).height);

  useEffect(() => {
    const element = canvas.current as HTMLCanvasElement;
    const observer = new ResizeObserver(() => (width.value = element.clientWidth));
    observer.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const change = () => (isDark.value = scheme.matches);
    scheme.addEventListener("change", change);
    return () => (observer.disconnect(), scheme.removeEventListener("change", change));
  }, []);

  useEffect(() => {
    const element = canvas.current as HTMLCanvasElement;
    const context = element.getContext("2d", { alpha: false }) as CanvasRenderingContext2D;
    let request = 0;
    const paint = () => {
      request = 0;
      const ratio = devicePixelRatio || 1;
      const size = [Math.round(width.value * ratio), Math.round(height.value * ratio)] as const;
      if (element.width !== size[0] || element.height !== size[1]) [element.width, element.height] = size;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      draw(context, scene(session, width.value, waveforms.value, hasSound.value, isDark.value));
    };
    const stop = effect(() => {
      if (!width.value) return;
      scene(session, width.value, waveforms.value, hasSound.value, isDark.value);
      height.value;
      request ||= requestAnimationFrame(paint);
    });
    return () => (stop(), cancelAnimationFrame(request));
  }, [session]);

  useEffect(() => follow(session), [session]);
  useEffect(() => handle(canvas.current as HTMLCanvasElement, session, () => hasSound.value), [session]);

  return (
    <canvas
      ref={canvas}
      class="timeline"
      style={{ height: `${height.value}px` }}
      role="img"
      aria-label="Timeline of the recording. The list of segments has the same in words."
    />
  );
}

function scene(session: Session, width: number, waveforms: Waveform[], hasSound: boolean, isDark: boolean) {
  return {
    width,
    isDark,
    waveforms,
    hasSound,
    start: session.view.start.value,
    seconds: session.view.seconds,
    end: session.player.end,
    now: session.player.time.value,
    mark: session.mark.value,
    selected: session.selected.value,
    drag: session.drag.value,
    tracks: session.tracks.value,
  };
}

/** While the recording plays the view goes along. */
function follow(session: Session): () => void {
  return effect(() => {
    const now = session.player.time.value;
    if (session.player.isPlaying.value && now > session.view.start.peek() + 0.95 * (session.view.span.peek() as number)) {
      session.view.set(now - 0.05 * (session.view.span.peek() as number), session.view.span.peek() as number);
    }
  });
}

function hit(session: Session, x: number, y: number, width: number, hasSound: boolean): Hit | null {
  const { tops } = places(session.tracks.value, hasSound);
  const perPixel = session.view.seconds / width;
  const at = session.view.start.value + x * perPixel;
  for (const [i, track] of session.tracks.value.entries()) {
    const lane = Math.floor((y - (tops[i] as number)) / LANE);
    if (lane < 0 || lane >= track.numLanes) continue;
    const reach = EDGE * perPixel;
    const [first, last] = visible(track, at - reach, at + reach);
    const near = track.items.slice(first, last).filter((item) => item.lane === lane && item.start - reach <= at && at <= item.stop + reach);
    const item = near.find((each) => each.id === session.selected.value) ?? near.find((each) => each.start <= at && at < each.stop) ?? near[0];
    if (!item) return null;
    const [toStart, toStop] = [Math.abs(at - item.start), Math.abs(at - item.stop)];
    const isEdge = Math.min(toStart, toStop) <= reach && (item.stop - item.start) / perPixel > 2;
    return { item, isProposal: track.isProposals, edge: isEdge ? (toStart < toStop ? "start" : "stop") : null };
  }
  return null;
}

/** Pointer and wheel. */
function handle(element: HTMLCanvasElement, session: Session, hasSound: () => boolean): () => void {
  const view = session.view;
  let dragged: ((x: number) => void) | null = null;
  const timeAt = (x: number) => view.start.value + (x / element.clientWidth) * view.seconds;
  const find = (event: MouseEvent) => hit(session, event.offsetX, event.offsetY, element.clientWidth, hasSound());
  const scrub = (x: number) => session.player.seek(Math.max(0, Math.min(session.player.end, timeAt(x))));
  const jump = (x: number) => view.set((x / element.clientWidth) * session.player.end - view.seconds / 2, view.seconds);

  const down = (event: PointerEvent) => {
    if (event.button) return;
    element.setPointerCapture(event.pointerId);
    if (event.offsetY > element.clientHeight - OVERVIEW - 6) dragged = jump;
    else if (event.offsetY < RULER) dragged = scrub;
    else {
      const found = find(event);
      if (!found) dragged = scrub;
      else {
        session.selected.value = found.item.id;
        if (found.edge) return void (dragged = edgeDrag(session, found, timeAt, element));
        session.player.pause();
        return session.seek(found.item.start);
      }
      session.selected.value = null;
    }
    session.player.pause();
    dragged(event.offsetX);
  };
  const move = (event: PointerEvent) => {
    if (dragged) dragged(event.offsetX);
    else element.style.cursor = event.offsetY > RULER && find(event)?.edge ? "ew-resize" : "default";
  };
  const up = () => {
    dragged = null;
    const drag = session.drag.value;
    session.drag.value = null;
    if (drag) session.change("edge", { start_seconds: drag.start, stop_seconds: drag.stop }, drag.id);
  };
  const wheel = (event: WheelEvent) => {
    event.preventDefault();
    const across = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (Math.abs(across) > 0 && (event.shiftKey || Math.abs(across) > Math.abs(event.deltaY))) view.pan((across / element.clientWidth) * view.seconds);
    else view.zoom(Math.exp(-event.deltaY * 0.002), timeAt(event.offsetX));
  };
  const twice = (event: MouseEvent) => {
    if (find(event)) document.querySelector<HTMLInputElement>('#segment-form [name="verb"]')?.focus();
  };
  element.addEventListener("pointerdown", down);
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", up);
  element.addEventListener("wheel", wheel, { passive: false });
  element.addEventListener("dblclick", twice);
  return () => {
    element.removeEventListener("pointerdown", down);
    element.removeEventListener("pointermove", move);
    element.removeEventListener("pointerup", up);
    element.removeEventListener("pointercancel", up);
    element.removeEventListener("wheel", wheel);
    element.removeEventListener("dblclick", twice);
  };
}

/** An edge follows the pointer: from picture to picture, and to other edges that are near. */
function edgeDrag(session: Session, found: Hit, timeAt: (x: number) => number, element: HTMLCanvasElement): (x: number) => void {
  const { item, edge } = found;
  return (x) => {
    const reach = (EDGE * session.view.seconds) / element.clientWidth;
    const wanted = Math.max(0, Math.min(session.player.end, timeAt(x)));
    const other = session.edges.value.find((each) => Math.abs(each - wanted) < reach && each !== item[edge as "start"]);
    const at = other ?? session.player.snap(wanted);
    const next = edge === "start" ? { start: at, stop: item.stop } : { start: item.start, stop: at };
    if (next.stop <= next.start) return;
    session.drag.value = { id: item.id, ...next };
    session.player.seek(at);
  };
}

