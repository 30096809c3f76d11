import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { api, Refused, videoAddress } from "../api/client";
import { press } from "../labelling/keys";
import { mostUsed, Palette } from "../labelling/palette";
import { ConflictDialog, hasKeys, KeysHelp, PaletteBar, Transport } from "../labelling/panels";
import { Player } from "../labelling/player";
import { ProposalBar } from "../labelling/ProposalBar";
import { SegmentForm } from "../labelling/SegmentForm";
import { SegmentTable } from "../labelling/SegmentTable";
import { Session } from "../labelling/session";
import { LabelStore } from "../labelling/store";
import { Timeline } from "../labelling/Timeline";
import { go, link, place } from "../router";
import { attempt, listen, me, project, recordings, refresh, sayFault } from "../state";
import { STATES } from "./Project";

export function LabelPage() {
  const wanted = place.value.query.get("recording");
  const found = recordings.value;
  if (!found || !project.value) return <p>…</p>;
  if (!me.value) return <p>Say who you are first, at the top right: each person has labels of their own.</p>;
  if (!found.length) return <p>There is no recording yet. <a href="/">Add some on the first page.</a></p>;
  const recording = found.find((each) => each.id === wanted);
  if (!recording && wanted) return <p>There is no recording called “{wanted}”.</p>;
  if (!recording) {
    const next = found.find((each) => each.state === "in_work") ?? found.find((each) => !each.problem) ?? found[0];
    queueMicrotask(() => next && go(link("/label", { recording: next.id }), true));
    return null;
  }
  if (recording.problem) return <p class="fault">{recording.id} cannot be read: {recording.problem}</p>;
  return <Bench key={`${me.value}/${recording.id}`} id={recording.id} annotator={me.value} folder={project.value.folder} />;
}

interface BenchProps {
  id: string;
  annotator: string;
  folder: string;
}

/** Loads what is needed for one recording of one annotator. */
function Bench({ id, annotator, folder }: BenchProps) {
  const session = useSignal<Session | null>(null);
  const fault = useSignal<string | null>(null);
  useEffect(() => {
    const store = new LabelStore(annotator, id, folder);
    let isGone = false;
    const open = async () => {
      try {
        const [frames, labels] = await Promise.all([api.frames(id), api.labels(annotator)]);
        if (isGone) return;
        store.open(labels.revision, labels.segments.filter((segment) => segment.recording_id === id));
        const palette = new Palette(`egoact-studio-slots:${folder}:${annotator}`, mostUsed(labels.segments));
        const opened = new Session(id, store, new Player(frames), palette);
        if (frames.wants_quick) void api.start({ kind: "quick", recording: id }).catch(() => undefined); // steps are slow, but exact, without it
        opened.seek(Number(place.value.query.get("at") ?? 0) || 0);
        session.value = opened;
      } catch (error) {
        fault.value = error instanceof Refused ? error.message : String(error);
      }
    };
    void open();
    const exchange = async () => {
      const player = session.value?.player;
      if (!player || player.frames.is_quick) return;
      const frames = await api.frames(id);
      if (frames.is_quick && !isGone) player.exchange(frames);
    };
    const stop = listen((event) => {
      if (event.type === "recordings" && event.id === id) exchange().catch(sayFault);
      if (event.type === "labels" && (event.id === annotator || event.id === null)) store.follow(event.revision).catch(sayFault);
    });
    return () => {
      isGone = true;
      stop();
      void store.settled().finally(() => store.close());
    };
  }, []);
  if (fault.value) return <p class="fault" role="alert">{fault.value}</p>;
  return session.value ? <Workbench session={session.value} /> : <p>Reading the recording …</p>;
}

function Workbench({ session }: { session: Session }) {
  const isHelp = useSignal(false);
  const video = useRef<HTMLVideoElement>(null);
  const recording = recordings.value?.find((each) => each.id === session.recording);
  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      if (!hasKeys.value) return;
      const isFree = !(event.target as HTMLElement).closest("input, textarea, select, dialog");
      if (event.key === "?" && isFree) {
        event.preventDefault();
        isHelp.value = true;
      } else press(event, session);
    };
    const leaving = (event: BeforeUnloadEvent) => void (session.store.numWaiting.value && event.preventDefault());
    addEventListener("keydown", keys);
    addEventListener("beforeunload", leaving);
    return () => (removeEventListener("keydown", keys), removeEventListener("beforeunload", leaving));
  }, [session]);
  useEffect(() => (video.current ? session.player.attach(video.current) : undefined), [session, recording?.is_playable]);
  return (
    <div class="bench">
      <div class="stage">
        <div class="line">
          <RecordingChoice id={session.recording} />
          {recording && <span class={`state ${recording.state}`}>{STATES[recording.state]}</span>}
          <h1 class="unseen">{session.recording}</h1>
        </div>
        {recording?.is_playable ? (
          <video ref={video} src={videoAddress(session.recording, session.player.frames.is_quick)} preload="auto" playsInline data-shown={session.player.shown.value} aria-label={`Recording ${session.recording}`} />
        ) : (
          <Unplayable id={session.recording} job={recording?.playable_job ?? null} />
        )}
      </div>
      <div class="side">
        <SegmentForm session={session} classes={session.classes.value} />
        <PaletteBar session={session} />
        <SegmentTable session={session} />
      </div>
      <div class="lower">
        <Transport session={session} showKeys={() => (isHelp.value = true)} />
        <ProposalBar session={session} />
        <Timeline session={session} />
      </div>
      {isHelp.value && <KeysHelp onClose={() => (isHelp.value = false)} />}
      <ConflictDialog store={session.store} />
    </div>
  );
}

function RecordingChoice({ id }: { id: string }) {
  const found = recordings.value ?? [];
  const at = found.findIndex((each) => each.id === id);
  const open = (step: number) => {
    const next = found[at + step];
    if (next) go(link("/label", { recording: next.id }));
  };
  return (
    <div class="group">
      <button type="button" disabled={at <= 0} onClick={() => open(-1)} aria-label="Previous recording">‹</button>
      <label>
        <span class="unseen">Recording</span>
        <select value={id} onChange={(event) => go(link("/label", { recording: event.currentTarget.value }))}>
          {found.map((each) => (
            <option key={each.id} value={each.id}>
              {each.id}
            </option>
          ))}
        </select>
      </label>
      <button type="button" disabled={at >= found.length - 1} onClick={() => open(1)} aria-label="Next recording">›</button>
    </div>
  );
}

function Unplayable({ id, job }: { id: string; job: number | null }) {
  const make = async () => {
    await attempt(api.start({ kind: "playable", recording: id }));
    void refresh.recordings();
    void refresh.jobs();
  };
  return (
    <div class="unplayable">
      <p>Browsers cannot play this file. A copy with the same pictures at the same times can be made; the file itself stays as it is.</p>
      <button type="button" class="main" disabled={job !== null} onClick={make}>
        {job === null ? "Make the copy" : "The copy is being made"}
      </button>
    </div>
  );
}
