import { useSignal } from "@preact/signals";
import { api } from "../api/client";
import type { AgreementOf } from "../api/types";
import { annotators, me, project } from "../state";
import { useAnswer } from "./useAnswer";
import { Waiting } from "./Waiting";

const number = (value: number | null | undefined, digits = 2) => (value === null || value === undefined ? "–" : value.toFixed(digits));

/** How far two people agree: Cohen's kappa, and how far apart their edges are. */
export function AgreementView() {
  const others = annotators.value.filter((name) => name !== me.value);
  const other = useSignal<string | null>(null);
  const chosen = others.includes(other.value ?? "") ? other.value : (others[0] ?? null);
  const counts = project.value?.annotators.map((each) => each.num_segments); // asked anew when labels come or go
  const asked = useAnswer(me.value && chosen && JSON.stringify([me.value, chosen, counts]), () => api.agreement(me.value as string, chosen as string));
  return (
    <section class="card" aria-labelledby="agreement">
      <h2 id="agreement">Agreement between annotators</h2>
      {!chosen ? (
        <p class="hint">When a second person labels the same recordings, this says how far the two agree.</p>
      ) : (
        <>
          <p>
            Kappa is 1 where two people say the same of every tenth of a second, and 0 where they agree no more than by chance. Edges: of segments
            that both have, second minus first.
          </p>
          <label class="field">
            <span>{me.value} and</span>
            <select value={chosen} onChange={(event) => (other.value = event.currentTarget.value)}>
              {others.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
          <Waiting asked={asked.value}>
            {(found) =>
              found.together ? (
                <Rows rows={[found.together, ...found.recordings]} first={found.first} second={found.second} />
              ) : (
                <p class="hint">There is no recording that both labelled.</p>
              )
            }
          </Waiting>
        </>
      )}
    </section>
  );
}

function Rows({ rows, first, second }: { rows: AgreementOf[]; first: string; second: string }) {
  const kinds = ["verb", "noun", "action"].filter((kind) => rows.some((row) => row.kappa[kind] !== null && row.kappa[kind] !== undefined));
  return (
    <div class="wide" tabIndex={0} role="region" aria-label="Agreement by recording">
      <table>
        <thead>
          <tr>
            <th scope="col">Recording</th>
            {kinds.map((kind) => (
              <th key={kind} scope="col" class="number">kappa, {kind}</th>
            ))}
            <th scope="col" class="number">both have</th>
            <th scope="col" class="number">starts apart</th>
            <th scope="col" class="number">stops apart</th>
            <th scope="col" class="number">only {first}</th>
            <th scope="col" class="number">only {second}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.recording_id ?? ""}>
              <th scope="row">{row.recording_id ?? "all together"}</th>
              {kinds.map((kind) => (
                <td key={kind} class="number">{number(row.kappa[kind])}</td>
              ))}
              <td class="number">{row.boundaries.num_pairs}</td>
              <td class="number">{number(row.boundaries.start_mean_absolute_seconds)} s</td>
              <td class="number">{number(row.boundaries.stop_mean_absolute_seconds)} s</td>
              <td class="number">{row.only_first}</td>
              <td class="number">{row.only_second}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
