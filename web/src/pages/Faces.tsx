import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { address, api, videoAddress } from "../api/client";
import type { Recording, Review, ReviewedMask } from "../api/types";
import { Player } from "../labelling/player";
import { parseStretches } from "../parts/stretches";
import { TextField } from "../parts/TextField";
import { Overlay } from "../review/Overlay";
import { type Box, bounded, boxAt, placed } from "../review/masks";
import { go, link, place } from "../router";
import { attempt, jobs, listen, recordings, refresh, say } from "../state";
import { clock, count, percent } from "../words";

const SHOWN = 200;

/** Before others see a recording, its wearer looks at what will be blurred. */
export function FacesPage() {
  const found = recordings.value?.filter((each) => !each.problem);
  const wanted = place.value.query.get("recording");
  const recording = found?.find((each) => each.id === wanted) ?? found?.[0];
  if (!found) return <p>…</p>;
  if (!recording) return <p>There is no recording yet. <a href="/">Add some on the first page.</a></p>;
  return (
    <>
      <h1>Faces</h1>
      <p>
        Look at what nobody else shall see before you share a recording: no detector finds every face. The copy that is made has the same pictures
        at the same times; the recording itself stays as it is.
      </p>
      <label class="field">
        <span>Recording</span>
        <select value={recording.id} onChange={(event) => go(link("/faces", { recording: event.currentTarget.value }))}>
          {found.map((each) => <option key={each.id}>{each.id}</option>)}
        </select>
      </label>
      {recording.is_playable ? <Reviewing key={recording.id} recording={recording} /> : <p class="hint">Browsers cannot play it; a copy that they can is made on the first page.</p>}
    </>
  );
}

function Reviewing({ recording }: { recording: Recording }) {
  const review = useSignal<Review | null>(null);
  const player = useSignal<Player | null>(null);
  const saving = useRef(Promise.resolve());
  const numRefused = useRef(0);
  const read = async () => void (review.value = (await attempt(api.review(recording.id))) ?? review.value);
  useEffect(() => {
    void read();
    void attempt(api.frames(recording.id)).then((frames) => frames && (player.value = new Player(frames)));
    return listen((event) => void (event.type === "recordings" && event.id === recording.id && read()));
  }, []);
  if (!review.value || !player.value) return <p>…</p>;
  // One change after the other: each is made to what the server said of the one before. Those that were
  // made until a refusal was understood are dropped: they were made to what is no longer true.
  const keep = (masks: ReviewedMask[], hidden: Review["hidden"]) => {
    const seen = numRefused.current;
    review.value = { ...(review.value as Review), masks, hidden };
    return (saving.current = saving.current.then(async () => {
      if (seen !== numRefused.current) return;
      const { version } = review.value as Review;
      const kept = await attempt(api.changeReview(recording.id, { version, masks, hidden }));
      if (kept) return void (review.value = { ...(review.value as Review), version: kept.version }); // in the order in which they are shown
      await read();
      numRefused.current += 1;
    }));
  };
  return <Desk recording={recording} review={review.value} player={player.value} keep={keep} />;
}

interface DeskProps {
  recording: Recording;
  review: Review;
  player: Player;
  keep: (masks: ReviewedMask[], hidden: Review["hidden"]) => Promise<void>;
}

