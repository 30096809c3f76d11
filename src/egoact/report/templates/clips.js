"use strict";
const make = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};
const percent = (share) => `${Math.round(100 * share)} %`;
const clock = (seconds) => {
  const tenths = Math.floor(10 * seconds + 1e-6);
  const [hours, minutes] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60];
  const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
};

// A clip is {start, stop, text, source}: a stretch of the page's video, or of the file `source` (null: no footage), and
// what to say of it.
let queue = []; // clips that are still to be played; the first one plays now
const NEAR = 0.5; // seconds: further away from the clip than this, somebody went elsewhere
const EARLY = 0.02; // a picture before the stop, which belongs to what follows

function playClips(video, clips) {
  stopClips();
  queue = clips.slice();
  startClip(video);
}

function stopClips() {
  if (queue.length && queue[0].button) queue[0].button.classList.remove("playing");
  queue = [];
}

function startClip(video) {
  const clip = queue[0];
  if (!clip) return;
  if (clip.button) clip.button.classList.add("playing");
  const begin = () => {
    if (queue[0] !== clip) return;
    video.currentTime = clip.start;
    video.play().catch(() => { if (queue[0] === clip) stopClips(); });
    requestAnimationFrame(() => watchClip(video, clip));
  };
  if (clip.source && video.dataset.source !== clip.source) {
    video.dataset.source = clip.source;
    video.addEventListener("loadedmetadata", begin, { once: true });
    video.src = clip.source;
  } else begin();
}

function watchClip(video, clip) {
  if (queue[0] !== clip) return;
  if (!video.seeking) {
    if (video.currentTime < clip.start - NEAR || video.currentTime > clip.stop + NEAR) return stopClips();
    if (video.ended || video.currentTime >= clip.stop - EARLY) {
      video.pause();
      video.currentTime = Math.max(clip.start, Math.min(video.currentTime, clip.stop - EARLY));
      if (clip.button) clip.button.classList.remove("playing");
      queue.shift();
      return startClip(video);
    }
  }
  requestAnimationFrame(() => watchClip(video, clip));
}

function clipList(video, title, clips) {
  const buttons = clips.map((clip) => {
    const span = `${clock(clip.start)} – ${clock(clip.stop)}`;
    const button = make("button", { type: "button", className: "clip" }, make("b", { textContent: span }),
      ` ${clip.text || `${(clip.stop - clip.start).toFixed(1)} s`}`);
    button.addEventListener("click", () => playClips(video, [clip]));
    button.disabled = clip.source === null;
    clip.button = button;
    return button;
  });
  const all = make("button", { type: "button", className: "clip all", textContent: "play all" });
  all.addEventListener("click", () => playClips(video, clips));
  return make("div", { className: "clips" }, make("p", { className: "quiet", textContent: title }),
    ...(clips.length > 1 && clips.every((clip) => clip.source !== null) ? [all] : []), ...buttons);
}

// A number that lists its clips below its row; without clips it is a plain number.
function numberButton(video, text, label, clips) {
  if (!clips.length) return document.createTextNode(text);
  const button = make("button", { type: "button", className: "seek", textContent: text });
  button.setAttribute("aria-label", `${label}: ${text}; list its clips`);
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => toggleClips(video, button, label, clips));
  return button;
}

const numberCell = (...parts) => make("td", { className: "number" }, numberButton(...parts));

function toggleClips(video, button, label, clips) {
  const row = button.closest("tr");
  const wasOpen = button.getAttribute("aria-expanded") === "true";
  row.querySelectorAll("[aria-expanded]").forEach((other) => other.setAttribute("aria-expanded", "false"));
  if (row.nextElementSibling && row.nextElementSibling.classList.contains("detail")) row.nextElementSibling.remove();
  if (wasOpen) return;
  button.setAttribute("aria-expanded", "true");
  const cell = make("td", { colSpan: row.cells.length }, clipList(video, label, clips));
  row.after(make("tr", { className: "detail" }, cell));
}
