/** Sound and motion of a recording: all of it roughly, and finely what is shown. */

import { effect, type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api, patiently } from "../api/client";
import type { Waveform } from "../api/types";
import { sayFault } from "../state";
import type { Session } from "./session";

const OVERVIEW_BINS = 4000;

export function useWaveforms(session: Session, width: Signal<number>): Signal<Waveform[]> {
  const found = useSignal<Waveform[]>([]);
  useEffect(() => {
    const stop = new AbortController();
    const ask = (query: { bins: number; start?: number; stop?: number }) =>
      patiently(() => api.waveform(session.recording, query, stop.signal), stop.signal);
    const quietly = (error: unknown) => void (stop.signal.aborted || sayFault(error));
    found.value = [];
    ask({ bins: OVERVIEW_BINS }).then((whole) => (found.value = [whole]), quietly);
    let timer = 0;
    const end = effect(() => {
      const [start, seconds, whole] = [session.view.start.value, session.view.seconds, found.value[0]];
      clearTimeout(timer);
      if (!whole || !width.value || seconds / width.value > whole.bin_seconds) return;
      const [from, to] = [Math.max(0, start - seconds), Math.min(session.player.end, start + 2 * seconds)];
      const fine = found.value[1];
      const isThere = fine && fine.start_seconds <= start + 0.01 && fine.stop_seconds >= Math.min(session.player.end, start + seconds) - 0.01;
      if (isThere && fine.bin_seconds <= (1.5 * seconds) / width.value) return;
      const bins = Math.min(20000, Math.max(1, Math.round(((to - from) / seconds) * width.value)));
      timer = window.setTimeout(() => ask({ bins, start: from, stop: to }).then((detail) => (found.value = [whole, detail]), quietly), 250);
    });
    return () => (stop.abort(), clearTimeout(timer), end());
  }, [session]);
  return found;
}
