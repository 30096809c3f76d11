import { useEffect, useRef } from "preact/hooks";

/** Do something when a part goes away, as it was drawn last: a field that is replaced while somebody types is not blurred. */
export function useLeaving(action: () => void): void {
  const last = useRef(action);
  last.current = action;
  useEffect(() => () => last.current(), []);
}
