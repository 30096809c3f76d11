import { link } from "../router";
import { activeJobs, me, recordings, runs } from "../state";

interface Step {
  name: string;
  isDone: boolean;
  href: string;
  words: string;
}

/** What has been done of the loop, and what to do next, in words. */
export function NextStep() {
  const found = recordings.value ?? [];
  const labelled = found.filter((each) => each.num_segments > 0);
  const open = found.filter((each) => each.num_proposals > 0 && each.state !== "labelled");
  const first = found.find((each) => each.state === "unlabelled" && !each.problem) ?? found[0];
  const least = [...open].sort((a, b) => (b.uncertainty ?? 0) - (a.uncertainty ?? 0))[0];
  const toLabel = link("/label", { recording: first?.id });
  const hasRuns = runs.value.length > 0;
  const hasProposals = open.length > 0 || runs.value.some((run) => run.timelines.length > 0);
  const steps: Step[] = [
    { name: "Add recordings", isDone: found.length > 0, href: "/", words: "Drop videos on this page to begin." },
    {
      name: "Label",
      isDone: labelled.length >= 2,
      href: toLabel,
      words: labelled.length
        ? "Label one more recording: a model must see at least two, so that one can be held out to measure it."
        : "Open a recording and mark what the hands do: verb and noun, from where to where.",
    },
    { name: "Train", isDone: hasRuns, href: "/train", words: "Train a model on your labels; it takes minutes." },
    { name: "Propose", isDone: hasProposals, href: "/train", words: "Let the model propose actions in the other recordings." },
    {
      name: "Correct",
      isDone: hasProposals && open.length === 0,
      href: least ? link("/label", { recording: least.id }) : "/",
      words: "Correct the proposals, the least certain recording first; then train again.",
    },
    { name: "Export", isDone: false, href: "/exchange", words: "Export the labels as a spreadsheet or for other programs." },
  ];
  const next = me.value === null && found.length ? null : steps.find((step) => !step.isDone);
  if (!recordings.value) return null;
  return (
    <section class="next" aria-label="What to do next">
      <ol>
        {steps.map((step) => (
          <li key={step.name} class={step === next ? "now" : step.isDone ? "done" : ""}>
            <a href={step.href} aria-current={step === next ? "step" : undefined}>
              {step.isDone && <span aria-hidden="true">✓ </span>}
              {step.name}
              {step.isDone && <span class="unseen"> (done)</span>}
            </a>
          </li>
        ))}
      </ol>
      <p>
        {activeJobs.value.length
          ? "Something is being computed; you can go on labelling meanwhile."
          : next
            ? next.words
            : "Say who you are, at the top right; then open a recording and label it."}
      </p>
    </section>
  );
}