function Desk({ recording, review, player, keep }: DeskProps) {
  const video = useRef<HTMLVideoElement>(null);
  const chosen = useSignal<number | null>(null);
  const isMasked = useSignal(false);
  const ratio = useSignal((recording.width ?? 16) / (recording.height ?? 9));
  useEffect(() => (video.current ? player.attach(video.current) : undefined), [player]);
  const now = player.time.value;
  const at = chosen.value !== null ? review.masks[chosen.value] : undefined;
  const change = (number: number, mask: ReviewedMask | null) => {
    if (mask === null) chosen.value = null;
    void keep(review.masks.flatMap((each, i) => (i !== number ? [each] : mask ? [mask] : [])), review.hidden);
  };
  const add = (box: Box) => {
    const until = Math.min(player.end, now + 2);
    const mask: ReviewedMask = { kind: "place", score: 1, is_blurred: true, keyframes: [[now, ...box], [until, ...box]] };
    chosen.value = null;
    void keep([...review.masks, mask], review.hidden);
  };
  const isBusy = jobs.value.some((job) => job.kind === "blur" && job.subject === recording.id && (job.state === "queued" || job.state === "running"));
  const hasFaces = review.masks.some((each) => each.kind === "face");
  const start = async (isReview: boolean) => {
    if (!(await attempt(api.start({ kind: "blur", recording: recording.id, review: isReview, is_again: !isReview && review.has_copy })))) return;
    say("Begun; progress is at the foot of the page");
    void refresh.jobs();
  };
  return (
    <div class="columns">
      <section class="card" aria-label="Recording">
        <div class="review" style={{ aspectRatio: String(ratio.value), maxWidth: `calc(60vh * ${ratio.value})` }}>
          <video ref={video} onLoadedMetadata={({ currentTarget: { videoWidth, videoHeight } }) => (ratio.value = videoWidth / videoHeight)} src={videoAddress(recording.id, player.frames.is_quick)} preload="auto" playsInline muted data-shown={player.shown.value} aria-label={`Recording ${recording.id}`} />
          {isMasked.value && !player.isPlaying.value && <img src={address(["recordings", recording.id, "masked"], { seconds: now.toFixed(3), version: review.version })} alt="What others will see" />}
          <Overlay masks={review.masks} chosen={chosen.value} seconds={player.isPlaying.value ? player.timeOf(player.shown.value) : now} onChoose={(number) => (chosen.value = number)} onDraw={add} onMove={(box) => at && chosen.value !== null && change(chosen.value, placed(at, now, box))} />
        </div>
        <div class="actions">
          <button type="button" onClick={() => player.step(-1)} aria-label="A picture back">◀</button>
          <button type="button" class="main" onClick={() => player.toggle()}>{player.isPlaying.value ? "Pause" : "Play"}</button>
          <button type="button" onClick={() => player.step(1)} aria-label="A picture on">▶</button>
          <output class="numbers">{clock(now)}</output>
          <label><input type="checkbox" checked={isMasked.value} onChange={(event) => (isMasked.value = event.currentTarget.checked)} /> as others will see it</label>
        </div>
        <input type="range" aria-label="Where in the recording" min={0} max={player.frames.times_seconds.length - 1} value={player.index.value} onInput={(event) => (player.pause(), player.seekIndex(Number(event.currentTarget.value)))} />
        <p class="hint">Draw over the picture to hide a place of your own. A place that is chosen can be dragged; where it is at other times follows.</p>
        <div class="actions">
          <button type="button" onClick={() => add([0.4, 0.4, 0.6, 0.6])}>Hide a place here</button>
          {at && chosen.value !== null && <PlaceButtons mask={at} now={now} change={(mask) => change(chosen.value as number, mask)} />}
        </div>
      </section>
      <section class="card" aria-labelledby="masks">
        <h2 id="masks">{count(review.masks.filter((each) => each.is_blurred).length, "place")} blurred</h2>
        <div class="actions">
          <button type="button" disabled={isBusy || hasFaces} onClick={() => void start(true)}>Look for faces</button>
          <button type="button" class="main" disabled={isBusy || review.version === ""} onClick={() => void start(false)}>
            {review.has_copy ? "Make the copy again" : "Make the copy"}
          </button>
        </div>
        {!hasFaces && <p class="hint">No face is known in this recording: nobody has looked for any yet, or none was found.</p>}
        <ul class="joblist">
          {review.masks.slice(0, SHOWN).map((mask, i) => (
            <li key={i} class="line">
              <label>
                <input type="checkbox" checked={mask.is_blurred} onChange={(event) => change(i, { ...mask, is_blurred: event.currentTarget.checked })} /> blur {mask.kind}
                {mask.kind === "face" && `, ${percent(mask.score)} sure`}
              </label>
              <button type="button" aria-pressed={chosen.value === i} onClick={() => ((chosen.value = i), player.pause(), player.seek(mask.keyframes[0]?.[0] ?? 0))}>
                {clock(mask.keyframes[0]?.[0] ?? 0, 1)} – {clock(mask.keyframes.at(-1)?.[0] ?? 0, 1)}
              </button>
            </li>
          ))}
        </ul>
        {review.masks.length > SHOWN && <p class="hint">and {review.masks.length - SHOWN} more, which are blurred as they are</p>}
        <Hidden hidden={review.hidden} now={now} end={player.end} keep={(hidden) => void keep(review.masks, hidden)} />
      </section>
    </div>
  );
}

function PlaceButtons({ mask, now, change }: { mask: ReviewedMask; now: number; change: (mask: ReviewedMask | null) => void }) {
  const isHere = boxAt(mask, now) !== null;
  return (
    <>
      <button type="button" onClick={() => change(bounded(mask, now, "from"))}>From here</button>
      <button type="button" onClick={() => change(bounded(mask, now, "until"))}>Until here</button>
      {mask.kind !== "face" && <button type="button" onClick={() => change(null)}>Delete</button>}
      {!isHere && <span class="hint">It is not in this picture.</span>}
    </>
  );
}

/** Stretches that become black and silent. */
function Hidden({ hidden, now, end, keep }: { hidden: Review["hidden"]; now: number; end: number; keep: (hidden: Review["hidden"]) => void }) {
  return (
    <>
      <h3>Stretches that become black and silent</h3>
      <ul class="joblist">
        {hidden.map((stretch, i) => (
          <li key={i} class="line">
            <label>
              <span class="unseen">{`Stretch ${i + 1}`}</span>
              <TextField
                name={`stretch ${i + 1}`}
                isNumeric
                value={stretch.map((seconds) => clock(seconds, 1)).join(" – ")}
                onKeep={(text) => {
                  const found = parseStretches(text)?.[0];
                  if (found) keep(hidden.map((each, k) => (k === i ? found : each)));
                  else say("Write a start and a stop, such as 0:10 - 0:25.");
                }}
              />
            </label>
            <button type="button" onClick={() => keep(hidden.filter((_, k) => k !== i))}>Show it again</button>
          </li>
        ))}
      </ul>
      <button type="button" disabled={now >= end} onClick={() => keep([...hidden, [now, Math.min(end, now + 5)]])}>Hide five seconds from here</button>
    </>
  );
}
