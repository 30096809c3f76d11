import { useComputed, useSignal } from "@preact/signals";
import { useId, useRef } from "preact/hooks";
import type { ClassEntry } from "../api/types";
import { useLeaving } from "../parts/useLeaving";

interface Props {
  name: string;
  label: string;
  value: string | null;
  entries: ClassEntry[];
  onChoose: (value: string | null) => void;
  /** After Enter. */
  onDone: () => void;
}

const MOST_SHOWN = 40;

/** A field with type-ahead: the first word that fits is taken with Enter, one that nobody used yet, too. */
export function Combobox({ name, label, value, entries, onChoose, onDone }: Props) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const text = useSignal<string | null>(null);
  const at = useSignal(0);
  const isOpen = useSignal(false);
  const words = useSignal(entries);
  words.value = entries;
  const options = useComputed(() => matches(words.value, (text.value ?? "").trim()));

  const choose = (word: string | null) => {
    text.value = null;
    isOpen.value = false;
    if (word !== value) onChoose(word);
  };
  const commit = (isEnter: boolean) => {
    const typed = text.value?.trim();
    if (typed === undefined) return void (isOpen.value && isEnter && choose(options.value[at.value]?.name ?? value));
    if (!typed) return choose(null);
    const exact = words.value.find((entry) => entry.name.toLowerCase() === typed.toLowerCase());
    if (exact) choose(exact.name);
    else if (isEnter) choose(options.value[at.value]?.name ?? typed);
    else choose(value);
  };
  useLeaving(() => commit(false));
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const number = options.value.length;
      if (!isOpen.value) [isOpen.value, at.value] = [true, 0];
      else at.value = (at.value + (event.key === "ArrowDown" ? 1 : -1) + number) % Math.max(1, number);
    } else if (event.key === "Enter") {
      event.preventDefault();
      commit(true);
      onDone();
    } else if (event.key === "Escape") {
      event.stopPropagation();
      text.value = null;
      isOpen.value = false;
      input.current?.blur();
    }
  };
  const shown = isOpen.value && options.value.length > 0;
  return (
    <div class="combobox">
      <label class="field">
        <span>{label}</span>
        <input
          ref={input}
          name={name}
          role="combobox"
          autocomplete="off"
          aria-autocomplete="list"
          aria-expanded={shown}
          aria-controls={`${id}-list`}
          aria-activedescendant={shown ? `${id}-${at.value}` : undefined}
          value={text.value ?? value ?? ""}
          onInput={(event) => {
            text.value = event.currentTarget.value;
            at.value = 0;
            isOpen.value = true;
          }}
          onKeyDown={onKeyDown}
          onBlur={() => commit(false)}
        />
      </label>
      <ul id={`${id}-list`} role="listbox" aria-label={`Words for ${name}`} hidden={!shown}>
        {shown &&
          options.value.map((entry, i) => (
            <li
              key={entry.name}
              id={`${id}-${i}`}
              role="option"
              aria-selected={i === at.value}
              onPointerDown={(event) => (event.preventDefault(), choose(entry.name))}
            >
              {entry.isNew ? `New word: “${entry.name}”` : entry.name}
              {entry.num_segments > 0 && <small>{entry.num_segments}</small>}
            </li>
          ))}
      </ul>
    </div>
  );
}

/** Words that begin so, then words that contain it; and what was typed, where it is no word yet. */
function matches(entries: ClassEntry[], typed: string): Array<ClassEntry & { isNew?: boolean }> {
  const wanted = typed.toLowerCase();
  const begin = entries.filter((entry) => entry.name.toLowerCase().startsWith(wanted));
  const contain = entries.filter((entry) => !begin.includes(entry) && entry.name.toLowerCase().includes(wanted));
  const found: Array<ClassEntry & { isNew?: boolean }> = [...begin, ...contain].slice(0, MOST_SHOWN);
  const isKnown = entries.some((entry) => entry.name.toLowerCase() === wanted);
  if (typed && !isKnown) found.push({ name: typed, category: null, num_segments: 0, isNew: true });
  return found;
}
