import { useSignal } from "@preact/signals";
import { address, api } from "../api/client";
import type { ActionOverDays, Clip, DayPoint, Person } from "../api/types";
import { me } from "../state";
import { clock, count, percent } from "../words";
import { Clips } from "./Clips";
import { useAnswer } from "./useAnswer";
import { Waiting } from "./Waiting";

interface Measure {
  words: string;
  of: (point: DayPoint) => number | null;
  say: (value: number) => string;
}

const MEASURES: Record<string, Measure> = {
  count: { words: "How often", of: (point) => point.count, say: String },
  hour: { words: "How often an hour", of: (point) => point.per_hour, say: (value) => value.toFixed(1) },
  total: { words: "How long in all", of: (point) => point.total_seconds, say: (value) => clock(value, 0) },
  mean: { words: "How long each time", of: (point) => point.mean_seconds, say: (value) => `${value.toFixed(1)} s` },
  share: { words: "Share of the time", of: (point) => point.share_of_time, say: (value) => percent(value, 1) },
};

/** More are printed in narrow columns, on paper that lies on its side. */
const MANY_DAYS = 7;

/** What each person did, day by day, with the footage behind each number. */
export function DashboardView({ run }: { run: string | null }) {
  const source = useSignal<string | null>(null);
  const measure = useSignal("count");
  const isRun = source.value === "run" && run !== null;
  const query = isRun ? { run: run as string } : me.value ? { annotator: me.value } : null;
  const asked = useAnswer(query && JSON.stringify(query), () => api.dashboard(query ?? {}));
  if (!query) return null;
  return (
    <section class="card dashboard" aria-labelledby="dashboard">
      <h2 id="dashboard">People over days</h2>
      <div class="actions noprint">
        <label>
          <span class="unseen">By whom</span>
          <select value={isRun ? "run" : "labels"} onChange={(event) => (source.value = event.currentTarget.value)}>
            <option value="labels">What {me.value} labelled</option>
            {run && <option value="run">What {run} found</option>}
          </select>
        </label>
        <label>
          <span class="unseen">What is counted</span>
          <select value={measure.value} onChange={(event) => (measure.value = event.currentTarget.value)}>
            {Object.entries(MEASURES).map(([name, each]) => (
              <option key={name} value={name}>
                {each.words}
              </option>
            ))}
          </select>
        </label>
        <a class="button" href={address(["dashboard.csv"], query)} download>
          Spreadsheet (CSV)
        </a>
        <button type="button" onClick={printIt}>
          Print
        </button>
      </div>
      <Waiting asked={asked.value}>
        {(found) =>
          found.people.length ? (
            <>{found.people.map((person) => <PersonTable key={person.participant_id} person={person} measure={MEASURES[measure.value] as Measure} />)}</>
          ) : (
            <p class="hint">Nothing is known yet.</p>
          )
        }
      </Waiting>
    </section>
  );
}

/** This section alone. */
function printIt(): void {
  document.body.classList.add("prints-dashboard");
  print();
  document.body.classList.remove("prints-dashboard");
}

function PersonTable({ person, measure }: { person: Person; measure: Measure }) {
  const open = useSignal<{ title: string; clips: Clip[] } | null>(null);
  const days = [...new Set(person.actions.flatMap((action) => action.days.map((point) => point.day)))].sort((a, b) => (a ?? "").localeCompare(b ?? ""));
  return (
    <>
      <h3>
        {person.participant_id} <small>{count(person.num_recordings, "recording")}, {clock(person.total_seconds, 0)}</small>
      </h3>
      <div class="wide" tabIndex={0} role="region" aria-label={`Actions of ${person.participant_id}`}>
        <table class={days.length > MANY_DAYS ? "many" : undefined}>
          <thead>
            <tr>
              <th scope="col">{measure.words}</th>
              {days.length > 1 && <th scope="col">Trend</th>}
              {days.map((day) => (
                <th key={day ?? ""} scope="col" class="number">{day ?? "day unknown"}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {person.actions.map((action) => (
              <tr key={action.name}>
                <th scope="row">{action.name}</th>
                {days.length > 1 && (
                  <td>
                    <Trend values={days.map((day) => valueOn(action, day, measure))} />
                  </td>
                )}
                {days.map((day) => {
                  const point = action.days.find((each) => each.day === day);
                  const value = valueOn(action, day, measure);
                  return (
                    <td key={day ?? ""} class="number">
                      {point && value !== null ? (
                        <button type="button" class="quiet" disabled={!point.clips.length} onClick={() => (open.value = { title: `${action.name}, ${day ?? "day unknown"}`, clips: point.clips })}>
                          {measure.say(value)}
                        </button>
                      ) : (
                        "–"
                      )}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {person.hands.length > 0 && <Hands hands={person.hands} />}
      {Object.entries(person.notes).map(([where, note]) => (
        <p key={where}>
          <strong>{where}:</strong> {note}
        </p>
      ))}
      {open.value && <Clips {...open.value} onClose={() => (open.value = null)} />}
    </>
  );
}

const valueOn = (action: ActionOverDays, day: string | null, measure: Measure) => {
  const point = action.days.find((each) => each.day === day);
  return point ? measure.of(point) : null;
};

function Trend({ values }: { values: Array<number | null> }) {
  const most = Math.max(1e-9, ...values.map((value) => value ?? 0));
  const known = values.map((value, i) => ({ value, i })).filter((each) => each.value !== null);
  const points = known.map(({ value, i }) => `${(4 + (72 * i) / Math.max(1, values.length - 1)).toFixed(1)},${(20 - (16 * (value as number)) / most).toFixed(1)}`);
  return (
    <svg class="trend" viewBox="0 0 80 24" aria-hidden="true">
      <polyline points={points.join(" ")} />
      {points.map((point) => (
        <circle key={point} cx={point.split(",")[0]} cy={point.split(",")[1]} r="2.5" />
      ))}
    </svg>
  );
}

/** Measures of hands, of each recording in which they were looked for. */
function Hands({ hands }: { hands: Person["hands"] }) {
  const share = (hand: unknown) => {
    const found = (hand as { share_of_time?: number | null } | null)?.share_of_time;
    return found === null || found === undefined ? "–" : percent(found);
  };
  return (
    <div class="wide">
      <table>
        <caption>Time in which each hand handles something</caption>
        <thead>
          <tr>
            <th scope="col">Recording</th>
            <th scope="col" class="number">Left</th>
            <th scope="col" class="number">Right</th>
          </tr>
        </thead>
        <tbody>
          {hands.map((each, i) => (
            <tr key={i}>
              <th scope="row">{String(each["recording_id"] ?? "")}</th>
              <td class="number">{share(each["left"])}</td>
              <td class="number">{share(each["right"])}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
