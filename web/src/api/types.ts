// Made by web/make_types.py from src/egoact/studio/schemas/; change it there.

export interface ActionOverDays {
  name: string;
  verb: string | null;
  noun: string | null;
  days: Array<DayPoint>;
}

export interface AddEdit {
  op: "add";
  id?: string | null;
  segment: SegmentValues;
}

export interface Agreement {
  first: string;
  second: string;
  together: AgreementOf | null;
  recordings: Array<AgreementOf>;
}

export interface AgreementOf {
  recording_id: string | null;
  kappa: Record<string, number | null>;
  boundaries: BoundaryDifferences;
  only_first: number;
  only_second: number;
}

export interface Annotator {
  name: string;
  path: string;
  num_segments: number;
  num_recordings: number;
}

export interface BlurJob {
  kind: "blur";
  recording: string;
  hide?: Array<[number, number]>;
  is_again?: boolean;
  review?: boolean;
}

export interface BoundaryDifferences {
  num_pairs: number;
  start_mean_seconds: number | null;
  start_mean_absolute_seconds: number | null;
  stop_mean_seconds: number | null;
  stop_mean_absolute_seconds: number | null;
}

export interface ChangeEdit {
  op: "change";
  id: string;
  version: number;
  segment: SegmentValues;
}

export interface ClassEntry {
  name: string;
  category: string | null;
  num_segments: number;
}

export interface ClassSets {
  verbs: Array<ClassEntry>;
  nouns: Array<ClassEntry>;
}

export interface Clip {
  recording_id: string;
  start_seconds: number;
  stop_seconds: number;
  truth: string | null;
  found: string | null;
  confidence: number | null;
}

export interface Conflict {
  id: string;
  current: LabelSegment | null;
}

export interface ConflictAnswer {
  reason: string;
  conflicts: Array<Conflict>;
}

export interface Confusion {
  run: string;
  annotator: string;
  target: "verb" | "noun" | "action";
  names: Array<string>;
  cells: Array<ConfusionCell>;
  recordings: Array<string>;
  seen_recordings: Array<string>;
}

export interface ConfusionCell {
  truth: string | null;
  found: string | null;
  count: number;
  clips: Array<Clip>;
}

export interface CurvePoint {
  num_recordings: number;
  value: number;
  low: number | null;
  high: number | null;
}

export interface Dashboard {
  source: string;
  people: Array<Person>;
}

export interface DayPoint {
  day: string | null;
  recording_ids: Array<string>;
  count: number;
  total_seconds: number;
  mean_seconds: number | null;
  per_hour: number | null;
  share_of_time: number | null;
  clips: Array<Clip>;
}

export interface Decision {
  proposal_id: string;
  action: "accept" | "reject" | "correct" | "reopen";
  segment?: SegmentValues | null;
}

export interface Decisions {
  request_id: string;
  annotator: string;
  decisions: Array<Decision>;
}

export interface DecisionsDone {
  revision: number;
  proposals: Array<Proposal>;
  segments: Array<LabelSegment>;
  deleted: Array<string>;
}

export interface DeleteEdit {
  op: "delete";
  id: string;
  version: number;
}

export interface Edits {
  request_id: string;
  edits: Array<AddEdit | ChangeEdit | DeleteEdit>;
}

export interface EditsDone {
  revision: number;
  segments: Array<LabelSegment>;
  deleted: Array<string>;
}

export interface ErrorAnswer {
  reason: string;
}

export interface EvaluateJob {
  kind: "evaluate";
  run: string;
  annotator: string;
}

export interface Event {
  type: "job" | "labels" | "recordings" | "runs" | "proposals" | "project";
  id: string | null;
  revision: number | null;
  job: Job | null;
}

export interface ExportJob {
  kind: "export";
  run: string;
  format?: "onnx" | "openvino";
}

export interface ExportNotes {
  file_name: string;
  num_segments: number;
  notes: Array<string>;
}

export interface ExtractJob {
  kind: "extract";
  streams?: Array<"rgb" | "grid" | "difference" | "motion">;
}

export interface Format {
  name: string;
  title: string;
  suffixes: Array<string>;
  can_read: boolean;
  can_write: boolean;
}

export interface Frames {
  times_seconds: Array<number>;
  end_seconds: number;
  video_offset_seconds: number;
  is_quick: boolean;
  wants_quick: boolean;
}

export interface Imported {
  format: string;
  num_added: number;
  num_known: number;
  revision: number;
  notes: Array<string>;
}

export interface Job {
  id: number;
  kind: string;
  title: string;
  state: "queued" | "running" | "done" | "failed" | "cancelled" | "interrupted";
  command_line: string;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  exit_code: number | null;
  progress: Progress | null;
  last_line: string;
  needs: number | null;
  subject: string | null;
}

export interface JobLog {
  text: string;
  is_cut: boolean;
}

export interface LabelChanges {
  revision: number;
  segments: Array<LabelSegment>;
  deleted: Array<string>;
}

