import { api, type JobRequest } from "../api/client";
import type { CurvePoint, LearningCurve } from "../api/types";
import { activeJobs, recordings } from "../state";
import { useAnswer } from "./useAnswer";
import { Waiting } from "./Waiting";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [520, 240, 44, 34, 12];

/** How much must be labelled: quality against the number of labelled recordings, and how it may go on. */
export function LearningCurves({ annotator, start }: { annotator: string; start: (job: JobRequest) => void }) {
  const labelled = recordings.value?.filter((each) => each.num_segments > 0) ?? [];
  const whole = labelled.filter((each) => each.state === "labelled");
  const number = (whole.length ? whole : labelled).length;
  const asked = useAnswer(`${annotator} ${activeJobs.value.length}`, api.curves);
  return (
    <section class="card curve" aria-labelledby="curve">
      <h2 id="curve">How much must I label?</h2>
      <p>Trains on one recording, on two, and so on, measures each on recordings that it has not seen, and draws the line on.</p>
      <Waiting asked={asked.value}>{(curves) => <Newest curve={curves.find((each) => each.annotator === annotator)} />}</Waiting>
      <div class="actions">
        <button type="button" disabled={number < 4} onClick={() => start({ kind: "learning_curve", annotator })}>
          Measure it
        </button>
        {number < 4 && <span class="hint">It needs four labelled recordings; there {number === 1 ? "is one" : `are ${number}`}.</span>}
      </div>
    </section>
  );
}

function Newest({ curve }: { curve: LearningCurve | undefined }) {
  if (!curve) return <p class="hint">It has not been measured yet.</p>;
  return (
    <>
      <p>
        <strong>{curve.verdict}</strong>
      </p>
      <Chart curve={curve} />
      <details>
        <summary>The numbers</summary>
        <div class="wide">
        <table>
          <caption>{curve.metric}, with its interval</caption>
          <thead>
            <tr>
              <th scope="col" class="number">Recordings</th>
              <th scope="col" class="number">Value</th>
              <th scope="col" class="number">Interval</th>
              <th scope="col">Measured</th>
            </tr>
          </thead>
          <tbody>
            {[...curve.measured.map((point) => ({ point, isMeasured: true })), ...curve.extrapolated.map((point) => ({ point, isMeasured: false }))].map(
              ({ point, isMeasured }, i) => (
                <tr key={i}>
                  <td class="number">{point.num_recordings.toFixed(Number.isInteger(point.num_recordings) ? 0 : 1)}</td>
                  <td class="number">{point.value.toFixed(3)}</td>
                  <td class="number">{point.low !== null && point.high !== null ? `${point.low.toFixed(3)} – ${point.high.toFixed(3)}` : "–"}</td>
                  <td>{isMeasured ? "yes" : "extrapolated"}</td>
                </tr>
              ),
            )}
          </tbody>
        </table>
        </div>
      </details>
    </>
  );
}

/** Whole numbers of recordings that have room beside each other. */
function ticks(numbers: number[], most: number): number[] {
  const shown: number[] = [];
  for (const number of [...new Set(numbers)].filter(Number.isInteger).sort((a, b) => a - b)) {
    if (!shown.length || number - (shown.at(-1) as number) >= most / 22) shown.push(number);
  }
  return shown;
}

function Chart({ curve }: { curve: LearningCurve }) {
  const all = [...curve.measured, ...curve.extrapolated];
  const most = Math.max(...all.map((point) => point.num_recordings), 2);
  const top = Math.max(0.05, ...all.map((point) => Math.max(point.value, point.high ?? 0)));
  const scale = top <= 1 ? 1 : 100;
  const x = (point: CurvePoint) => LEFT + ((WIDTH - LEFT - 12) * point.num_recordings) / most;
  const y = (value: number) => HEIGHT - BOTTOM - ((HEIGHT - BOTTOM - TOP) * Math.max(0, Math.min(scale, value))) / scale;
  const path = (points: CurvePoint[]) => points.map((point, i) => `${i ? "L" : "M"}${x(point).toFixed(1)},${y(point.value).toFixed(1)}`).join("");
  const bounded = curve.extrapolated.filter((point) => point.low !== null && point.high !== null);
  const band = [
    ...bounded.map((point) => `${x(point)},${y(point.high as number)}`),
    ...[...bounded].reverse().map((point) => `${x(point)},${y(point.low as number)}`),
  ];
  return (
    <svg class="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${curve.metric} by labelled recordings. ${curve.verdict}`}>
      {[0, 0.25, 0.5, 0.75, 1].map((share) => (
        <g key={share}>
          <line class="grid-line" x1={LEFT} x2={WIDTH - 12} y1={y(share * scale)} y2={y(share * scale)} />
          <text x={LEFT - 6} y={y(share * scale) + 4} text-anchor="end">{(share * scale).toFixed(scale > 1 ? 0 : 2)}</text>
        </g>
      ))}
      {band.length > 0 && <polygon class="band" points={band.join(" ")} />}
      <path class="ahead" d={path(curve.extrapolated)} />
      <path class="measured" d={path(curve.measured)} />
      {curve.measured.map((point, i) => (
        <g key={i}>
          {point.low !== null && point.high !== null && <line class="bar" x1={x(point)} x2={x(point)} y1={y(point.low)} y2={y(point.high)} />}
          <circle cx={x(point)} cy={y(point.value)} r="4" />
        </g>
      ))}
      {ticks(all.map((point) => point.num_recordings), most).map((number) => (
        <text key={number} x={LEFT + ((WIDTH - LEFT - 12) * number) / most} y={HEIGHT - 18} text-anchor="middle">{number}</text>
      ))}
      <text x={(WIDTH + LEFT) / 2} y={HEIGHT - 3} text-anchor="middle">labelled recordings</text>
    </svg>
  );
}
