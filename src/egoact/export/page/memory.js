// What is left of the frames so far: the same as egoact/live/memories.py, which says more.

const GAP_SECONDS = 2;

export function softmax(values) {
  const highest = Math.max(...values);
  const shares = Array.from(values, (value) => Math.exp(value - highest));
  const sum = shares.reduce((a, b) => a + b, 0);
  return shares.map((share) => share / sum);
}

// The graph of a head over the last seconds; of windows of several lengths the mean of their log probabilities.
export class WindowMemory {
  constructor(model, run) {
    this.model = model;
    this.run = run;
    this.clear();
  }

  clear() {
    this.features = [];
    this.seconds = [];
  }

  add(feature, seconds) {
    this.features.push(feature);
    this.seconds.push(seconds);
    const most = Math.round(Math.max(...this.model.windowSeconds) * this.model.rate) + 1;
    if (this.features.length > most) {
      this.features.shift();
      this.seconds.shift();
    }
  }

  async predict() {
    const { windowSeconds, rate, numFrames } = this.model;
    const newest = this.seconds.at(-1);
    const ages = this.seconds.map((seconds) => newest - seconds);
    const counts = windowSeconds.map((length) => ages.filter((age) => age < length - 0.5 / rate).length);
    const covered = counts.map((count) => ages.at(-count) + 1 / rate);
    if (Math.min(...covered) < Math.min(...windowSeconds) / 2 - 2e-3) return null;
    const logs = {};
    const different = [...new Set(counts)];
    for (const count of different) {
      const steps = this.features.slice(-count);
      const width = steps[0].length;
      const clip = new Float32Array(numFrames * width);
      for (let i = 0; i < numFrames; i++) {
        clip.set(steps[Math.floor(((2 * i + 1) * count) / (2 * numFrames))], i * width);
      }
      const said = await this.run(clip);
      for (const [target, shares] of Object.entries(said)) {
        const heat = this.model.temperature[target] ?? 1;
        const cooled = softmax(Array.from(shares, (share) => Math.log(Math.max(share, 1.1754944e-38)) / heat));
        const sums = (logs[target] ??= cooled.map(() => 0));
        cooled.forEach((share, i) => (sums[i] += Math.log(share) / different.length));
      }
    }
    return Object.fromEntries(Object.entries(logs).map(([target, values]) => [target, softmax(values)]));
  }
}

// The state of a segmenter that sees no future, in steps as regular as in training.
export class StepMemory {
  constructor(model, run) {
    this.model = model;
    this.run = run;
    this.clear();
  }

  clear() {
    this.state = this.model.state.map((shape) => new Float32Array(shape.reduce((a, b) => a * b, 1)));
    this.numSteps = 0;
  }

  async add(feature, seconds) {
    if (this.numSteps && seconds - this.newest > GAP_SECONDS) this.clear();
    if (this.numSteps) {
      const count = Math.max(1, Math.round((seconds - this.due) * this.model.rate));
      for (let i = 1; i < count; i++) await this.step(this.feature);
      this.due += count / this.model.rate;
    } else {
      this.due = seconds;
    }
    this.feature = feature;
    this.newest = seconds;
    await this.step(feature);
  }

  async step(feature) {
    const [said, state] = await this.run(feature, this.state);
    this.said = said;
    this.state = state;
    this.numSteps++;
  }

  async predict() {
    return Object.fromEntries(Object.entries(this.said).map(([target, values]) => [target, softmax(values)]));
  }
}
