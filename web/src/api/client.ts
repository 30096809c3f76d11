/** Requests to the studio's server; every one that fails is a `Refused` with a line for a person. */

import type {
  Agreement, Annotator, BlurJob, ClassSets, Confusion, ConflictAnswer, Dashboard, Decisions, DecisionsDone, Edits, EditsDone, EvaluateJob,
  ExportJob, ExportNotes, ExtractJob, Format, Frames, Imported, Job, JobLog, LabelChanges, Labels, LearningCurve, LearningCurveJob, Mistakes,
  PlayableJob, PredictJob, Project, ProposedRecording, Proposals, QuickJob, Recording, RecordingChange, Review, ReviewChange, Run, RunComparison, TrainJob, Waveform,
} from "./types";

export type JobRequest = ExtractJob | TrainJob | PredictJob | EvaluateJob | ExportJob | LearningCurveJob | PlayableJob | QuickJob | BlurJob;

/** Status 0: the server could not be reached. */
export class Refused extends Error {
  constructor(readonly status: number, message: string, readonly retryAfter = 0, readonly answer: unknown = null) {
    super(message);
  }

  get isAway(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }

  get conflicts(): ConflictAnswer["conflicts"] {
    return (this.answer as ConflictAnswer | null)?.conflicts ?? [];
  }
}

type Query = Record<string, string | number | null | undefined>;

/** An address below /api, its parts escaped. */
export function address(parts: Array<string | number>, query: Query = {}): string {
  const path = ["/api", ...parts.map((part) => encodeURIComponent(part))].join("/");
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined) search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

async function refusal(response: Response): Promise<Refused> {
  let answer: { reason?: string } | null = null;
  try {
    answer = (await response.json()) as { reason?: string };
  } catch {
    answer = null;
  }
  const reason = answer?.reason ?? `the server answered ${response.status} ${response.statusText}`;
  return new Refused(response.status, reason, Number(response.headers.get("retry-after") ?? 0), answer);
}

async function ask<T>(method: string, url: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const isRaw = body instanceof Blob || typeof body === "string";
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      signal: signal ?? null,
      headers: body === undefined || isRaw ? {} : { "content-type": "application/json" },
      body: body === undefined ? null : isRaw ? (body as Blob) : JSON.stringify(body),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused(0, "the studio's server does not answer");
  }
  if (!response.ok) throw await refusal(response);
  return (await response.json()) as T;
}

const get = <T>(url: string, signal?: AbortSignal) => ask<T>("GET", url, undefined, signal);

export const api = {
  project: () => get<Project>("/api/project"),
  classes: () => get<ClassSets>("/api/classes"),
  addClass: (target: "verb" | "noun", name: string) => ask<ClassSets>("POST", address(["classes", target]), { name }),
  putClasses: (target: "verb" | "noun", file: Blob) => ask<ClassSets>("PUT", address(["classes", target]), file),
  addAnnotator: (name: string) => ask<Annotator>("POST", "/api/annotators", { name }),

  recordings: (annotator: string | null) => get<Recording[]>(address(["recordings"], { annotator })),
  changeRecording: (id: string, change: RecordingChange) => ask<Recording>("PATCH", address(["recordings", id]), change),
  frames: (id: string) => get<Frames>(address(["recordings", id, "frames"])),
  waveform: (id: string, query: { bins: number; start?: number; stop?: number }, signal?: AbortSignal) =>
    get<Waveform>(address(["recordings", id, "waveform"], query), signal),

  review: (id: string) => get<Review>(address(["recordings", id, "review"])),
  changeReview: (id: string, change: ReviewChange) => ask<Review>("PUT", address(["recordings", id, "review"]), change),

  labels: (annotator: string, recording?: string) => get<Labels>(address(["labels", annotator], { recording })),
  edit: (annotator: string, edits: Edits) => ask<EditsDone>("POST", address(["labels", annotator, "edits"]), edits),
  changes: (annotator: string, since: number) => get<LabelChanges>(address(["labels", annotator, "changes"], { since })),

  jobs: () => get<Job[]>("/api/jobs"),
  start: (job: JobRequest) => ask<Job[]>("POST", "/api/jobs", job),
  log: (id: number) => get<JobLog>(address(["jobs", id, "log"], { max_bytes: 65536 })),
  cancel: (id: number) => ask<Job>("POST", address(["jobs", id, "cancel"])),

  runs: () => get<Run[]>("/api/runs"),
  proposed: (run: string) => get<ProposedRecording[]>(address(["runs", run, "proposals"])),
  proposals: (run: string, recording: string) => get<Proposals>(address(["runs", run, "proposals", recording])),
  decide: (run: string, recording: string, decisions: Decisions) =>
    ask<DecisionsDone>("POST", address(["runs", run, "proposals", recording, "decisions"]), decisions),
  confusion: (run: string, annotator: string, target: string) =>
    get<Confusion>(address(["runs", run, "confusion"], { annotator, target })),
  mistakes: (run: string, annotator: string) => get<Mistakes>(address(["runs", run, "mistakes"], { annotator, limit: 50 })),
  compare: (run: string, other: string) => get<RunComparison>(address(["runs", run, "compare"], { with: other })),
  curves: () => get<LearningCurve[]>("/api/learning-curves"),
  dashboard: (query: { run?: string; annotator?: string }) => get<Dashboard>(address(["dashboard"], query)),
  agreement: (first: string, second: string) => get<Agreement>(address(["agreement"], { first, second })),

  formats: () => get<Format[]>("/api/formats"),
  exportNotes: (query: Query) => get<ExportNotes>(address(["export-notes"], query)),
  importLabels: (file: File, query: Query) =>
    ask<Imported>("POST", address(["import"], { ...query, file_name: file.name }), file),
  saveLive: (session: string, name: string) => ask<Recording>("POST", address(["live", session, "save"]), { name }),
};

export const videoAddress = (id: string, isQuick = false) => address(["recordings", id, "video"], { is_quick: isQuick ? "true" : undefined });
export const thumbnailAddress = (id: string, seconds?: number) =>
  address(["recordings", id, "thumbnail"], { seconds: seconds?.toFixed(3) });

/** Send a recording; `progressed` is told the share that has been sent. */
export function upload(file: File, progressed: (share: number) => void, signal: AbortSignal): Promise<Recording> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address(["recordings"], { file_name: file.name }));
    request.responseType = "json";
    request.upload.onprogress = (event) => progressed(event.total ? event.loaded / event.total : 0);
    request.onload = () => {
      if (request.status < 300) resolve(request.response as Recording);
      else reject(new Refused(request.status, (request.response as { reason?: string } | null)?.reason ?? "not taken"));
    };
    request.onerror = () => reject(new Refused(0, "the connection broke"));
    request.onabort = () => reject(new Refused(0, "cancelled"));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

/** Ask again while the server computes something, and while it is away. */
export async function patiently<T>(question: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await question();
    } catch (error) {
      if (signal.aborted || !(error instanceof Refused) || !(error.isAway || error.status === 503)) throw error;
      await new Promise((done) => setTimeout(done, 1000 * Math.max(1, error.retryAfter)));
      if (signal.aborted) throw error;
    }
  }
}
