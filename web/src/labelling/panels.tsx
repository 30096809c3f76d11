import { signal } from "@preact/signals";
import { Dialog } from "../parts/Dialog";
import { clock, count, labelOf } from "../words";
import { KEYS } from "./keys";
import { mostUsed } from "./palette";
import type { Session } from "./session";
import type { LabelStore } from "./store";

/** Single letters are commands; whoever speaks to the machine may switch that off. */
export const hasKeys = signal(localStorage.getItem("egoact-studio-keys") !== "off");

/** Buttons that a mouse presses do not take the keys away from the timeline. */
const keepsFocus = (event: Event) => event.preventDefault();

export function Transport({ session, showKeys }: { session: Session; showKeys: () => void }) {
  const { player, store, view } = session;
  const state = store.numWaiting.value ? `${count(store.numWaiting.value, "change")} not saved yet` : "saved";
  return (
    <div class="transport" role="toolbar" aria-label="Play and edit" onMouseDown={keepsFocus}>
      <button type="button" onClick={() => session.step(-1)} aria-label="A picture back">◀</button>
      <button type="button" class="main" onClick={() => player.toggle()}>{player.isPlaying.value ? "Pause" : "Play"}</button>
      <button type="button" onClick={() => session.step(1)} aria-label="A picture on">▶</button>
      <output class="numbers now" aria-label="Now">
        {clock(player.time.value)} <small>picture {player.index.value + 1} of {player.frames.times_seconds.length}</small>
      </output>
      <span class="group">
        <button type="button" onClick={() => player.faster(-1)} aria-label="Slower">−</button>
        <span class="numbers">{player.rate.value}×</span>
        <button type="button" onClick={() => player.faster(1)} aria-label="Faster">+</button>
      </span>
      <button type="button" onClick={() => (session.mark.value === null ? session.in() : session.out())}>
        {session.mark.value === null ? "Begins here" : "Ends here"}
      </button>
      <span class="group">
        <button type="button" onClick={() => void session.undo()} disabled={!store.canUndo.value} title={store.canUndo.value ?? ""}>Undo</button>
        <button type="button" onClick={() => void session.undo(true)} disabled={!store.canRedo.value} title={store.canRedo.value ?? ""}>Redo</button>
      </span>
      <span class="group">
        <button type="button" onClick={() => view.zoom(1 / 1.5, player.time.value)} aria-label="Zoom out">⊖</button>
        <button type="button" onClick={() => view.zoom(1.5, player.time.value)} aria-label="Zoom in">⊕</button>
        <button type="button" onClick={() => view.set(0, player.end)}>All</button>
      </span>
      <span class={store.numWaiting.value ? "saving waits" : "saving"} role="status">{state}</span>
      <button type="button" onClick={showKeys}>Keys <kbd>?</kbd></button>
    </div>
  );
}

export function PaletteBar({ session }: { session: Session }) {
  const slots = session.palette.slots.value;
  if (!slots.length) return null;
  return (
    <section class="panel" aria-label="Labels on number keys" onMouseDown={keepsFocus}>
      <div class="palette">
        {slots.map((pair, i) => (
          <button key={i} type="button" onClick={() => session.slot(i + 1)}>
            <kbd>{i + 1}</kbd> {labelOf(pair)}
          </button>
        ))}
        <button type="button" class="quiet" onClick={() => session.palette.rearrange(mostUsed(session.store.segments.value.values()))}>
          By use
        </button>
      </div>
    </section>
  );
}

export function KeysHelp({ onClose }: { onClose: () => void }) {
  const change = (isOn: boolean) => {
    hasKeys.value = isOn;
    localStorage.setItem("egoact-studio-keys", isOn ? "on" : "off");
  };
  return (
    <Dialog title="Keys" isWide onClose={onClose}>
      <dl class="keys">
        {KEYS.map((key) => (
          <div key={key.shown}>
            <dt>{key.shown.split(" ").map((each) => (each === "…" ? " … " : <kbd key={each}>{each}</kbd>))}</dt>
            <dd>{key.words}</dd>
          </div>
        ))}
      </dl>
      <p class="hint">
        Edges lie where the picture on the screen begins. Wheel over the timeline: zoom; with Shift: move. Drag an edge to move it; the
        strip at its foot is the whole recording.
      </p>
      <label>
        <input type="checkbox" checked={hasKeys.value} onChange={(event) => change(event.currentTarget.checked)} /> Keys work on this page
      </label>
    </Dialog>
  );
}

export function ConflictDialog({ store }: { store: LabelStore }) {
  const conflicts = store.conflicts.value;
  if (!conflicts.length) return null;
  const say = (each: { verb: string | null; noun: string | null; start_seconds: number; stop_seconds: number } | null | undefined) =>
    each ? `${labelOf(each)}, ${clock(each.start_seconds)} – ${clock(each.stop_seconds)}` : "deleted";
  return (
    <Dialog title="Somebody else changed the same segment" onClose={() => store.resolve(false)}>
      <table>
        <thead>
          <tr>
            <th scope="col">Yours</th>
            <th scope="col">On the server</th>
          </tr>
        </thead>
        <tbody>
          {conflicts.map((conflict) => (
            <tr key={conflict.id}>
              <td>{say(store.segments.value.get(conflict.id))}</td>
              <td>{say(conflict.current)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <div class="actions">
        <button type="button" class="main" onClick={() => store.resolve(true)}>Keep mine</button>
        <button type="button" onClick={() => store.resolve(false)}>Take the server's</button>
      </div>
    </Dialog>
  );
}
