/** Which page is shown: the address's path and query. */

import { signal } from "@preact/signals";

const read = () => ({ path: location.pathname, query: new URLSearchParams(location.search) });

export const place = signal(read());
addEventListener("popstate", () => (place.value = read()));

/** A page's address. */
export function link(path: string, query: Record<string, string | number | undefined> = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  return search.size ? `${path}?${search}` : path;
}

export function go(target: string, replaces = false): void {
  history[replaces ? "replaceState" : "pushState"](null, "", target);
  place.value = read();
  if (!replaces) scrollTo(0, 0);
}

/** Links of this page lead to pages without loading it anew. */
addEventListener("click", (event) => {
  const anchor = (event.target as Element | null)?.closest?.("a");
  if (!anchor || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  if (anchor.target || anchor.hasAttribute("download") || anchor.origin !== location.origin) return;
  if (anchor.pathname.startsWith("/api/") || anchor.getAttribute("href")?.startsWith("#")) return;
  event.preventDefault();
  go(anchor.pathname + anchor.search);
});
