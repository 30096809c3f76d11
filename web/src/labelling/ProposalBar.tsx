import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "../api/client";
import { attempt, listen, runs } from "../state";
import { count, percent } from "../words";
import type { Session } from "./session";

/** Whose proposals are shown, and what can be done with all of them. */
export function ProposalBar({ session }: { session: Session }) {
  const having = runs.value.filter((run) => run.timelines.includes(session.recording));
  const chosen = useSignal<string | null>(null);
  const sure = useSignal(90);
  const run = having.some((each) => each.name === chosen.value) ? chosen.value : chosen.value === "" ? null : (having[0]?.name ?? null);

  useEffect(() => {
    const read = async () => {
      session.proposals.value = run ? await attempt(api.proposals(run, session.recording)) : null;
    };
    void read();
    return listen((event) => void (event.type === "proposals" && event.id === run && read()));
  }, [run, session]);

  if (!having.length) return null;
  const all = session.proposals.value?.proposals ?? [];
  const open = all.filter((each) => each.decision === "open").length;
  const state = open ? `${count(open, "proposal")} open` : all.length ? "all are decided" : "it found nothing that it is sure of";
  return (
    <div class="transport proposals">
      <label>
        Proposals of{" "}
        <select value={run ?? ""} onChange={(event) => (chosen.value = event.currentTarget.value)}>
          {having.map((each) => (
            <option key={each.name} value={each.name}>
              {each.name}
            </option>
          ))}
          <option value="">nobody</option>
        </select>
      </label>
      {run && (
        <>
          <span class="hint">{state}</span>
          <button type="button" disabled={!open} onClick={() => session.nextProposal()}>
            Next one
          </button>
          <label>
            <span class="unseen">How sure</span>
            <input type="range" min="50" max="99" value={sure.value} onInput={(event) => (sure.value = Number(event.currentTarget.value))} />
          </label>
          <button type="button" disabled={!open} onClick={() => session.acceptSure(sure.value / 100)}>
            Accept all from {percent(sure.value / 100)}
          </button>
        </>
      )}
    </div>
  );
}
