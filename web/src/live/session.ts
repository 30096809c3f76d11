/** Live answers about a camera's pictures, one in flight: the newest follows the last answer. The browser's camera sends
 * its pictures to the server; of a camera or recording of the server they come from there. Knows nothing of pages. */

import { signal } from "@preact/signals";
import type { LiveAnswer, LiveFault, LiveReady } from "../api/types";

export interface LiveAction {
  name: string;
  start: number;
  stop: number;
}

const LONGEST_SIDE = 640;
const PATIENCE = 1.05; // clocks differ: what comes a little too soon would not be looked at

export class LiveSession {
  readonly state = signal<"off" | "begins" | "on" | "ended">("off");
  readonly answer = signal<LiveAnswer | null>(null);
  readonly fault = signal<string | null>(null);
  readonly actions = signal<LiveAction[]>([]);
  readonly roundTrip = signal<number | null>(null);
  readonly numAnswers = signal(0);
  /** Address of the newest picture of a source of the server. */
  readonly picture = signal<string | null>(null);
  /** To be saved by; null before the server is ready. */
  readonly identity = signal<string | null>(null);
  private socket: WebSocket | null = null;
  private stream: MediaStream | null = null;
  private readonly canvas = document.createElement("canvas");
  private isWatching = false;
  private sentAt = 0;
  private rate = 30;
  private lastKnown: string | null = null;

  constructor(private readonly video: HTMLVideoElement) {}

  /** With `source` the server looks: at a recording, a camera's number, an address. */
  async begin(run: string, camera: string, source: string | null = null): Promise<void> {
    this.state.value = "begins";
    this.fault.value = null;
    this.actions.value = [];
    this.answer.value = null;
    this.identity.value = null;
    this.roundTrip.value = null;
    this.show(null);
    this.isWatching = source !== null;
    if (source === null && !(await this.openCamera(camera))) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const query = new URLSearchParams(source === null ? { run } : { run, source });
    const socket = new WebSocket(`${scheme}//${location.host}/api/live?${query}`);
    this.socket = socket;
    socket.onmessage = ({ data }) => {
      if (data instanceof Blob) this.show(URL.createObjectURL(data));
      else this.take(JSON.parse(data as string) as LiveReady | LiveAnswer | LiveFault);
    };
    socket.onclose = ({ code }) => {
      const isRight = this.state.value === "ended" || (this.isWatching && code === 1000);
      this.end(this.fault.value ?? (isRight ? null : "The connection to the server ended."));
    };
  }

  private async openCamera(camera: string): Promise<boolean> {
    try {
      const wanted = camera ? { deviceId: { exact: camera } } : { facingMode: "environment" };
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { ...wanted, width: { ideal: 640 } }, audio: false });
      this.video.srcObject = this.stream;
      await this.video.play();
      return true;
    } catch (error) {
      this.end(`The camera cannot be used: ${(error as Error).message}`);
      return false;
    }
  }

  private show(picture: string | null): void {
    if (this.picture.value) URL.revokeObjectURL(this.picture.value);
    this.picture.value = picture;
  }

  end(fault: string | null = null): void {
    this.state.value = "ended";
    this.fault.value = fault;
    this.stream?.getTracks().forEach((track) => track.stop());
    this.video.srcObject = null;
    if (this.socket) this.socket.onclose = null;
    this.socket?.close();
    this.socket = this.stream = null;
  }

  private take(said: LiveReady | LiveAnswer | LiveFault): void {
    if (said.type === "ready") {
      this.identity.value = said.session;
      this.rate = said.rate;
      this.state.value = "on";
      if (!this.isWatching) void this.send();
      return;
    }
    if (said.type === "fault") {
      this.fault.value = said.reason;
      if (this.state.value === "on" && !this.isWatching) setTimeout(() => void this.send(), 500);
      return;
    }
    this.fault.value = null;
    if (this.isWatching) {
      if (Object.keys(said.top).length) this.tell(said);
      this.socket?.send("next");
    } else {
      this.roundTrip.value = (performance.now() - this.sentAt) / 1000;
      if (Object.keys(said.top).length) this.tell(said); // else it was not looked at
      setTimeout(() => void this.send(), Math.max(0, 1000 * (PATIENCE / this.rate - this.roundTrip.value)));
    }
  }

  private tell(said: LiveAnswer): void {
    this.numAnswers.value += 1;
    this.answer.value = said;
    this.extend(said);
  }

  private extend({ name, seconds }: LiveAnswer): void {
    const last = this.actions.value.at(-1);
    if (name !== null && name === this.lastKnown && last) this.actions.value = [...this.actions.value.slice(0, -1), { ...last, stop: seconds }];
    else if (name !== null) this.actions.value = [...this.actions.value, { name, start: seconds, stop: seconds }];
    this.lastKnown = name;
  }

  private async send(): Promise<void> {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!this.socket || this.socket.readyState !== WebSocket.OPEN) return;
    if (!width) return void setTimeout(() => void this.send(), 50);
    const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height));
    [this.canvas.width, this.canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
    this.canvas.getContext("2d")?.drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
    const picture = await new Promise<Blob | null>((done) => this.canvas.toBlob(done, "image/jpeg", 0.85));
    if (!picture || this.socket?.readyState !== WebSocket.OPEN) return;
    this.sentAt = performance.now();
    this.socket.send(picture);
  }
}
