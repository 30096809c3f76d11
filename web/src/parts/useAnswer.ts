import { type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Refused } from "../api/client";

export interface Asked<T> {
  answer: T | null;
  fault: string | null;
  isAsking: boolean;
}

/** Ask the server whenever `key` changes; null asks nothing. Answers that come too late do not count. */
export function useAnswer<T>(key: string | null, question: () => Promise<T>): Signal<Asked<T>> {
  const state = useSignal<Asked<T>>({ answer: null, fault: null, isAsking: key !== null });
  useEffect(() => {
    let isLate = false;
    state.value = { answer: null, fault: null, isAsking: key !== null };
    if (key === null) return;
    question().then(
      (answer) => void (isLate || (state.value = { answer, fault: null, isAsking: false })),
      (error) => {
        const fault = error instanceof Refused ? error.message : String(error);
        if (!isLate) state.value = { answer: null, fault, isAsking: false };
      },
    );
    return () => void (isLate = true);
  }, [key]);
  return state;
}
