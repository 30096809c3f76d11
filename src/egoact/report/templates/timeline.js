// Below clips.js.
const data = JSON.parse(document.getElementById("data").textContent);
const video = document.getElementById("video");
const segments = data.segments;
// The same name has the same colour on every page; every bar has a dark outline and a named row.
const colours = JSON.parse(document.getElementById("colours").textContent);
const lastStop = segments.reduce((last, segment) => Math.max(last, segment.stop_seconds), 0);
const length = Math.max(data.duration_seconds === null ? lastStop : data.duration_seconds, 0.001);
const actionOf = (segment) => data.targets.map((target) => segment[target]).filter(Boolean).join(" ");

let marked = [];
let least = 0;
const isShown = (segment) => segment.confidence >= least - 1e-9;
const shapes = segments.map(() => []); // the elements of each segment: bars, and a row of the list

function seek(seconds) {
  stopClips();
  video.currentTime = seconds;
  follow(seconds);
}

function bar(segment, number, colour) {
  const label = `${actionOf(segment)}, ${clock(segment.start_seconds)} to ${clock(segment.stop_seconds)}, ` +
    `confidence ${percent(segment.confidence)}`;
  const button = make("button", { type: "button", title: label, tabIndex: -1 });
  button.setAttribute("aria-label", label);
  button.dataset.number = number;
  button.style.left = `${100 * segment.start_seconds / length}%`;
  button.style.width = `${100 * (segment.stop_seconds - segment.start_seconds) / length}%`;
  button.style.height = `${8 + 18 * segment.confidence}px`;
  button.style.background = colour;
  button.addEventListener("click", (event) => { event.stopPropagation(); seek(segment.start_seconds); });
  shapes[number].push(button);
  return button;
}

function tickSeconds(width) {
  const wanted = length * 80 / width;
  return [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800].find((step) => step >= wanted) || 3600;
}

function chart(target) {
  const names = [...new Set(segments.map((segment) => segment[target]).filter(Boolean))].sort();
  const inner = make("div", { className: "inner" }, make("div", { className: "head" }));
  const labels = make("div", { className: "names" });
  names.forEach((name) => {
    const lane = make("div", { className: "lane" });
    segments.forEach((segment, number) => {
      if (segment[target] === name) lane.append(bar(segment, number, colours[name]));
    });
    inner.append(lane);
    labels.append(make("div", { textContent: name, title: name }));
  });
  inner.append(make("div", { className: "ticks" }));
  inner.addEventListener("click", (event) => {
    const box = inner.getBoundingClientRect();
    seek(length * (event.clientX - box.left) / box.width);
  });
  const lanes = make("div", { className: "lanes" }, inner);
  const first = inner.querySelector("button");
  if (first) first.tabIndex = 0; // one stop for the Tab key a chart, arrows inside
  inner.addEventListener("keydown", (event) => moveFocus(event, inner));
  const box = make("section", { className: "chart" }, labels, lanes);
  box.setAttribute("aria-label", `${target}s over time`);
  const title = make("h2", { textContent: `${target[0].toUpperCase()}${target.slice(1)}s` });
  document.getElementById("charts").append(title, box);
}

function moveFocus(event, inner) {
  const at = event.target.closest("button");
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!at || !steps) return;
  event.preventDefault();
  const lanes = [...inner.querySelectorAll(".lane")].map((lane) => [...lane.querySelectorAll("button:not(.dim)")]);
  const row = lanes.findIndex((lane) => lane.includes(at));
  let to = lanes[row][lanes[row].indexOf(at) + steps[1]];
  if (steps[0]) {
    const start = (button) => segments[button.dataset.number].start_seconds;
    let next = row + steps[0];
    while (lanes[next] && !lanes[next].length) next += steps[0];
    to = (lanes[next] || []).reduce((best, button) =>
      !best || Math.abs(start(button) - start(at)) < Math.abs(start(best) - start(at)) ? button : best, undefined);
  }
  if (to) focusOn(to, inner);
}

