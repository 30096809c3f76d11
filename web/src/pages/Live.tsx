import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { api } from "../api/client";
import { LiveSession } from "../live/session";
import { RunChoice } from "../parts/RunChoice";
import { link } from "../router";
import { attempt, recordings, refresh, runs, say } from "../state";
import { clock, hueOf, percent } from "../words";

const [BROWSER, SERVER, RECORDING] = ["b:", "s:", "r:"];
const canLend = navigator.mediaDevices !== undefined;
const STATES = { off: "Press Start.", begins: "The model is being loaded …", on: "…", ended: "Press Start." };

export function LivePage() {
  const run = useSignal<string | null>(null);
  const able = runs.value.filter((each) => each.is_live);
  const chosen = able.some((each) => each.name === run.value) ? run.value : (able[0]?.name ?? null);
  if (!chosen) {
    return (
      <>
        <h1>Live</h1>
        <p>
          No model can answer while things happen: that needs one that sees no future. <a href="/train">Train one</a> of a kind “for live answers”.
        </p>
      </>
    );
  }
  return <Stage run={chosen} onRun={(name) => (run.value = name)} />;
}

function Stage({ run, onRun }: { run: string; onRun: (name: string) => void }) {
  const video = useRef<HTMLVideoElement>(null);
  const session = useSignal<LiveSession | null>(null);
  const cameras = useSignal<MediaDeviceInfo[]>([]);
  const camera = useSignal(canLend ? BROWSER : SERVER);
  const source = useSignal("0");
  const [kind, name] = [camera.value.slice(0, 2), camera.value.slice(2)];
  const watched = kind === RECORDING ? name : kind === SERVER ? source.value.trim() : null;
  const isBig = useSignal(localStorage.getItem("egoact-studio-big") === "on");
  const isSpoken = useSignal(false);
  const live = session.value;
  const state = live?.state.value ?? "off";
  const isOn = state === "on" || state === "begins";

  useEffect(() => {
    const found = new LiveSession(video.current as HTMLVideoElement);
    session.value = found;
    return () => found.end();
  }, []);
  useEffect(() => {
    void navigator.mediaDevices?.enumerateDevices().then((all) => (cameras.value = all.filter((each) => each.kind === "videoinput")));
  }, [state]);
  useSpeech(isSpoken.value ? (live?.answer.value?.name ?? null) : null);

  return (
    <div class={isBig.value ? "live big" : "live"}>
      <div class="heading noprint">
        <h1>Live</h1>
        <div class="actions">
          <label>
            <input
              type="checkbox"
              checked={isBig.value}
              onChange={(event) => {
                isBig.value = event.currentTarget.checked;
                localStorage.setItem("egoact-studio-big", isBig.value ? "on" : "off");
              }}
            />{" "}
            Big letters
          </label>
          <label>
            <input type="checkbox" checked={isSpoken.value} onChange={(event) => (isSpoken.value = event.currentTarget.checked)} /> Say it aloud
          </label>
        </div>
      </div>
      <div class="columns">
        <section class="card" aria-label="Camera">
          <video ref={video} muted playsInline aria-label="Camera" hidden={watched !== null} />
          {watched !== null && (live?.picture.value ? <img class="watched" src={live.picture.value} alt={`What ${watched} shows`} /> : <div class="watched" />)}
          <div class="pair">
            <RunChoice label="Model" value={run} onChange={onRun} fits={(each) => each.is_live} />
            <label class="field">
              <span>Camera</span>
              <select value={camera.value} disabled={isOn} onChange={(event) => (camera.value = event.currentTarget.value)}>
                {canLend && <option value={BROWSER}>this browser's camera</option>}
                {cameras.value.filter((each) => each.deviceId).map((each, i) => (
                  <option key={each.deviceId} value={BROWSER + each.deviceId}>
                    {each.label || `camera ${i + 1}`}
                  </option>
                ))}
                <option value={SERVER}>a camera of the server, or an address …</option>
                <optgroup label="a recording, as if it happened now">
                  {recordings.value?.filter((each) => !each.problem).map((each) => (
                    <option key={each.id} value={RECORDING + each.id}>
                      {each.id}
                    </option>
                  ))}
                </optgroup>
              </select>
            </label>
          </div>
          {kind === SERVER && (
            <label class="field">
              <span>Number of the camera, or address</span>
              <input name="source" autocomplete="off" placeholder="0, rtsp://… or http://…" disabled={isOn} value={source.value} onInput={(event) => (source.value = event.currentTarget.value)} />
            </label>
          )}
          {!canLend && <p class="hint">This browser lends its camera only to pages of its own machine or over HTTPS.</p>}
          <div class="actions">
            <button type="button" class="main" disabled={!live || watched === ""} onClick={() => (isOn ? live?.end() : void live?.begin(run, kind === BROWSER ? name : "", watched))}>
              {isOn ? "Stop" : "Start"}
            </button>
            {live && state === "ended" && live.identity.value && <Save session={live} />}
          </div>
          {live?.fault.value && <p class="fault" role="alert">{live.fault.value}</p>}
        </section>
        <section class="card" aria-label="What happens">
          <p class="current" aria-live="polite">
            {live?.answer.value ? (live.answer.value.name ?? "nothing") : STATES[state]}
          </p>
          {live && <Answers session={live} />}
        </section>
      </div>
      {live && live.actions.value.length > 0 && <Running session={live} />}
    </div>
  );
}

function Answers({ session }: { session: LiveSession }) {
  const answer = session.answer.value;
  if (!answer) return null;
  return (
    <>
      <div class="tops">
        {Object.entries(answer.top).map(([target, top]) => (
          <table key={target}>
            <caption>{target}</caption>
            <tbody>
              {top.map(([name, share]) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td class="number">{percent(share)}</td>
                  <td>
                    <meter min={0} max={1} value={share} aria-label={`${name}: ${percent(share)}`} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        ))}
      </div>
      <p class="hint numbers">
        {(1000 * answer.latency_seconds).toFixed(0)} ms {session.roundTrip.value === null ? "from picture to answer" : "in the model"},{" "}
        {session.roundTrip.value !== null && `${(1000 * session.roundTrip.value).toFixed(0)} ms from picture to answer, `}
        {session.numAnswers.value} answers in {clock(answer.seconds, 0)}.
      </p>
    </>
  );
}

/** The last two minutes, and the last actions in words. */
function Running({ session }: { session: LiveSession }) {
  const actions = session.actions.value;
  const now = session.answer.value?.seconds ?? actions.at(-1)?.stop ?? 0;
  const begin = Math.max(0, now - 120);
  const x = (seconds: number) => (1000 * (Math.max(begin, seconds) - begin)) / Math.max(10, Math.min(120, now));
  return (
    <section class="card" aria-labelledby="running">
      <h2 id="running">What happened</h2>
      <svg class="strip" viewBox="0 0 1000 30" preserveAspectRatio="none" aria-hidden="true">
        {actions.filter((each) => each.stop >= begin).map((each) => (
          <rect key={each.start} x={x(each.start)} width={Math.max(1, x(each.stop) - x(each.start))} y="0" height="30" style={{ fill: `hsl(${hueOf(each.name.split(" ")[0] ?? "")} 55% 60%)` }} />
        ))}
      </svg>
      <div class="wide">
        <table>
          <thead>
            <tr>
              <th scope="col" class="number">From</th>
              <th scope="col" class="number">To</th>
              <th scope="col">Action</th>
            </tr>
          </thead>
          <tbody>
            {actions.slice(-10).reverse().map((each) => (
              <tr key={each.start}>
                <td class="number">{clock(each.start, 1)}</td>
                <td class="number">{clock(each.stop, 1)}</td>
                <td>{each.name}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Save({ session }: { session: LiveSession }) {
  const isSaved = useSignal<string | null>(null);
  const save = async (event: SubmitEvent) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget as HTMLFormElement).get("name")).trim();
    const made = await attempt(api.saveLive(session.identity.value ?? "", name));
    if (!made) return;
    isSaved.value = made.id;
    say(`${made.id} is among the recordings`);
    void refresh.recordings();
  };
  if (isSaved.value) return <a href={link("/label", { recording: isSaved.value })}>Open {isSaved.value}</a>;
  return (
    <form class="line" onSubmit={save}>
      <label>
        <span class="unseen">Name of the recording</span>
        <input name="name" required maxLength={64} placeholder="name of the recording" autocomplete="off" />
      </label>
      <button type="submit">Save as a recording</button>
    </form>
  );
}

/** Say each new action once; what is said already is not interrupted by the same. */
function useSpeech(name: string | null): void {
  useEffect(() => {
    if (!name || !("speechSynthesis" in window)) return;
    speechSynthesis.cancel();
    const words = new SpeechSynthesisUtterance(name);
    words.lang = "en";
    speechSynthesis.speak(words);
  }, [name]);
}
