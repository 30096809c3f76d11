import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "../api/client";
import type { Job } from "../api/types";
import { activeJobs, attempt, jobs, refresh } from "../state";
import { duration } from "../words";
import { Copyable } from "./Copyable";
import { Dialog } from "./Dialog";

const STATES: Record<string, string> = {
  queued: "waits",
  running: "runs",
  done: "done",
  failed: "failed",
  cancelled: "cancelled",
  interrupted: "interrupted",
};

/** What is computed just now, at the foot of every page. */
export function JobsStrip() {
  const isOpen = useSignal(false);
  const running = activeJobs.value.find((job) => job.state === "running") ?? activeJobs.value[0];
  if (!jobs.value.length) return null;
  return (
    <footer class="jobs" aria-label="Jobs">
      {running ? <Running job={running} /> : <span class="hint">Nothing is being computed.</span>}
      {activeJobs.value.length > 1 && <span class="hint">and {activeJobs.value.length - 1} more</span>}
      <button type="button" onClick={() => (isOpen.value = true)}>
        All jobs
      </button>
      {isOpen.value && (
        <Dialog title="Jobs" isWide onClose={() => (isOpen.value = false)}>
          <ul class="joblist">
            {jobs.value.map((job) => (
              <JobLine key={job.id} job={job} />
            ))}
          </ul>
        </Dialog>
      )}
    </footer>
  );
}

function Running({ job }: { job: Job }) {
  const progress = job.progress;
  return (
    <>
      <strong>{job.title}</strong>
      <progress
        aria-label={job.title}
        max={progress?.total ?? 1}
        value={progress?.total ? progress.done : job.state === "queued" ? 0 : undefined}
      />
      <span class="hint numbers">
        {progress?.total ? `${progress.done} of ${progress.total} ${progress.unit}` : job.last_line || STATES[job.state]}
        {progress?.seconds_left != null && `, ${duration(progress.seconds_left)} left`}
      </span>
      <CancelButton job={job} />
      <Copyable text={job.command_line} name="command line" />
    </>
  );
}

function CancelButton({ job }: { job: Job }) {
  const cancel = async () => {
    await attempt(api.cancel(job.id));
    void refresh.jobs();
  };
  return (
    <button type="button" onClick={cancel} aria-label={`Cancel: ${job.title}`}>
      Cancel
    </button>
  );
}

function JobLine({ job }: { job: Job }) {
  const log = useSignal<string | null>(null);
  const isActive = job.state === "running" || job.state === "queued";
  const isOpen = useSignal(false);
  useEffect(() => {
    if (!isOpen.value) return;
    const read = async () => (log.value = (await attempt(api.log(job.id)))?.text ?? "");
    void read();
    const timer = isActive ? setInterval(read, 1500) : 0;
    return () => clearInterval(timer);
  }, [isOpen.value, isActive]);
  return (
    <li>
      <div class="line">
        <span class={`state ${job.state}`}>{STATES[job.state]}</span>
        <strong>{job.title}</strong>
        <span class="hint">{new Date(job.created_at).toLocaleString()}</span>
        {isActive && <CancelButton job={job} />}
      </div>
      <div class="line">
        <code class="command">{job.command_line}</code>
        <Copyable text={job.command_line} name="command line" />
      </div>
      {job.state === "failed" && <p class="fault">{job.last_line}</p>}
      <details onToggle={(event) => (isOpen.value = event.currentTarget.open)}>
        <summary>What it printed</summary>
        <pre tabIndex={0}>{log.value ?? "…"}</pre>
      </details>
    </li>
  );
}