export interface LabelSegment {
  id: string;
  version: number;
  recording_id: string;
  start_seconds: number;
  stop_seconds: number;
  verb: string | null;
  noun: string | null;
  hand: "left" | "right" | "both" | null;
  note: string;
}

export interface Labels {
  annotator: string;
  revision: number;
  segments: Array<LabelSegment>;
  problems: Array<string>;
}

export interface LearningCurve {
  job: number;
  annotator: string;
  metric: string;
  measured: Array<CurvePoint>;
  extrapolated: Array<CurvePoint>;
  verdict: string;
}

export interface LearningCurveJob {
  kind: "learning_curve";
  annotator: string;
  segmenter?: "linear" | "causal";
  labelled_only?: boolean;
}

export interface LiveAnswer {
  type: "answer";
  seconds: number;
  name: string | null;
  confidence: number | null;
  top: Record<string, Array<[string, number]>>;
  latency_seconds: number;
}

export interface LiveFault {
  type: "fault";
  reason: string;
}

export interface LiveReady {
  type: "ready";
  session: string;
  run: string;
  rate: number;
  targets: Array<string>;
}

export interface MetricComparison {
  name: string;
  first: number;
  second: number;
  difference: number;
}

export interface Mistakes {
  run: string;
  annotator: string;
  mistakes: Array<Clip>;
}

export interface NewAnnotator {
  name: string;
}

export interface NewClass {
  name: string;
}

export interface Person {
  participant_id: string;
  num_recordings: number;
  total_seconds: number;
  actions: Array<ActionOverDays>;
  hands: Array<Record<string, unknown>>;
  notes: Record<string, string>;
}

export interface PlayableJob {
  kind: "playable";
  recording: string;
}

export interface PredictJob {
  kind: "predict";
  run: string;
  recordings?: Array<string> | null;
  hands?: boolean;
}

export interface Progress {
  what: string;
  done: number;
  total: number | null;
  unit: string;
  seconds_left: number | null;
}

export interface Project {
  name: string;
  folder: string;
  version: string;
  annotators: Array<Annotator>;
  num_recordings: number;
  classes: ClassSets;
  problems: Array<string>;
  max_upload_bytes: number;
  heavy_job: number | null;
}

export interface Proposal {
  id: string;
  start_seconds: number;
  stop_seconds: number;
  verb: string | null;
  noun: string | null;
  confidence: number;
  decision: "open" | "accepted" | "rejected" | "corrected";
  segment_id: string | null;
}

export interface Proposals {
  run: string;
  recording_id: string;
  uncertainty: number;
  proposals: Array<Proposal>;
}

export interface ProposedRecording {
  recording_id: string;
  uncertainty: number;
  num_proposals: number;
  num_open: number;
}

export interface QuickJob {
  kind: "quick";
  recording: string;
}

export interface Recording {
  id: string;
  file_name: string;
  size_bytes: number;
  duration_seconds: number | null;
  frame_rate: number | null;
  num_frames: number | null;
  width: number | null;
  height: number | null;
  codec: string | null;
  has_sound: boolean;
  is_playable: boolean;
  playable_job: number | null;
  problem: string | null;
  state: "unlabelled" | "proposed" | "in_work" | "labelled";
  num_segments: number;
  num_proposals: number;
  uncertainty: number | null;
  participant_id: string;
  recorded_on: string | null;
  note: string;
}

export interface RecordingChange {
  participant_id?: string | null;
  recorded_on?: string | null;
  note?: string | null;
  is_labelled?: boolean | null;
}

export interface Review {
  recording_id: string;
  version: string;
  masks: Array<ReviewedMask>;
  hidden: Array<[number, number]>;
  has_copy: boolean;
}

export interface ReviewChange {
  version: string;
  masks: Array<ReviewedMask>;
  hidden: Array<[number, number]>;
}

export interface ReviewedMask {
  kind: string;
  score: number;
  keyframes: Array<[number, number, number, number, number]>;
  is_blurred: boolean;
}

export interface Run {
  name: string;
  path: string;
  kind: string;
  trained_at: string;
  targets: Array<"verb" | "noun">;
  num_recordings: number | null;
  recordings: Array<string>;
  is_live: boolean;
  metrics: Record<string, unknown> | null;
  evaluation: Record<string, unknown> | null;
  timelines: Array<string>;
}

export interface RunComparison {
  first: string;
  second: string;
  is_same_recordings: boolean;
  metrics: Array<MetricComparison>;
}

export interface SaveLive {
  name: string;
}

export interface SegmentValues {
  recording_id: string;
  start_seconds: number;
  stop_seconds: number;
  verb?: string | null;
  noun?: string | null;
  hand?: "left" | "right" | "both" | null;
  note?: string;
}

export interface TrainJob {
  kind: "train";
  run?: string | null;
  annotator: string;
  segmenter?: "linear" | "mstcn" | "asformer" | "gru" | "causal" | "causal_tcn";
  recordings?: Array<string> | null;
  labelled_only?: boolean;
}

export interface Waveform {
  start_seconds: number;
  stop_seconds: number;
  bin_seconds: number;
  sound: Array<number>;
  motion: Array<number>;
}
