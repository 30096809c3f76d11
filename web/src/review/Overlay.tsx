import { useSignal } from "@preact/signals";
import type { ReviewedMask } from "../api/types";
import { type Box, boxAt } from "./masks";

interface Props {
  masks: ReviewedMask[];
  chosen: number | null;
  seconds: number;
  onChoose: (number: number) => void;
  onDraw: (box: Box) => void;
  onMove: (box: Box) => void;
}

const LEAST = 0.01;
const limited = (value: number) => Math.min(1, Math.max(0, value));

/** Places over the picture: drag a chosen one to move it, draw elsewhere to make one. The list beside it does the same by keys. */
export function Overlay({ masks, chosen, seconds, onChoose, onDraw, onMove }: Props) {
  const drag = useSignal<{ from: [number, number]; to: [number, number]; box: Box | null } | null>(null);
  const point = (event: PointerEvent): [number, number] => {
    const area = (event.currentTarget as Element).getBoundingClientRect();
    return [limited((event.clientX - area.x) / area.width), limited((event.clientY - area.y) / area.height)];
  };
  const shown = masks.flatMap((mask, number) => {
    const box = boxAt(mask, seconds);
    return box ? [{ number, mask, box }] : [];
  });
  const held = drag.value && pending(drag.value);
  const begin = (event: PointerEvent) => {
    const at = point(event);
    const hit = [...shown].reverse().find(({ box }) => box[0] <= at[0] && at[0] <= box[2] && box[1] <= at[1] && at[1] <= box[3]);
    if (hit && hit.number !== chosen) return onChoose(hit.number);
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    drag.value = { from: at, to: at, box: hit?.box ?? null };
  };
  const end = () => {
    const done = drag.value;
    drag.value = null;
    if (!done) return;
    const box = pending(done);
    const isMoved = Math.hypot(done.to[0] - done.from[0], done.to[1] - done.from[1]) > LEAST;
    if (isMoved && box[2] - box[0] > LEAST && box[3] - box[1] > LEAST) (done.box ? onMove : onDraw)(box);
  };
  return (
    <svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true" onPointerDown={begin} onPointerMove={(event) => drag.value && (drag.value = { ...drag.value, to: point(event) })} onPointerUp={end} onPointerCancel={() => (drag.value = null)}>
      {shown.map(({ number, mask, box }) => (
        <rect key={number} class={`${mask.is_blurred ? "blurred" : "seen"} ${number === chosen ? "chosen" : ""}`} x={box[0]} y={box[1]} width={box[2] - box[0]} height={box[3] - box[1]} />
      ))}
      {held && <rect class="blurred chosen" x={held[0]} y={held[1]} width={held[2] - held[0]} height={held[3] - held[1]} />}
    </svg>
  );
}

/** What a drag would make: the box moved, within the picture; or a new one. */
function pending({ from, to, box }: { from: [number, number]; to: [number, number]; box: Box | null }): Box {
  if (!box) return [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1])];
  const across = Math.min(1 - box[2], Math.max(-box[0], to[0] - from[0]));
  const down = Math.min(1 - box[3], Math.max(-box[1], to[1] - from[1]));
  return [box[0] + across, box[1] + down, box[2] + across, box[3] + down];
}
