import { useEffect } from "preact/hooks";
import { ExchangePage } from "../pages/Exchange";
import { FacesPage } from "../pages/Faces";
import { LabelPage } from "../pages/Label";
import { LivePage } from "../pages/Live";
import { ProjectPage } from "../pages/Project";
import { ResultsPage } from "../pages/Results";
import { TrainPage } from "../pages/Train";
import { place } from "../router";
import { dismiss, isAway, notices, project } from "../state";
import { AnnotatorChoice } from "./AnnotatorChoice";
import { JobsStrip } from "./JobsStrip";

const PAGES = [
  { path: "/", title: "Recordings", page: ProjectPage },
  { path: "/label", title: "Label", page: LabelPage },
  { path: "/train", title: "Train and propose", page: TrainPage },
  { path: "/results", title: "Results", page: ResultsPage },
  { path: "/live", title: "Live", page: LivePage },
  { path: "/faces", title: "Faces", page: FacesPage },
  { path: "/exchange", title: "Import and export", page: ExchangePage },
];

export function Shell() {
  const path = place.value.path;
  const shown = PAGES.find((each) => each.path === path);
  const Page = shown?.page;
  useEffect(() => {
    document.title = `${shown?.title ?? "Nothing here"} – ${project.value?.name ?? "egoact"} – egoact studio`;
  }, [path, project.value?.name]);
  return (
    <>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <header class="top">
        <a class="brand" href="/">
          <span class="mark" aria-hidden="true" />
          <span>
            egoact studio<small>{project.value?.name ?? ""}</small>
          </span>
        </a>
        <nav aria-label="Pages">
          {PAGES.map((each) => (
            <a key={each.path} href={each.path} aria-current={each.path === path ? "page" : undefined}>
              {each.title}
            </a>
          ))}
        </nav>
        <AnnotatorChoice />
      </header>
      {isAway.value && (
        <p class="away" role="alert">
          The studio's server does not answer. Is <code>egoact studio</code> still running? What you change is kept here and sent
          as soon as it is back.
        </p>
      )}
      <main id="main" tabIndex={-1} class={path === "/label" ? "full" : undefined}>
        {Page ? <Page /> : <p>There is no such page. Its name may have changed; the recordings are on the first page.</p>}
      </main>
      <JobsStrip />
      <div class="notices" role="status" aria-live="polite">
        {notices.value.map((notice) => (
          <div key={notice.id} class={notice.isFault ? "notice fault" : "notice"}>
            <span>{notice.text}</span>
            <button type="button" class="quiet" aria-label="Close this message" onClick={() => dismiss(notice.id)}>
              ✕
            </button>
          </div>
        ))}
      </div>
    </>
  );
}
