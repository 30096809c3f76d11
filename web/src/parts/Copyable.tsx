import { useSignal } from "@preact/signals";

/** A button that copies a text. */
export function Copyable({ text, name }: { text: string; name: string }) {
  const isCopied = useSignal(false);
  const copy = async () => {
    if (!navigator.clipboard) return void prompt("To be copied:", text); // plain HTTP from another machine
    await navigator.clipboard.writeText(text);
    isCopied.value = true;
    setTimeout(() => (isCopied.value = false), 1500);
  };
  return (
    <button type="button" class="copy" onClick={copy} title={text}>
      {isCopied.value ? "Copied" : `Copy ${name}`}
    </button>
  );
}
