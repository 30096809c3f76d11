/** The keys of the labelling page, in the order in which its help lists them. */

import type { Session } from "./session";

export interface Key {
  /** As the help shows them. */
  shown: string;
  words: string;
  does: Record<string, (session: Session) => void>;
}

export const KEYS: Key[] = [
  { shown: "Space", words: "play or pause", does: { " ": (s) => s.player.toggle() } },
  { shown: "← →", words: "one picture back or on", does: { ArrowLeft: (s) => s.step(-1), ArrowRight: (s) => s.step(1) } },
  { shown: "Shift ← →", words: "one second back or on", does: { "Shift+ArrowLeft": (s) => s.skip(-1), "Shift+ArrowRight": (s) => s.skip(1) } },
  { shown: "Home End", words: "to the beginning or end", does: { Home: (s) => s.seek(0), End: (s) => s.seek(s.player.end) } },
  { shown: "↑ ↓", words: "to the previous or next edge", does: { ArrowUp: (s) => s.edge(-1), ArrowDown: (s) => s.edge(1) } },
  { shown: "Page ↑ ↓", words: "previous or next segment", does: { PageUp: (s) => s.neighbour(-1), PageDown: (s) => s.neighbour(1) } },
  { shown: "j k l", words: "slower, pause, faster", does: { j: (s) => s.player.faster(-1), k: (s) => s.player.pause(), l: (s) => s.player.faster(1) } },
  { shown: "p", words: "play the selected segment", does: { p: (s) => s.playSelected() } },
  { shown: "i o", words: "a new segment begins here, ends here", does: { i: (s) => s.in(), o: (s) => s.out() } },
  {
    shown: "1 … 9",
    words: "label it, also while it is being made",
    does: Object.fromEntries([1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => [String(n), (s: Session) => s.slot(n)])),
  },
  { shown: "Enter", words: "type verb and noun", does: { Enter: () => focusOn("verb") } },
  { shown: "n", words: "note", does: { n: () => focusOn("note") } },
  { shown: "h", words: "hand: none, left, right, both", does: { h: (s) => s.hand() } },
  { shown: "[ ]", words: "the selected segment starts here, stops here", does: { "[": (s) => s.moveEdge("start_seconds"), "]": (s) => s.moveEdge("stop_seconds") } },
  { shown: "s", words: "split here", does: { s: (s) => s.split() } },
  { shown: "m", words: "merge with the next segment", does: { m: (s) => s.merge() } },
  { shown: "Del", words: "delete", does: { Delete: (s) => s.remove(), Backspace: (s) => s.remove() } },
  { shown: "Ctrl z", words: "undo", does: { "Ctrl+z": (s) => void s.undo() } },
  { shown: "Ctrl Shift z", words: "do it again", does: { "Ctrl+Shift+z": (s) => void s.undo(true), "Ctrl+y": (s) => void s.undo(true) } },
  { shown: "a x", words: "accept or reject a proposal, and go to the next", does: { a: (s) => s.accept(), x: (s) => s.reject() } },
  { shown: "+ −", words: "zoom in or out", does: { "+": (s) => s.view.zoom(1.5, s.player.time.value), "-": (s) => s.view.zoom(1 / 1.5, s.player.time.value) } },
  { shown: "0", words: "the whole recording", does: { "0": (s) => s.view.set(0, s.player.end) } },
  { shown: "Esc", words: "select nothing, begin nothing", does: { Escape: (s) => s.escape() } },
];

const ACTIONS = new Map(KEYS.flatMap((key) => Object.entries(key.does)));

function focusOn(name: string): void {
  const field = document.querySelector<HTMLInputElement>(`#segment-form [name="${name}"]`);
  field?.focus();
  field?.select();
}

function nameOf(event: KeyboardEvent): string {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isLetter = key.length > 1 || /[a-z ]/.test(key);
  return `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${event.shiftKey && isLetter ? "Shift+" : ""}${key}`;
}

/** Whether somebody types, or uses a control that has keys of its own. */
function isBusy(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement;
  if (document.querySelector("dialog[open]")) return true;
  if (target.closest("input, textarea, select, [contenteditable]")) return true;
  const isControl = target.closest("button, a, summary, label") !== null;
  return isControl && [" ", "Enter"].includes(event.key);
}

/** Do what a key says; false where it says nothing here. */
export function press(event: KeyboardEvent, session: Session): boolean {
  if (event.altKey || event.isComposing || event.defaultPrevented || isBusy(event)) return false;
  const action = ACTIONS.get(nameOf(event));
  if (!action) return false;
  event.preventDefault();
  action(session);
  return true;
}
