/** What all pages share: the project, who labels, recordings, jobs and runs, kept fresh by the server's events. */

import { computed, effect, signal } from "@preact/signals";
import { api, Refused } from "./api/client";
import type { Event, Job, Project, Recording, Run } from "./api/types";
import { giveHues } from "./words";

export const project = signal<Project | null>(null);
export const recordings = signal<Recording[] | null>(null);
export const jobs = signal<Job[]>([]);
export const runs = signal<Run[]>([]);
export const isAway = signal(false);
export const notices = signal<Array<{ id: number; text: string; isFault: boolean }>>([]);
export const me = signal<string | null>(null);

export const annotators = computed(() => project.value?.annotators.map((each) => each.name) ?? []);
export const activeJobs = computed(() => jobs.value.filter((job) => job.state === "running" || job.state === "queued"));

let noticeNumber = 0;

/** Say something in the corner; faults stay until they are closed. */
export function say(text: string, isFault = false): void {
  const id = ++noticeNumber;
  notices.value = [...notices.value.slice(-3), { id, text, isFault }];
  if (!isFault) setTimeout(() => dismiss(id), 5000);
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

export function sayFault(error: unknown): void {
  say(error instanceof Error ? error.message : String(error), true);
}

/** Do something and say what went wrong; null where it did. */
export async function attempt<T>(action: Promise<T>): Promise<T | null> {
  try {
    return await action;
  } catch (error) {
    if (error instanceof Refused && error.isAway) isAway.value = true;
    sayFault(error);
    return null;
  }
}

const isMissing = (error: unknown) => error instanceof Refused && (error.status === 404 || error.status === 405);

async function quietly<T>(question: Promise<T>, take: (answer: T) => void): Promise<void> {
  try {
    take(await question);
    isAway.value = false;
  } catch (error) {
    if (error instanceof Refused && error.isAway) isAway.value = true;
    else if (!isMissing(error)) sayFault(error);
  }
}

const MINE = "egoact-studio-annotator:";

export function choose(name: string): void {
  if (project.value) localStorage.setItem(MINE + project.value.folder, name);
  me.value = name;
}

function settle(found: Project): void {
  project.value = found;
  giveHues(found.classes.verbs.map((verb) => verb.name).sort());
  const names = found.annotators.map((each) => each.name);
  const stored = localStorage.getItem(MINE + found.folder);
  if (me.value && names.includes(me.value)) return;
  me.value = stored && names.includes(stored) ? stored : (names[0] ?? null);
}

export const refresh = {
  project: () => quietly(api.project(), settle),
  recordings: () => quietly(api.recordings(me.value), (found) => (recordings.value = found)),
  jobs: () => quietly(api.jobs(), (found) => (jobs.value = found)),
  runs: () => quietly(api.runs(), (found) => (runs.value = found)),
};

/** Listeners of single events, for pages that show more than is kept here. */
const listeners = new Set<(event: Event) => void>();

export function listen(listener: (event: Event) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const waiting = new Map<() => void, number>();

/** Once for many events in a row. */
function soon(action: () => void): void {
  if (!waiting.has(action)) waiting.set(action, window.setTimeout(() => (waiting.delete(action), action()), 300));
}

function takeJob(job: Job): void {
  const known = jobs.value.some((each) => each.id === job.id);
  jobs.value = known ? jobs.value.map((each) => (each.id === job.id ? job : each)) : [job, ...jobs.value];
  if (job.state === "failed") say(`${job.title}: ${job.last_line || "failed"}`, true);
  if (job.state === "done") say(`${job.title}: done`);
}

function take(event: Event): void {
  if (event.type === "job" && event.job) takeJob(event.job);
  else if (event.type === "job") soon(refresh.jobs);
  if (event.type === "labels" || event.type === "recordings" || event.type === "proposals") soon(refresh.recordings);
  if (event.type === "labels" || event.type === "project") soon(refresh.project);
  if (event.type === "runs" || event.type === "proposals") soon(refresh.runs);
  for (const listener of listeners) listener(event);
}

/** Ask for everything, and again after each reconnection: events are not kept. */
export async function begin(): Promise<void> {
  await refresh.project();
  effect(() => {
    me.value;
    void refresh.recordings();
  });
  void refresh.jobs();
  void refresh.runs();
  let wasOpen = false;
  const source = new EventSource("/api/events");
  source.onopen = () => {
    isAway.value = false;
    if (wasOpen || !project.value) {
      void refresh.project();
      void refresh.recordings();
      void refresh.jobs();
      void refresh.runs();
      for (const listener of listeners) listener({ type: "labels", id: null, revision: null, job: null });
    }
    wasOpen = true;
  };
  source.onerror = () => (isAway.value = true);
  source.onmessage = (message) => take(JSON.parse(message.data as string) as Event);
}
