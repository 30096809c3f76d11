import { useSignal } from "@preact/signals";
import { api } from "../api/client";
import { annotators, attempt, choose, me, project, refresh } from "../state";
import { Dialog } from "./Dialog";

/** Who labels in this browser: each annotator has a file of labels. */
export function AnnotatorChoice() {
  const isAdding = useSignal(false);
  if (!project.value) return null;
  const mustIntroduce = annotators.value.length === 0;
  return (
    <div class="annotator">
      {!mustIntroduce && (
        <label>
          <span>I am</span>
          <select
            value={me.value ?? ""}
            onChange={(event) => {
              const name = event.currentTarget.value;
              if (name) choose(name);
              else {
                event.currentTarget.value = me.value ?? "";
                isAdding.value = true;
              }
            }}
          >
            {annotators.value.map((name) => (
              <option key={name}>{name}</option>
            ))}
            <option value="">Somebody new …</option>
          </select>
        </label>
      )}
      {mustIntroduce && (
        <button type="button" class="main" onClick={() => (isAdding.value = true)}>
          Say who you are
        </button>
      )}
      {isAdding.value && <NewAnnotator onClose={() => (isAdding.value = false)} />}
    </div>
  );
}

export function NewAnnotator({ onClose }: { onClose: () => void }) {
  const add = async (event: SubmitEvent) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget as HTMLFormElement).get("name")).trim();
    const made = await attempt(api.addAnnotator(name));
    if (!made) return;
    await refresh.project();
    choose(made.name);
    onClose();
  };
  return (
    <Dialog title="Who labels?" onClose={onClose}>
      <form onSubmit={add}>
        <p>Each person has labels of their own, in a file of that name, so that two people can be compared.</p>
        <label class="field">
          <span>Your name</span>
          <input name="name" required maxLength={64} pattern="[\p{L}\p{N}_][\p{L}\p{N}_ .\-]*" autofocus autocomplete="off" />
        </label>
        <div class="actions">
          <button type="submit" class="main">
            Begin
          </button>
        </div>
      </form>
    </Dialog>
  );
}
