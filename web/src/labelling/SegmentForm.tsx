import type { ClassSets } from "../api/types";
import { TextField } from "../parts/TextField";
import { clock, labelOf, parseClock, percent } from "../words";
import { Combobox } from "./Combobox";
import type { Session } from "./session";
import type { Values } from "./store";

const HANDS: Array<[string, Values["hand"]]> = [
  ["none in particular", null],
  ["left", "left"],
  ["right", "right"],
  ["both", "both"],
];

const focusField = (name: string) => document.querySelector<HTMLElement>(`#segment-form [name="${name}"]`)?.focus();

/** What is selected, to be changed: a segment, or a proposal that is corrected by it. */
export function SegmentForm({ session, classes }: { session: Session; classes: ClassSets }) {
  const proposal = session.selectedProposal.value;
  const values = session.selectedValues.value ?? proposal;
  const mark = session.mark.value;
  const id = session.selected.value;
  const change = (words: string, now: Partial<Values>) => session.change(words, now, id);
  const leave = () => (document.activeElement as HTMLElement | null)?.blur();
  if (mark !== null) {
    return (
      <section class="panel" aria-label="New segment">
        <h2>New segment from {clock(mark)}</h2>
        <p>
          {labelOf(session.markPair.value)}. Go to where it has ended and press <kbd>o</kbd>; <kbd>Esc</kbd> gives it up.
        </p>
        <button type="button" class="main" onClick={() => session.out()}>
          It ends here
        </button>
      </section>
    );
  }
  if (!values) {
    return (
      <section class="panel" aria-label="Selected segment">
        <h2>Nothing selected</h2>
        <p class="hint">
          Go to where an action begins and press <kbd>i</kbd>, where it has ended <kbd>o</kbd>. Then type a number or <kbd>Enter</kbd> for
          its verb and noun. <kbd>?</kbd> shows all keys.
        </p>
        <button type="button" onClick={() => session.in()}>
          An action begins here
        </button>
      </section>
    );
  }
  const time = (edge: "start_seconds" | "stop_seconds", text: string) => {
    const seconds = parseClock(text);
    if (seconds !== null) change("edge", { [edge]: session.player.snap(seconds) });
  };
  return (
    <section class="panel" aria-label="Selected segment">
      {proposal ? (
        <>
          <h2>
            Proposal, {percent(proposal.confidence)} sure
            {proposal.decision !== "open" && <small> {proposal.decision}</small>}
          </h2>
          {proposal.decision === "open" && (
            <div class="actions">
              <button type="button" class="main" onClick={() => session.accept()}>
                Accept <kbd>a</kbd>
              </button>
              <button type="button" onClick={() => session.reject()}>
                Reject <kbd>x</kbd>
              </button>
            </div>
          )}
        </>
      ) : (
        <h2>Selected segment</h2>
      )}
      <form id="segment-form" key={id} onSubmit={(event) => event.preventDefault()}>
        <div class="pair">
          <Combobox name="verb" label="Verb" value={values.verb} entries={classes.verbs} onChoose={(verb) => change("verb", { verb })} onDone={() => focusField("noun")} />
          <Combobox name="noun" label="Noun" value={values.noun} entries={classes.nouns} onChoose={(noun) => change("noun", { noun })} onDone={() => (session.keepPair(), leave())} />
        </div>
        <div class="pair">
          <label class="field">
            <span>Start</span>
            <TextField name="start" isNumeric value={clock(values.start_seconds)} onKeep={(text) => time("start_seconds", text)} />
          </label>
          <label class="field">
            <span>Stop</span>
            <TextField name="stop" isNumeric value={clock(values.stop_seconds)} onKeep={(text) => time("stop_seconds", text)} />
          </label>
        </div>
        {!proposal && (
          <>
            <div class="pair">
              <label class="field">
                <span>Hand</span>
                <select
                  name="hand"
                  value={session.selectedValues.value?.hand ?? ""}
                  onChange={(event) => change("hand", { hand: (event.currentTarget.value || null) as Values["hand"] })}
                >
                  {HANDS.map(([words, hand]) => (
                    <option key={words} value={hand ?? ""}>
                      {words}
                    </option>
                  ))}
                </select>
              </label>
              <label class="field">
                <span>Note</span>
                <TextField name="note" value={session.selectedValues.value?.note ?? ""} onKeep={(note) => change("note", { note })} />
              </label>
            </div>
            <div class="actions">
              <button type="button" onClick={() => session.playSelected()}>Play</button>
              <button type="button" onClick={() => session.split()}>Split</button>
              <button type="button" onClick={() => session.merge()}>Merge</button>
              <button type="button" onClick={() => session.remove()}>Delete</button>
            </div>
          </>
        )}
      </form>
    </section>
  );
}