function focusOn(button, inner) {
  inner.querySelectorAll("button[tabindex='0']").forEach((other) => { other.tabIndex = -1; });
  button.tabIndex = 0;
  button.focus();
  button.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function list() {
  const body = document.querySelector("#list tbody");
  segments.forEach((segment, number) => {
    const start = make("button", { type: "button", className: "seek", textContent: clock(segment.start_seconds) });
    start.setAttribute("aria-label", `go to ${actionOf(segment)} at ${clock(segment.start_seconds)}`);
    start.addEventListener("click", () => seek(segment.start_seconds));
    const row = make("tr", {}, make("td", {}, start), make("td", { textContent: actionOf(segment) }),
      make("td", { className: "number", textContent: (segment.stop_seconds - segment.start_seconds).toFixed(1) }),
      make("td", { className: "number", textContent: percent(segment.confidence) }));
    shapes[number].push(row);
    body.append(row);
  });
}

function totals() {
  const found = new Map();
  for (const segment of segments.filter(isShown)) {
    const clips = found.get(actionOf(segment)) || [];
    found.set(actionOf(segment), [...clips, { start: segment.start_seconds, stop: segment.stop_seconds }]);
  }
  const rows = [...found].map(([name, clips]) => [name, clips, clips.reduce((sum, c) => sum + c.stop - c.start, 0)]);
  rows.sort((a, b) => b[2] - a[2] || (a[0] < b[0] ? -1 : 1));
  document.querySelector("#totals tbody").replaceChildren(...rows.map(([name, clips, seconds]) =>
    make("tr", {}, make("td", { textContent: name }),
      ...[String(clips.length), seconds.toFixed(1), (seconds / clips.length).toFixed(1)].map(
        (text) => numberCell(video, text, `${name}, shown`, clips)))));
}

function filter() {
  least = Number(document.getElementById("confidence").value) / 100;
  document.getElementById("least").textContent = percent(least);
  segments.forEach((segment, number) => shapes[number].forEach((shape) =>
    shape.classList.toggle("dim", !isShown(segment))));
  document.getElementById("filtered").hidden = least === 0; // without a filter the statistics say the same
  document.getElementById("shown").textContent = `${segments.filter(isShown).length} of ${segments.length} actions`;
  document.querySelectorAll(".inner").forEach((inner) => { // the Tab key must still find a way in
    const stop = inner.querySelector("button[tabindex='0']");
    const first = inner.querySelector("button:not(.dim)");
    if (first && (!stop || stop.classList.contains("dim"))) {
      if (stop) stop.tabIndex = -1;
      first.tabIndex = 0;
    }
  });
  totals();
  follow(video.currentTime);
}

function zoom() {
  const most = Math.max(1, length / 20); // twenty seconds to a screen
  const width = 100 * most ** (Number(document.getElementById("zoom").value) / 100);
  document.querySelectorAll(".inner").forEach((inner) => {
    inner.style.width = `${width}%`;
    const step = tickSeconds(inner.getBoundingClientRect().width || 800);
    const ticks = Array.from({ length: Math.floor(length / step) + 1 }, (_, number) =>
      make("span", { textContent: clock(number * step).replace(/\.0$/, "") }));
    ticks.forEach((tick, number) => { tick.style.left = `${100 * number * step / length}%`; });
    inner.querySelector(".ticks").replaceChildren(...ticks);
  });
}

function follow(seconds) {
  document.querySelectorAll(".head").forEach((head) => { head.style.left = `${100 * Math.min(seconds / length, 1)}%`; });
  marked.forEach((shape) => shape.classList.remove("current"));
  const now = segments.map((_, number) => number).filter((number) => isShown(segments[number]) &&
    segments[number].start_seconds <= seconds + 0.01 && seconds + 0.01 < segments[number].stop_seconds);
  marked = now.flatMap((number) => shapes[number]);
  marked.forEach((shape) => shape.classList.add("current"));
  document.getElementById("now").textContent = now.length
    ? now.map((number) => `${actionOf(segments[number])} (${percent(segments[number].confidence)})`).join(", ")
    : "no action";
}

function captions() {
  const track = video.addTextTrack("captions", "Actions", "en");
  for (const segment of segments) {
    track.addCue(new VTTCue(segment.start_seconds, segment.stop_seconds, actionOf(segment)));
  }
}

data.targets.forEach(chart);
list();
captions();
zoom();
filter();
video.addEventListener("timeupdate", () => follow(video.currentTime));
video.addEventListener("error", () => { document.getElementById("unplayable").hidden = false; });
if (video.error) document.getElementById("unplayable").hidden = false;
document.getElementById("confidence").addEventListener("input", filter);
document.getElementById("zoom").addEventListener("input", zoom);
addEventListener("resize", zoom);
document.addEventListener("keydown", (event) => {
  if (event.key !== " " || event.target.matches("button, input, video")) return;
  event.preventDefault();
  if (video.paused) video.play(); else video.pause();
});
