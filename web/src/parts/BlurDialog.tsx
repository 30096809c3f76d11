import { useSignal } from "@preact/signals";
import { api } from "../api/client";
import type { Recording } from "../api/types";
import { attempt, refresh, say } from "../state";
import { parseClock } from "../words";
import { Dialog } from "./Dialog";

/** "0:10 - 0:25" on each line; null where one cannot be read. */
export function parseStretches(text: string): Array<[number, number]> | null {
  const lines = text.split("\n").filter((line) => line.trim());
  const found = lines.map((line) => line.split(/\s*(?:–|-|\bto\b)\s*/).map(parseClock));
  const isRight = found.every(([start, stop, more]) => start != null && stop != null && start < stop && more === undefined);
  return isRight ? (found as Array<[number, number]>) : null;
}

/** A copy of a recording that can be shown to others. */
export function BlurDialog({ recording, onClose }: { recording: Recording; onClose: () => void }) {
  const text = useSignal("");
  const stretches = parseStretches(text.value);
  const begin = async (event: SubmitEvent) => {
    event.preventDefault();
    if (!stretches || !(await attempt(api.start({ kind: "blur", recording: recording.id, hide: stretches })))) return;
    say(`${recording.id}_blurred: begun; progress is at the foot of the page`);
    void refresh.jobs();
    onClose();
  };
  return (
    <Dialog title={`A copy of ${recording.id} without faces`} onClose={onClose}>
      <form onSubmit={begin}>
        <p>
          Faces are blurred in a copy, {recording.id}_blurred; the recording itself stays as it is. The detector misses faces, so look at the
          copy yourself before others do.
        </p>
        <label class="field">
          <span>Stretches that become black and silent, one a line</span>
          <textarea
            rows={4}
            placeholder="0:10 - 0:25"
            aria-invalid={stretches === null}
            value={text.value}
            onInput={(event) => (text.value = event.currentTarget.value)}
          />
        </label>
        {stretches === null && <p class="fault">Write a start and a stop, such as 0:10 - 0:25, on each line.</p>}
        <div class="actions">
          <button type="submit" class="main" disabled={stretches === null}>
            Make the copy
          </button>
        </div>
      </form>
    </Dialog>
  );
}
