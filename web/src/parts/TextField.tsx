import { useSignal } from "@preact/signals";
import { useLeaving } from "./useLeaving";

interface Props {
  name: string;
  value: string;
  onKeep: (text: string) => void;
  type?: "text" | "date";
  isNumeric?: boolean;
}

/** A field that keeps what is being typed while the page is drawn anew; Enter, leaving and another form in its place keep it, Escape gives it up. */
export function TextField({ name, value, onKeep, type = "text", isNumeric = false }: Props) {
  const draft = useSignal<string | null>(null);
  const keep = () => {
    const text = draft.value;
    draft.value = null;
    if (text !== null && text !== value) onKeep(text);
  };
  useLeaving(keep);
  return (
    <input
      name={name}
      type={type as "text"}
      autocomplete="off"
      class={isNumeric ? "numbers" : ""}
      value={draft.value ?? value}
      onInput={(event) => (draft.value = event.currentTarget.value)}
      onBlur={keep}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== "Escape") return;
        event.preventDefault();
        if (event.key === "Escape") draft.value = null;
        event.currentTarget.blur();
      }}
    />
  );
}
