import type { ComponentChildren } from "preact";
import type { Asked } from "./useAnswer";

/** An answer, or that it is waited for, or in one line why there is none. */
export function Waiting<T>({ asked, children }: { asked: Asked<T>; children: (answer: T) => ComponentChildren }) {
  if (asked.fault) return <p class="hint">{asked.fault}</p>;
  if (asked.answer === null) return asked.isAsking ? <p class="hint">…</p> : null;
  return <>{children(asked.answer)}</>;
}
