import { useSignal } from "@preact/signals";
import { api, thumbnailAddress, upload } from "../api/client";
import type { Recording, RecordingChange } from "../api/types";
import { filesOf, VIDEO_SUFFIXES } from "../parts/dropped";
import { NextStep } from "../parts/NextStep";
import { TextField } from "../parts/TextField";
import { link } from "../router";
import { attempt, me, project, recordings, refresh, say, sayFault } from "../state";
import { bytes, clock, count, percent } from "../words";

export const STATES: Record<Recording["state"], string> = {
  unlabelled: "not labelled",
  proposed: "proposals wait",
  in_work: "in work",
  labelled: "labelled",
};

interface Upload {
  file: File;
  share: number;
  fault: string | null;
  stop: AbortController;
}

const ORDERS: Record<string, (a: Recording, b: Recording) => number> = {
  name: (a, b) => a.id.localeCompare(b.id),
  uncertain: (a, b) => (b.uncertainty ?? -1) - (a.uncertainty ?? -1),
  labels: (a, b) => b.num_segments - a.num_segments,
};

export function ProjectPage() {
  const uploads = useSignal<Upload[]>([]);
  const isOver = useSignal(false);
  const order = useSignal("name");
  const found = recordings.value;

  const take = async (files: File[]) => {
    for (const file of files) {
      const one: Upload = { file, share: 0, fault: null, stop: new AbortController() };
      const change = (values: Partial<Upload>) => {
        Object.assign(one, values);
        uploads.value = [...uploads.value];
      };
      uploads.value = [...uploads.value, one];
      try {
        await upload(file, (share) => change({ share }), one.stop.signal);
        uploads.value = uploads.value.filter((each) => each !== one);
        say(`${file.name} is here`);
        void refresh.recordings();
      } catch (error) {
        change({ fault: (error as Error).message });
      }
    }
  };

  return (
    <div
      class={isOver.value ? "drop over" : "drop"}
      onDragOver={(event) => (event.preventDefault(), (isOver.value = true))}
      onDragLeave={() => (isOver.value = false)}
      onDrop={(event) => {
        event.preventDefault();
        isOver.value = false;
        if (event.dataTransfer) filesOf(event.dataTransfer).then(take).catch(sayFault);
      }}
    >
      <div class="heading">
        <div>
          <h1>{project.value?.name ?? "…"}</h1>
          <p class="hint">
            {found && `${count(found.length, "recording")}, ${clock(total(found), 0)} in all. `}
            {project.value?.folder}
          </p>
        </div>
        <div class="actions noprint">
          <label class="button main">
            Add recordings
            <input
              class="unseen"
              type="file"
              multiple
              accept={VIDEO_SUFFIXES.join(",")}
              onChange={(event) => {
                const files = [...(event.currentTarget.files ?? [])];
                event.currentTarget.value = "";
                void take(files);
              }}
            />
          </label>
          <label>
            <span class="unseen">Order</span>
            <select value={order.value} onChange={(event) => (order.value = event.currentTarget.value)}>
              <option value="name">By name</option>
              <option value="uncertain">Least certain first</option>
              <option value="labels">Most labels first</option>
            </select>
          </label>
        </div>
      </div>
      <NextStep />
      {project.value?.problems.length ? (
        <details class="card warning">
          <summary>{count(project.value.problems.length, "thing")} to look at</summary>
          <ul>
            {project.value.problems.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </details>
      ) : null}
      <ul class="uploads" aria-label="Uploads">
        {uploads.value.map((one, i) => (
          <UploadLine key={i} one={one} drop={() => (uploads.value = uploads.value.filter((each) => each !== one))} />
        ))}
      </ul>
      {found && !found.length && (
        <p class="empty">Drop videos here, or a folder of them, or choose “Add recordings”. They stay on this machine.</p>
      )}
      <ul class="grid" aria-label="Recordings">
        {found && [...found].sort(ORDERS[order.value]).map((each) => <Card key={each.id} recording={each} />)}
      </ul>
    </div>
  );
}

const total = (found: Recording[]) => found.reduce((sum, each) => sum + (each.duration_seconds ?? 0), 0);

function UploadLine({ one, drop }: { one: Upload; drop: () => void }) {
  return (
    <li class="line">
      <span>{one.file.name}</span>
      <small>{bytes(one.file.size)}</small>
      {one.fault ? (
        <span class="fault" role="alert">{one.fault}</span>
      ) : (
        <>
          <progress aria-label={`Upload of ${one.file.name}`} max={1} value={one.share} />
          <span class="numbers">{one.share < 1 ? percent(one.share) : "is being looked at"}</span>
        </>
      )}
      <button type="button" onClick={() => (one.fault ? drop() : one.stop.abort())}>
        {one.fault ? "Close" : "Cancel"}
      </button>
    </li>
  );
}

function Card({ recording }: { recording: Recording }) {
  const isBlank = useSignal(false);
  const makePlayable = async () => {
    if (await attempt(api.start({ kind: "playable", recording: recording.id }))) void refresh.jobs();
  };
  const asked = useSignal<boolean | null>(null); // what was ticked, until the server has answered
  const finish = async (isLabelled: boolean) => {
    asked.value = isLabelled;
    if (await attempt(api.changeRecording(recording.id, { is_labelled: isLabelled }))) await refresh.recordings();
    asked.value = null;
  };
  const target = link("/label", { recording: recording.id });
  return (
    <li class="recording">
      <a href={target} class="picture" tabIndex={-1} aria-hidden="true">
        {!recording.problem && !isBlank.value ? (
          <img src={thumbnailAddress(recording.id)} alt="" loading="lazy" width="320" height="180" onError={() => (isBlank.value = true)} />
        ) : (
          <span class="hint">{recording.problem ? "cannot be read" : "no picture"}</span>
        )}
        {recording.duration_seconds !== null && <span class="length numbers">{clock(recording.duration_seconds, 0)}</span>}
      </a>
      <div class="facts">
        <a href={target} class="name">
          {recording.id}
        </a>
        <div class="line">
          <span class={`state ${recording.state}`}>{STATES[recording.state]}</span>
          <small>{count(recording.num_segments, "label")}</small>
          {recording.num_proposals > 0 && <small>{count(recording.num_proposals, "proposal")}</small>}
        </div>
        <small>
          {recording.width && `${recording.width} × ${recording.height}, `}
          {recording.frame_rate && `${Number(recording.frame_rate.toFixed(2))} pictures/s, `}
          {bytes(recording.size_bytes)}
          {recording.uncertainty !== null && `, ${percent(recording.uncertainty)} uncertain`}
        </small>
        {recording.problem && <p class="fault">{recording.problem}</p>}
        {!recording.problem && !recording.is_playable && (
          <div class="line">
            <small>Browsers cannot play this file.</small>
            <button type="button" disabled={recording.playable_job !== null} onClick={makePlayable}>
              {recording.playable_job === null ? "Make a copy that they can" : "A copy is being made"}
            </button>
          </div>
        )}
        {me.value && (recording.num_segments > 0 || recording.state === "labelled") && (
          <label class="line">
            <input
              type="checkbox"
              checked={asked.value ?? recording.state === "labelled"}
              onChange={(event) => void finish(event.currentTarget.checked)}
            />
            <small>everything in it is labelled</small>
          </label>
        )}
        <Details recording={recording} />
      </div>
    </li>
  );
}

function Details({ recording }: { recording: Recording }) {
  const keep = async (change: RecordingChange) => {
    if (await attempt(api.changeRecording(recording.id, change))) void refresh.recordings();
  };
  return (
    <details>
      <summary>
        <small>{[recording.participant_id, recording.recorded_on, recording.note].filter(Boolean).join(", ") || "Person and day"}</small>
      </summary>
      <label class="field">
        <span>Person</span>
        <TextField name="person" value={recording.participant_id} onKeep={(text) => void (text.trim() && keep({ participant_id: text }))} />
      </label>
      <label class="field">
        <span>Day</span>
        <TextField name="day" type="date" value={recording.recorded_on ?? ""} onKeep={(day) => void (day && keep({ recorded_on: day }))} />
      </label>
      <label class="field">
        <span>Note</span>
        <TextField name="note" value={recording.note} onKeep={(note) => void keep({ note })} />
      </label>
      {!recording.problem && (
        <a class="button" href={link("/faces", { recording: recording.id })}>
          Copy without faces …
        </a>
      )}
    </details>
  );
}
