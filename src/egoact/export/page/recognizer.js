// Frames in, answers out, in a thread of its own: the graphs on WebGPU where there is one, else on WebAssembly.

import { StepMemory, WindowMemory } from "./memory.js";

let ort, model, frameGraphs, memory, backend;
let due = -Infinity;

onmessage = async ({ data }) => {
  try {
    if (data.load) postMessage({ ready: await load(data.options), model });
    else if (data.clear) clear();
    else postMessage({ id: data.id, ...(await look(data)) });
  } catch (error) {
    postMessage({ id: data.id, problem: String(error?.message ?? error) });
  }
};

function clear() {
  memory.clear();
  due = -Infinity;
}

async function load(options) {
  const described = fetch("web.json").then((answer) => answer.json());
  const hasGpu = options.backend !== "wasm" && (await navigator.gpu?.requestAdapter());
  backend = hasGpu ? "webgpu" : "wasm";
  runtime(); // its file is fetched beside the description
  model = { ...(await described), ...options };
  try {
    await open();
  } catch (error) {
    if (backend === "wasm") throw error;
    backend = "wasm";
    await open();
  }
  const numThreads = ort.env.wasm.numThreads;
  return backend === "wasm" ? `WebAssembly, ${numThreads} thread${numThreads > 1 ? "s" : ""}` : "WebGPU";
}

const runtime = () => import(`./ort/ort.${backend}.min.mjs`);

async function open() {
  const graphs = {};
  for (const name of [model.graph, ...model.streams.map(({ graph }) => graph)]) graphs[name] ??= content(name);
  ort = await runtime();
  ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
  ort.env.logLevel = "error";
  const create = async (name) =>
    ort.InferenceSession.create(await graphs[name], { executionProviders: [backend], logSeverityLevel: 3 });
  frameGraphs = {};
  for (const { graph } of model.streams) frameGraphs[graph] ??= await create(graph);
  const last = await create(model.graph);
  memory = model.kind === "steps" ? new StepMemory(model, stepper(last)) : new WindowMemory(model, window(last));
  await look({ pixels: new Uint8Array(3 * model.size[0] * model.size[1]), seconds: 0 }); // the first one is slow
  clear();
}

const content = async (name) => new Uint8Array(await (await fetch(name)).arrayBuffer());

function window(session) {
  return async (clip) => numbers(await session.run({ clip: tensor(clip, [1, model.numFrames, ...model.featureShape]) }));
}

function stepper(session) {
  return async (feature, state) => {
    const given = { features: tensor(feature, [1, feature.length]) };
    state.forEach((part, i) => (given[`state_${i}`] = tensor(part, model.state[i])));
    const found = numbers(await session.run(given));
    const said = Object.fromEntries(Object.keys(model.names).map((target) => [target, found[target]]));
    return [said, state.map((_, i) => found[`next_state_${i}`])];
  };
}

const tensor = (values, shape) => new ort.Tensor("float32", values, shape);
const numbers = (found) => Object.fromEntries(Object.entries(found).map(([name, value]) => [name, value.data]));

// pixels: RGBA as from a canvas, or RGB, of the model's size.
async function look({ pixels, seconds }) {
  if (seconds < due - 2e-3) return { passed: true };
  due = due + 1 / model.rate > seconds ? due + 1 / model.rate : seconds + 1 / model.rate;
  const feature = await features(pixels);
  await memory.add(feature, seconds);
  const shares = await memory.predict();
  return { shares };
}

async function features(pixels) {
  const [height, width] = model.size;
  const frames = new ort.Tensor("uint8", rgb(pixels, height * width), [1, height, width, 3]);
  const found = {};
  const parts = [];
  for (const { graph, parts: num } of model.streams) {
    found[graph] ??= (await frameGraphs[graph].run({ frames })).features.data;
    parts.push(num === 1 ? found[graph] : meanOfParts(found[graph], num));
  }
  if (parts.length === 1) return Float32Array.from(parts[0]);
  const side = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (side.set(part, at), at + part.length), 0);
  return side;
}

function rgb(pixels, count) {
  if (pixels.length === 3 * count) return pixels;
  const found = new Uint8Array(3 * count);
  for (let i = 0, j = 0; i < pixels.length; i += 4) {
    found[j++] = pixels[i];
    found[j++] = pixels[i + 1];
    found[j++] = pixels[i + 2];
  }
  return found;
}

function meanOfParts(values, num) {
  const width = values.length / num;
  const mean = new Float32Array(width);
  values.forEach((value, i) => (mean[i % width] += value / num));
  return mean;
}
