import { useSignal } from "@preact/signals";
import { api, type JobRequest } from "../api/client";
import type { TrainJob } from "../api/types";
import { LearningCurves } from "../parts/LearningCurves";
import { RunChoice } from "../parts/RunChoice";
import { useAnswer } from "../parts/useAnswer";
import { Waiting } from "../parts/Waiting";
import { link } from "../router";
import { activeJobs, attempt, me, recordings, refresh, runs, say } from "../state";
import { count, percent } from "../words";

const SEGMENTERS: Array<[NonNullable<TrainJob["segmenter"]>, string]> = [
  ["linear", "linear: in seconds, a good start"],
  ["mstcn", "MS-TCN: minutes, better with many recordings"],
  ["asformer", "ASFormer: longer, attention"],
  ["gru", "GRU in both directions"],
  ["causal", "causal linear: for live answers"],
  ["causal_tcn", "causal network: for live answers"],
];

async function start(job: JobRequest): Promise<void> {
  const made = await attempt(api.start(job));
  if (made) say(`${made.at(-1)?.title ?? "It"}: begun; progress is at the foot of the page`);
  void refresh.jobs();
}

export function TrainPage() {
  const run = useSignal<string | null>(null);
  const chosen = runs.value.some((each) => each.name === run.value) ? run.value : (runs.value[0]?.name ?? null);
  if (!me.value) return <p>Say who you are first, at the top right: a model is trained on the labels of one person.</p>;
  return (
    <>
      <h1>Train and propose</h1>
      <p>A model learns from your labels, proposes actions in other recordings, and gets better with each correction.</p>
      <div class="columns">
        <TrainCard annotator={me.value} />
        <ProposeCard run={chosen} onChoose={(name) => (run.value = name)} />
        <MeasureCard run={chosen} annotator={me.value} />
      </div>
      <LearningCurves annotator={me.value} start={start} />
      {chosen && <LeastCertain run={chosen} />}
    </>
  );
}

function TrainCard({ annotator }: { annotator: string }) {
  const segmenter = useSignal<NonNullable<TrainJob["segmenter"]>>("linear");
  const isPartly = useSignal(false);
  const labelled = recordings.value?.filter((each) => each.num_segments > 0) ?? [];
  const whole = labelled.filter((each) => each.state === "labelled");
  const used = whole.length ? whole : labelled;
  return (
    <section class="card" aria-labelledby="train">
      <h2 id="train">Train</h2>
      <p>
        Learns from {count(used.length, "recording")} {whole.length ? "that you called labelled from beginning to end" : "with labels of yours"}. One of them
        is held out in turn, so that the numbers tell how it does on recordings that it has not seen.
      </p>
      <label class="field">
        <span>Kind of model</span>
        <select value={segmenter.value} onChange={(event) => (segmenter.value = event.currentTarget.value as typeof segmenter.value)}>
          {SEGMENTERS.map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </select>
      </label>
      <label>
        <input type="checkbox" checked={isPartly.value} onChange={(event) => (isPartly.value = event.currentTarget.checked)} /> Only some of
        what happens is labelled
      </label>
      <div class="actions">
        <button
          type="button"
          class="main"
          disabled={used.length < 2}
          onClick={() => void start({ kind: "train", annotator, segmenter: segmenter.value, labelled_only: isPartly.value })}
        >
          Train on my labels
        </button>
        {used.length < 2 && <span class="hint">Label at least two recordings first.</span>}
      </div>
    </section>
  );
}

function ProposeCard({ run, onChoose }: { run: string | null; onChoose: (name: string) => void }) {
  const hasHands = useSignal(false);
  const rest = recordings.value?.filter((each) => each.state !== "labelled" && !each.problem) ?? [];
  return (
    <section class="card" aria-labelledby="propose">
      <h2 id="propose">Propose</h2>
      {run ? (
        <>
          <p>
            The model looks at {count(rest.length, "recording")} not labelled from beginning to end and proposes actions, which you accept, correct or reject on
            the timeline.
          </p>
          <RunChoice label="Model" value={run} onChange={onChoose} />
          <label>
            <input type="checkbox" checked={hasHands.value} onChange={(event) => (hasHands.value = event.currentTarget.checked)} /> Measure the
            hands, too
          </label>
          <div class="actions">
            <button type="button" class="main" disabled={!rest.length} onClick={() => void start({ kind: "predict", run, hands: hasHands.value })}>
              Propose actions
            </button>
            {!rest.length && <span class="hint">Every recording is labelled.</span>}
          </div>
        </>
      ) : (
        <p class="hint">Train a model first.</p>
      )}
    </section>
  );
}

function MeasureCard({ run, annotator }: { run: string | null; annotator: string }) {
  const format = useSignal<"onnx" | "openvino">("onnx");
  return (
    <section class="card" aria-labelledby="measure">
      <h2 id="measure">Measure, take along</h2>
      {run ? (
        <>
          <p>Compares what {run} found in recordings that it did not learn from with your labels there.</p>
          <div class="actions">
            <button type="button" onClick={() => void start({ kind: "evaluate", run, annotator })}>
              Measure {run}
            </button>
            <a href={link("/results", { run })}>Results</a>
          </div>
          <p>For devices and other programs the model is exported as graphs, into the project's folder.</p>
          <div class="actions">
            <label>
              <span class="unseen">Format</span>
              <select value={format.value} onChange={(event) => (format.value = event.currentTarget.value as "onnx" | "openvino")}>
                <option value="onnx">ONNX</option>
                <option value="openvino">OpenVINO</option>
              </select>
            </label>
            <button type="button" onClick={() => void start({ kind: "export", run, format: format.value })}>
              Export {run}
            </button>
          </div>
        </>
      ) : (
        <p class="hint">Train a model first.</p>
      )}
    </section>
  );
}

function LeastCertain({ run }: { run: string }) {
  const done = activeJobs.value.length;
  const found = runs.value.find((each) => each.name === run)?.timelines.length ?? 0;
  const asked = useAnswer(`${run} ${found} ${done}`, () => api.proposed(run));
  return (
    <section class="card" aria-labelledby="least">
      <h2 id="least">What to look at next</h2>
      <p>Correcting where {run} is least certain teaches the next model most.</p>
      <Waiting asked={asked.value}>
        {(lines) =>
          lines.length ? (
            <div class="wide">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Recording</th>
                    <th scope="col" class="number">Uncertain</th>
                    <th scope="col" class="number">Proposals</th>
                    <th scope="col" class="number">Open</th>
                  </tr>
                </thead>
                <tbody>
                  {lines.map((line) => (
                    <tr key={line.recording_id}>
                      <td>
                        <a href={link("/label", { recording: line.recording_id })}>{line.recording_id}</a>
                      </td>
                      <td class="number">{percent(line.uncertainty)}</td>
                      <td class="number">{line.num_proposals}</td>
                      <td class="number">{line.num_open}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          ) : (
            <p class="hint">It has proposed nothing yet.</p>
          )
        }
      </Waiting>
    </section>
  );
}
