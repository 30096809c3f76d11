import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { clock, count } from "../words";
import type { Session } from "./session";

const PAGE = 200;

/** The timeline in words: all segments in order, for screen readers and for whoever likes lists. */
export function SegmentTable({ session }: { session: Session }) {
  const rows = session.ordered.value;
  const page = useSignal(0);
  const selected = session.selected.value;
  const at = rows.findIndex(([id]) => id === selected);
  useEffect(() => {
    if (at >= 0) page.value = Math.floor(at / PAGE);
    document.querySelector(".segments tr[aria-current]")?.scrollIntoView({ block: "nearest" });
  }, [selected, at]);
  const numPages = Math.max(1, Math.ceil(rows.length / PAGE));
  const first = Math.min(page.value, numPages - 1) * PAGE;
  return (
    <section class="panel list" aria-label="List of segments">
      <div class="line">
        <h2>{count(rows.length, "segment")}</h2>
        {numPages > 1 && (
          <label>
            <span class="unseen">Part of the list</span>
            <select value={Math.min(page.value, numPages - 1)} onChange={(event) => (page.value = Number(event.currentTarget.value))}>
              {Array.from({ length: numPages }, (_, i) => (
                <option key={i} value={i}>
                  {i * PAGE + 1}–{Math.min(rows.length, (i + 1) * PAGE)}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      <div class="scroll" tabIndex={0} role="region" aria-label="Segments">
        <table class="segments">
          <thead>
            <tr>
              <th scope="col">Start</th>
              <th scope="col">Stop</th>
              <th scope="col">Verb</th>
              <th scope="col">Noun</th>
              <th scope="col">Hand</th>
              <th scope="col">Note</th>
            </tr>
          </thead>
          <tbody onMouseDown={(event) => event.preventDefault() /* keys stay with the timeline */}>
            {rows.slice(first, first + PAGE).map(([id, each]) => (
              <tr key={id} aria-current={id === selected ? "true" : undefined} onClick={() => session.select(id, true)}>
                <td class="number">
                  <button type="button" class="quiet">
                    <span class="unseen">Go to </span>
                    {clock(each.start_seconds, 2)}
                  </button>
                </td>
                <td class="number">{clock(each.stop_seconds, 2)}</td>
                <td>{each.verb}</td>
                <td>{each.noun}</td>
                <td>{each.hand}</td>
                <td>{each.note}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
