// Below timeline.js: tables of data.statistics, each number with the clips that it is about.
const statistics = data.statistics;
const shown = (value, digits = 1) => (value === null ? "–" : value.toFixed(digits));
const clipOf = (number) => ({ start: segments[number].start_seconds, stop: segments[number].stop_seconds });
const lengthOf = (clip) => clip.stop - clip.start;
const occurrences = (entry) => entry.segments.map(clipOf);
const byLength = (entry) => occurrences(entry).sort((a, b) => lengthOf(b) - lengthOf(a));
const stretch = (numbers) => ({
  start: Math.min(...numbers.map((number) => segments[number].start_seconds)),
  stop: Math.max(...numbers.map((number) => segments[number].stop_seconds)),
});
const runsOf = (entry) => entry.repetitions.runs.map((run) =>
  Object.assign(stretch(run), { text: `${run.length} in a row` }));

function gapsOf(entry) {
  const gaps = [];
  let stop = null;
  occurrences(entry).forEach((clip) => {
    if (stop !== null && clip.start > stop + 0.001) gaps.push({ start: stop, stop: clip.start });
    stop = Math.max(stop || 0, clip.stop);
  });
  return gaps.sort((a, b) => lengthOf(b) - lengthOf(a));
}

function rhythm(entry) {
  const { median_period_seconds: period, period_iqr_seconds: spread } = entry.repetitions;
  return spread === null ? shown(period) : `${shown(period)} ± ${shown(spread / 2)}`;
}

const COLUMNS = [ // heading, what it says, its number, its clips
  ["Count", "occurrences", (entry) => String(entry.count), occurrences],
  ["An hour", "occurrences", (entry) => shown(entry.per_hour), occurrences],
  ["Total, s", "occurrences", (entry) => shown(entry.total_seconds), occurrences],
  ["Mean, s", "occurrences, longest first", (entry) => shown(entry.mean_seconds), byLength],
  ["Median, s", "occurrences, longest first", (entry) => shown(entry.median_seconds), byLength],
  ["Share", "occurrences", (entry) => (entry.share_of_time === null ? "–" :
    `${(100 * entry.share_of_time).toFixed(1)} %`), occurrences],
  ["Gap, s", "from one occurrence to the next, longest first", (entry) => shown(entry.gaps.median_seconds), gapsOf],
  ["In a row", "repetitions in a row", (entry) => String(entry.repetitions.longest), runsOf],
  ["Rhythm, s", "repetitions in a row", rhythm, runsOf],
];

function entryRow(entry) {
  const name = make("td", { className: "text" });
  const row = make("tr", {}, name, ...COLUMNS.map(([, what, number, clips]) =>
    numberCell(video, number(entry), `${entry.name}: ${what}`, clips(entry))));
  const button = make("button", { type: "button", className: "seek", textContent: entry.name });
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () =>
    toggleClips(video, button, `${entry.name}: occurrences`, occurrences(entry)));
  name.append(button);
  return row;
}

function entryTable(kind, entries) {
  const heading = make("tr", {}, make("th", { textContent: kind }),
    ...COLUMNS.map(([title]) => make("th", { className: "number", textContent: title })));
  const table = make("table", {}, make("thead", {}, heading), make("tbody", {}, ...entries.map(entryRow)));
  table.dataset.kind = kind.toLowerCase();
  return make("div", { className: "wide" }, table);
}

function overall() {
  const { gaps } = statistics;
  const pauses = gaps.stretches.map(([start, stop]) => ({ start, stop })).sort((a, b) => lengthOf(b) - lengthOf(a));
  const every = segments.map((_, number) => clipOf(number));
  const cells = [
    ["Actions", String(statistics.num_actions), "actions", every],
    ["Hands busy, s", shown(statistics.busy_seconds), "actions", every],
    ["Hands busy", statistics.hands_busy_share === null ? "–" :
      `${(100 * statistics.hands_busy_share).toFixed(1)} %`, "actions", every],
    ["Gaps", String(gaps.count), "gaps, longest first", pauses],
    ["Gaps together, s", shown(gaps.total_seconds), "gaps, longest first", pauses],
    ["Median gap, s", shown(gaps.median_seconds), "gaps, longest first", pauses],
  ];
  const heading = cells.map(([title]) => make("th", { className: "number", textContent: title }));
  const numbers = cells.map(([, text, label, clips]) => numberCell(video, text, label, clips));
  return make("div", { className: "wide" }, make("table", { id: "overall" },
    make("thead", {}, make("tr", {}, ...heading)), make("tbody", {}, make("tr", {}, ...numbers))));
}

function transitions() {
  const rows = statistics.transitions.map((entry) => make("tr", {}, make("td", { textContent: entry.from }),
    make("td", { textContent: entry.to }), numberCell(video, String(entry.count), `${entry.from}, then ${entry.to}`,
      entry.segments.map((number) => stretch([number, number + 1])))));
  const heading = ["Action", "Next action"].map((title) => make("th", { textContent: title }));
  return make("div", { className: "scroll" }, make("table", { id: "transitions" }, make("thead", {}, make("tr", {},
    ...heading, make("th", { className: "number", textContent: "Count" }))), make("tbody", {}, ...rows)));
}

function drawStatistics() {
  const place = document.getElementById("statistics");
  place.append(overall(), entryTable("Action", statistics.actions));
  for (const kind of ["Verb", "Noun"]) { // where an action is a verb alone, the first table has said it
    const entries = statistics[`${kind.toLowerCase()}s`];
    if (data.targets.length > 1 && entries.length) place.append(make("h3", { textContent: `${kind}s` }),
      entryTable(kind, entries));
  }
  if (statistics.transitions.length) place.append(make("h3", { textContent: "From one action to the next" }),
    transitions());
}

function linkHands() { // where the interactions of a hand are known, its numbers list them
  document.querySelectorAll("#hands td[data-hand]").forEach((cell) => {
    const { hand } = cell.dataset;
    const clips = (data.hands[hand].interactions || []).map(([start, stop]) => ({ start, stop }));
    if (cell.textContent !== "–") cell.replaceChildren(
      numberButton(video, cell.textContent, `interactions of the ${hand} hand`, clips));
  });
}

drawStatistics();
linkHands();
