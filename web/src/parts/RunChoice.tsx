import type { Run } from "../api/types";
import { runs } from "../state";

interface Props {
  label: string;
  value: string | null;
  onChange: (name: string) => void;
  fits?: (run: Run) => boolean;
}

/** One of the runs, the newest first. */
export function RunChoice({ label, value, onChange, fits = () => true }: Props) {
  return (
    <label class="field">
      <span>{label}</span>
      <select value={value ?? ""} onChange={(event) => onChange(event.currentTarget.value)}>
        {runs.value.filter(fits).map((run) => (
          <option key={run.name} value={run.name}>
            {run.name} ({run.kind}, {new Date(run.trained_at).toLocaleDateString()})
          </option>
        ))}
      </select>
    </label>
  );
}
