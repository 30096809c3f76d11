import { useSignal } from "@preact/signals";
import { api } from "../api/client";
import type { Clip, Run } from "../api/types";
import { Clips } from "../parts/Clips";
import { ConfusionMatrix } from "../parts/ConfusionMatrix";
import { DashboardView } from "../parts/DashboardView";
import { RunChoice } from "../parts/RunChoice";
import { useAnswer } from "../parts/useAnswer";
import { Waiting } from "../parts/Waiting";
import { go, link, place } from "../router";
import { me, runs } from "../state";
import { clock, percent } from "../words";

export function ResultsPage() {
  const wanted = place.value.query.get("run");
  const run = runs.value.find((each) => each.name === wanted) ?? runs.value[0];
  const choose = (name: string) => go(link("/results", { run: name }), true);
  return (
    <>
      <h1>Results</h1>
      {run ? (
        <>
          <div class="columns">
            <section class="card" aria-labelledby="numbers">
              <h2 id="numbers">How good is it?</h2>
              <RunChoice label="Model" value={run.name} onChange={choose} />
              <Metrics run={run} />
            </section>
            <section class="card" aria-labelledby="comparison">
              <h2 id="comparison">Against another one</h2>
              <Comparison run={run} />
            </section>
          </div>
          {me.value && <ConfusionMatrix run={run.name} annotator={me.value} />}
          {me.value && <MistakeList run={run.name} annotator={me.value} />}
        </>
      ) : (
        <p>
          No model has been trained yet. <a href="/train">Train one.</a>
        </p>
      )}
      <DashboardView run={run?.name ?? null} />
    </>
  );
}

/** Numbers of metrics.json, however deep they lie. */
function numbers(found: unknown, path: string[] = []): Array<[string, number]> {
  if (typeof found === "number") return [[spoken(path.join(" ")), found]];
  if (!found || typeof found !== "object" || Array.isArray(found)) return [];
  return Object.entries(found).flatMap(([name, each]) => numbers(each, [...path, name]));
}

const shown = (value: number) => (Number.isInteger(value) ? String(value) : value.toFixed(1));

/** A name of metrics.json as people write it: "verb f1 25" is "verb F1@25". */
const spoken = (name: string) => name.replaceAll("_", " ").replace(/\bf1 (\d+)/, "F1@$1");

function Metrics({ run }: { run: Run }) {
  const found = numbers(run.metrics);
  if (!found.length) return <p class="hint">No numbers are known of it: too few recordings to hold one out.</p>;
  return (
    <>
      <p class="hint">Measured on recordings held out in training. Learned from {run.recordings.join(", ") || "other recordings"}.</p>
      <div class="wide tall" tabIndex={0} role="region" aria-label="Numbers">
        <table>
          <tbody>
            {found.map(([name, value]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td class="number">{shown(value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Comparison({ run }: { run: Run }) {
  const other = useSignal<string | null>(null);
  const others = runs.value.filter((each) => each.name !== run.name);
  const chosen = others.some((each) => each.name === other.value) ? other.value : (others[0]?.name ?? null);
  const asked = useAnswer(chosen && `${run.name} ${chosen}`, () => api.compare(run.name, chosen as string));
  if (!others.length) return <p class="hint">Train a second model, and the two can be compared here.</p>;
  return (
    <>
      <RunChoice label="Compare with" value={chosen} onChange={(name) => (other.value = name)} fits={(each) => each.name !== run.name} />
      <Waiting asked={asked.value}>
        {(found) => (
          <>
            {!found.is_same_recordings && <p class="fault">They were measured on different recordings, so a difference may come from those.</p>}
            <div class="wide tall" tabIndex={0} role="region" aria-label="Comparison">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Number</th>
                    <th scope="col" class="number">{found.first}</th>
                    <th scope="col" class="number">{found.second}</th>
                    <th scope="col" class="number">Difference</th>
                  </tr>
                </thead>
                <tbody>
                  {found.metrics.map((metric) => (
                    <tr key={metric.name}>
                      <th scope="row">{spoken(metric.name)}</th>
                      <td class="number">{shown(metric.first)}</td>
                      <td class="number">{shown(metric.second)}</td>
                      <td class="number">{metric.difference > 0 ? "+" : ""}{shown(metric.difference)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </>
        )}
      </Waiting>
    </>
  );
}

function MistakeList({ run, annotator }: { run: string; annotator: string }) {
  const asked = useAnswer(`${run} ${annotator}`, () => api.mistakes(run, annotator));
  const open = useSignal<Clip[] | null>(null);
  return (
    <section class="card" aria-labelledby="mistakes">
      <h2 id="mistakes">Most confident mistakes</h2>
      <p>Where the model was sure and your labels say otherwise. Sometimes the label is what is wrong.</p>
      <Waiting asked={asked.value}>
        {(found) =>
          found.mistakes.length ? (
            <div class="wide tall" tabIndex={0} role="region" aria-label="Mistakes">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Found</th>
                    <th scope="col">Labelled</th>
                    <th scope="col" class="number">Sure</th>
                    <th scope="col">Where</th>
                    <th scope="col">Clip</th>
                  </tr>
                </thead>
                <tbody>
                  {found.mistakes.map((clip, i) => (
                    <tr key={i}>
                      <td>{clip.found ?? "nothing"}</td>
                      <td>{clip.truth ?? "nothing"}</td>
                      <td class="number">{clip.confidence === null ? "–" : percent(clip.confidence)}</td>
                      <td>{clip.recording_id} {clock(clip.start_seconds, 1)}</td>
                      <td>
                        <button type="button" onClick={() => (open.value = [clip, ...found.mistakes.filter((each) => each !== clip)])}>Show</button>
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          ) : (
            <p class="hint">None is known. Recordings that the model did not learn from must have labels and proposals.</p>
          )
        }
      </Waiting>
      {open.value && <Clips title="Most confident mistakes" clips={open.value} onClose={() => (open.value = null)} />}
    </section>
  );
}
