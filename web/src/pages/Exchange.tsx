import { useSignal } from "@preact/signals";
import { address, api } from "../api/client";
import type { Format, Imported } from "../api/types";
import { AgreementView } from "../parts/AgreementView";
import { useAnswer } from "../parts/useAnswer";
import { Waiting } from "../parts/Waiting";
import { attempt, me, project, recordings, refresh, say } from "../state";
import { count } from "../words";

export function ExchangePage() {
  const formats = useAnswer("formats", api.formats);
  if (!me.value) return <p>Say who you are first, at the top right: labels belong to a person.</p>;
  return (
    <>
      <h1>Import and export</h1>
      <Waiting asked={formats.value}>
        {(found) => (
          <div class="columns">
            <ImportCard annotator={me.value as string} formats={found.filter((format) => format.can_read)} />
            <ExportCard annotator={me.value as string} formats={found.filter((format) => format.can_write)} />
            <ClassesCard />
          </div>
        )}
      </Waiting>
      <AgreementView />
    </>
  );
}

function RecordingField({ words, value, onChange }: { words: string; value: string; onChange: (id: string) => void }) {
  return (
    <label class="field">
      <span>Recording</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">{words}</option>
        {recordings.value?.map((each) => (
          <option key={each.id} value={each.id}>
            {each.id}
          </option>
        ))}
      </select>
    </label>
  );
}

function FormatField({ formats, value, onChange, first }: { formats: Format[]; value: string; onChange: (name: string) => void; first?: string }) {
  return (
    <label class="field">
      <span>Format</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {first && <option value="">{first}</option>}
        {formats.map((format) => (
          <option key={format.name} value={format.name}>
            {format.title} ({format.suffixes.join(", ")})
          </option>
        ))}
      </select>
    </label>
  );
}

function ImportCard({ annotator, formats }: { annotator: string; formats: Format[] }) {
  const format = useSignal("");
  const recording = useSignal("");
  const fps = useSignal("");
  const isSplit = useSignal(false);
  const done = useSignal<{ name: string; found: Imported } | null>(null);
  const take = async (file: File | undefined) => {
    if (!file) return;
    done.value = null;
    const query = { annotator, format: format.value || undefined, recording: recording.value || undefined, fps: fps.value || undefined };
    const found = await attempt(api.importLabels(file, { ...query, split: isSplit.value ? "true" : undefined }));
    if (!found) return;
    done.value = { name: file.name, found };
    void refresh.recordings();
    void refresh.project();
  };
  return (
    <section class="card" aria-labelledby="import">
      <h2 id="import">Import</h2>
      <p>Labels that were made with another program, added to those of {annotator}. What is there already is not added again.</p>
      <FormatField formats={formats} first="guess it from the file" value={format.value} onChange={(name) => (format.value = name)} />
      <RecordingField words="as the file says" value={recording.value} onChange={(id) => (recording.value = id)} />
      <details>
        <summary>Times in frames, verb and noun in one text</summary>
        <label class="field">
          <span>Pictures a second, where times are frames</span>
          <input inputMode="decimal" value={fps.value} onInput={(event) => (fps.value = event.currentTarget.value)} />
        </label>
        <label>
          <input type="checkbox" checked={isSplit.value} onChange={(event) => (isSplit.value = event.currentTarget.checked)} /> A label is a verb
          and a noun in one text
        </label>
      </details>
      <div class="actions">
        <label class="button main">
          Choose a file
          <input
            class="unseen"
            type="file"
            onChange={(event) => {
              const file = event.currentTarget.files?.[0];
              event.currentTarget.value = "";
              void take(file);
            }}
          />
        </label>
      </div>
      {done.value && (
        <div role="status">
          <p>
            <strong>{done.value.name}</strong>: {count(done.value.found.num_added, "segment")} added, {done.value.found.num_known} were there already
            ({done.value.found.format}).
          </p>
          <Notes lines={done.value.found.notes} />
        </div>
      )}
    </section>
  );
}

function Notes({ lines }: { lines: string[] }) {
  if (!lines.length) return null;
  return (
    <ul>
      {lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}

function ExportCard({ annotator, formats }: { annotator: string; formats: Format[] }) {
  const format = useSignal(formats[0]?.name ?? "");
  const recording = useSignal("");
  const query = { annotator, format: format.value, recording: recording.value || undefined };
  const mine = project.value?.annotators.find((each) => each.name === annotator);
  const counted = recording.value ? recordings.value?.find((each) => each.id === recording.value) : mine;
  const hasLabels = (mine?.num_segments ?? 0) > 0 && (counted?.num_segments ?? 0) > 0;
  const asked = useAnswer(hasLabels ? `${counted?.num_segments} ${JSON.stringify(query)}` : null, () => api.exportNotes(query));
  return (
    <section class="card" aria-labelledby="export">
      <h2 id="export">Export</h2>
      <p>The labels of {annotator}, for another program.</p>
      <FormatField formats={formats} value={format.value} onChange={(name) => (format.value = name)} />
      <RecordingField words="all" value={recording.value} onChange={(id) => (recording.value = id)} />
      {!hasLabels && <p class="hint">There is no label to export.</p>}
      <Waiting asked={asked.value}>
        {(notes) => (
          <>
            <div class="actions">
              <a class="button main" href={address(["export"], query)} download>
                Save {notes.file_name}
              </a>
              <span class="hint">{count(notes.num_segments, "segment")}</span>
            </div>
            {notes.notes.length > 0 && <p>What this format cannot hold:</p>}
            <Notes lines={notes.notes} />
          </>
        )}
      </Waiting>
    </section>
  );
}

function ClassesCard() {
  const target = useSignal<"verb" | "noun">("verb");
  const take = async (file: File | undefined) => {
    if (!file || !(await attempt(api.putClasses(target.value, file)))) return;
    say(`${file.name}: kept`);
    void refresh.project();
  };
  return (
    <section class="card" aria-labelledby="classes">
      <h2 id="classes">Words to choose from</h2>
      <p>
        A list of verbs or nouns, such as EPIC-KITCHENS' <code>EPIC_100_verb_classes.csv</code>: a CSV with columns <code>id</code> and{" "}
        <code>key</code>. Words that labels use come along by themselves.
      </p>
      <div class="actions">
        <label>
          <span class="unseen">Of what</span>
          <select value={target.value} onChange={(event) => (target.value = event.currentTarget.value as "verb" | "noun")}>
            <option value="verb">verbs</option>
            <option value="noun">nouns</option>
          </select>
        </label>
        <label class="button">
          Choose a file
          <input
            class="unseen"
            type="file"
            accept=".csv"
            onChange={(event) => {
              const file = event.currentTarget.files?.[0];
              event.currentTarget.value = "";
              void take(file);
            }}
          />
        </label>
      </div>
    </section>
  );
}
