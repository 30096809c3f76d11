import { useSignal } from "@preact/signals";
import { api } from "../api/client";
import type { Confusion, ConfusionCell } from "../api/types";
import { count } from "../words";
import { Clips } from "./Clips";
import { useAnswer } from "./useAnswer";
import { Waiting } from "./Waiting";

const MOST = 24;
const NOTHING = "nothing";

/** What was found where something is labelled; each number opens the clips behind it. */
export function ConfusionMatrix({ run, annotator }: { run: string; annotator: string }) {
  const target = useSignal("verb");
  const asked = useAnswer(`${run} ${annotator} ${target.value}`, () => api.confusion(run, annotator, target.value));
  return (
    <section class="card" aria-labelledby="confusion">
      <h2 id="confusion">Confusion matrix</h2>
      <label>
        <span class="unseen">Of what</span>
        <select value={target.value} onChange={(event) => (target.value = event.currentTarget.value)}>
          <option value="verb">Verbs</option>
          <option value="noun">Nouns</option>
          <option value="action">Verb and noun</option>
        </select>
      </label>
      <Waiting asked={asked.value}>{(found) => <Matrix found={found} />}</Waiting>
    </section>
  );
}

function Matrix({ found }: { found: Confusion }) {
  const open = useSignal<ConfusionCell | null>(null);
  const totals = new Map<string | null, number>();
  for (const cell of found.cells) totals.set(cell.truth, (totals.get(cell.truth) ?? 0) + cell.count);
  const used = new Map<string | null, number>();
  for (const cell of found.cells) for (const name of [cell.truth, cell.found]) used.set(name, (used.get(name) ?? 0) + cell.count);
  const known = [...used.keys()].filter((name): name is string => name !== null);
  const names = known.sort((a, b) => (used.get(b) ?? 0) - (used.get(a) ?? 0)).slice(0, MOST);
  const all: Array<string | null> = [...names, null];
  const cells = new Map(found.cells.map((cell) => [JSON.stringify([cell.truth, cell.found]), cell]));
  if (!found.cells.length) {
    return <p class="hint">Nothing to compare yet: recordings that the model did not learn from must have labels and proposals.</p>;
  }
  return (
    <>
      <p class="hint">
        Rows: labelled. Columns: found. {count(found.recordings.length, "recording")}, none of them learned from
        {found.seen_recordings.length > 0 && `; left out, because learned from: ${found.seen_recordings.join(", ")}`}.
        {known.length > MOST && ` The ${MOST} most frequent of ${known.length} are shown.`}
      </p>
      <div class="wide" tabIndex={0} role="region" aria-label="Confusion matrix">
        <table class="confusion">
          <thead>
            <tr>
              <th scope="col"><span class="unseen">labelled \ found</span></th>
              {all.map((name) => (
                <th key={name ?? ""} scope="col"><span>{name ?? NOTHING}</span></th>
              ))}
            </tr>
          </thead>
          <tbody>
            {all.map((truth) => (
              <tr key={truth ?? ""}>
                <th scope="row">{truth ?? NOTHING}</th>
                {all.map((name) => {
                  const cell = cells.get(JSON.stringify([truth, name]));
                  const share = cell ? cell.count / (totals.get(truth) ?? 1) : 0;
                  return (
                    <td key={name ?? ""} class={truth === name ? "right" : ""}>
                      {cell && (
                        <button type="button" style={{ "--share": share.toFixed(3) }} onClick={() => (open.value = cell)}>
                          {cell.count}
                          <span class="unseen"> {truth ?? NOTHING} found as {name ?? NOTHING}</span>
                        </button>
                      )}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {open.value && (
        <Clips title={`Labelled ${open.value.truth ?? NOTHING}, found ${open.value.found ?? NOTHING}`} clips={open.value.clips} onClose={() => (open.value = null)} />
      )}
    </>
  );
}
