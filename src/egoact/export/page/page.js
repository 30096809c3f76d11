// The camera's newest picture to the recognizer, and what it answers onto the page.

const element = (id) => document.getElementById(id);
const video = element("camera");
const worker = new Worker("recognizer.js", { type: "module" });
const query = new URLSearchParams(location.search);
const waiting = new Map();
const shown = []; // when answers of the last seconds were shown
let model, backend, begun, newest, isBusy = false, lastId = 0, facing = "environment";

worker.onmessage = ({ data }) => {
  if (data.ready) ready(data);
  else if (data.id !== undefined) waiting.get(data.id)?.(data);
  else complain(data.problem);
};
worker.onerror = (event) => complain(event.message || "the recognizer cannot be started in this browser");
const options = { ...(query.has("rate") && { rate: Number(query.get("rate")) }) };
worker.postMessage({ load: true, options: { ...options, backend: query.get("backend") ?? "auto" } });
if (!query.has("pictures")) openCamera(); // or whoever opened the page gives pictures

function ask(pixels, seconds) {
  const id = ++lastId;
  return new Promise((resolve) => {
    waiting.set(id, (data) => (waiting.delete(id), resolve(data)));
    worker.postMessage({ id, pixels, seconds }, [pixels.buffer]);
  });
}

function ready(data) {
  ({ model } = data);
  backend = data.ready;
  document.title = `egoact: ${model.title}`;
  document.documentElement.dataset.backend = backend;
  globalThis.egoact = { ask, clear: () => worker.postMessage({ clear: true }) };
  if (query.has("pictures")) keep();
  else begin();
}

function begin() {
  if (!model || !video.srcObject || begun !== undefined) return; // both are waited for
  begun = performance.now();
  element("action").textContent = "Looking";
  next();
}

async function openCamera() {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  try {
    if (!navigator.mediaDevices) throw new Error("cameras need https, or a server on this device");
    const wanted = { facingMode: facing, width: { ideal: 640 }, height: { ideal: 480 } };
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: wanted });
    await video.play();
    const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
    element("other").hidden = cameras.length < 2;
    begin();
  } catch (error) {
    complain(`no camera: ${error.message}`);
  }
}

element("other").onclick = () => {
  facing = facing === "environment" ? "user" : "environment";
  openCamera();
};

const canvas = document.createElement("canvas");

function next() {
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(see);
  else requestAnimationFrame(see);
}

function see(now, metadata) {
  next();
  newest = metadata?.captureTime ?? now; // callbacks come at times less regular than pictures
  look();
}

async function look() {
  if (isBusy || newest === undefined || video.readyState < 2) return; // the newest picture wins: others are passed over
  isBusy = true;
  const taken = newest;
  newest = undefined;
  const [height, width] = model.size;
  Object.assign(canvas, canvas.width === width && canvas.height === height ? {} : { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(video, 0, 0, width, height);
  const said = await ask(context.getImageData(0, 0, width, height).data, (taken - begun) / 1000);
  isBusy = false;
  if (said.problem) complain(said.problem);
  else if (said.shares) show(said.shares, performance.now() - taken);
  look();
}

function show(shares, milliseconds) {
  const best = rank(shares);
  element("action").textContent = model.when + best[0][0];
  element("best").replaceChildren(...best.map(line));
  if (!shown.length) keep();
  const now = performance.now();
  shown.push(now);
  while (shown[0] < now - 2000) shown.shift();
  const rate = shown.length > 1 ? ((shown.length - 1) * 1000) / (now - shown[0]) : 0;
  element("numbers").textContent = `${rate.toFixed(1)} answers/s, ${milliseconds.toFixed(0)} ms each, ${backend}`;
}

// The five best: of verb and noun their pairs, in which background is one action.
function rank(shares) {
  const top = (target, count) =>
    Array.from(shares[target], (share, i) => [model.names[target][i], share]).sort((a, b) => b[1] - a[1]).slice(0, count);
  if (!shares.verb || !shares.noun) return top(Object.keys(shares)[0], 5);
  const pairs = [];
  for (const [verb, p] of top("verb", 6)) {
    for (const [noun, q] of top("noun", 6)) {
      const isNothing = verb === model.background;
      if (isNothing === (noun === model.background)) pairs.push([isNothing ? verb : `${verb} ${noun}`, p * q]);
    }
  }
  return pairs.sort((a, b) => b[1] - a[1]).slice(0, 5);
}

function line([name, share]) {
  const item = document.createElement("li");
  const bar = document.createElement("i");
  bar.style.width = `${100 * share}%`;
  const percent = document.createElement("span");
  percent.textContent = `${Math.round(100 * share)} %`;
  item.append(name, percent, bar);
  return item;
}

function complain(reason) {
  element("problem").hidden = false;
  element("problem").textContent = reason;
}

// Once there is an answer: to keep all files takes as much as to load them did.
function keep() {
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("service-worker.js");
}
