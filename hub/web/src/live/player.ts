// Live pictures: a WebSocket into Media Source Extensions, near the newest picture.

import { open, plays } from '../playback/media';

export type LiveState =
  | { kind: 'connecting' }
  | { kind: 'playing'; stream: Stream }
  /** It ended, and is tried again by itself. */
  | { kind: 'waiting' }
  /** This browser plays none of the camera's streams. */
  | { kind: 'unsupported'; codecs: string };

export type Stream = 'main' | 'sub';

/** Behind the newest picture by so many seconds it plays as it comes. */
const BEHIND = 0.35;
/** From here on it jumps. */
const TOO_FAR = 1;
/** So much of what was shown is kept. */
const KEPT = 10;
const MOST_QUEUED = 500;
const MOST_WAIT_MS = 15_000;

export class LivePlayer {
  private socket: WebSocket | null = null;
  private buffer: SourceBuffer | null = null;
  private queue: ArrayBuffer[] | null = null;
  private close = () => {};
  private wait = 500;
  private retry = 0;
  private stopped = false;
  private readonly timer: number;

  /** Plays the first of the streams that this browser can play. */
  constructor(
    private readonly video: HTMLVideoElement,
    private readonly camera: string,
    private readonly streams: Stream[],
    private readonly told: (state: LiveState) => void,
  ) {
    this.timer = window.setInterval(() => this.keepUp(), 250);
    this.connect(0);
  }

  stop() {
    this.stopped = true;
    clearInterval(this.timer);
    clearTimeout(this.retry);
    this.socket?.close();
    this.close();
    this.video.removeAttribute('src');
    this.video.load();
  }

  private connect(index: number) {
    const stream = this.streams[index] ?? 'main';
    this.told({ kind: 'connecting' });
    const socket = new WebSocket(`wss://${location.host}/api/v1/cameras/${this.camera}/live?stream=${stream}`);
    socket.binaryType = 'arraybuffer';
    let unsupported = false;
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return;
      if (typeof data !== 'string') {
        this.queue?.push(data);
        this.feed();
        return;
      }
      const { codecs } = JSON.parse(data) as { codecs: string };
      if (plays(codecs)) {
        this.begin(codecs, stream);
        return;
      }
      unsupported = true;
      socket.close();
      if (index + 1 < this.streams.length) this.connect(index + 1);
      else this.told({ kind: 'unsupported', codecs });
    };
    socket.onclose = () => {
      if (this.stopped || unsupported || socket !== this.socket) return;
      this.told({ kind: 'waiting' });
      // Not all viewers of a hub that restarts come back at the same instant.
      this.retry = window.setTimeout(() => this.connect(index), this.wait * (0.75 + Math.random() / 2));
      this.wait = Math.min(this.wait * 2, MOST_WAIT_MS);
    };
    this.socket = socket;
  }

  /** New parameters: a new source, as nothing of the old one fits. */
  private begin(codecs: string, stream: Stream) {
    const queue: ArrayBuffer[] = [];
    this.queue = queue;
    this.buffer = null;
    this.close();
    this.close = open(this.video, codecs, (buffer) => {
      this.buffer = buffer;
      buffer.addEventListener('updateend', () => this.feed());
      this.feed();
    });
    this.video.addEventListener(
      'playing',
      () => {
        if (this.stopped || this.queue !== queue) return;
        this.wait = 500;
        this.told({ kind: 'playing', stream });
      },
      { once: true },
    );
    void this.video.play().catch(() => {});
  }

  private feed() {
    const { buffer, queue, video } = this;
    if (!buffer || buffer.updating || !queue || this.stopped) return;
    try {
      const { buffered } = buffer;
      if (buffered.length && video.currentTime - buffered.start(0) > 2 * KEPT) {
        buffer.remove(0, video.currentTime - KEPT);
        return;
      }
      const next = queue.shift();
      if (!next) return;
      if (queue.length > MOST_QUEUED) throw new Error('the player does not keep up');
      buffer.appendBuffer(next);
    } catch {
      this.socket?.close(); // begin anew
    }
  }

  /** A little faster when behind, a jump when far behind. */
  private keepUp() {
    const { video } = this;
    const { buffered } = video;
    if (!buffered.length) return;
    const last = buffered.length - 1;
    const behind = buffered.end(last) - video.currentTime;
    if (behind > TOO_FAR || behind < 0 || video.currentTime < buffered.start(last)) {
      video.currentTime = Math.max(buffered.start(last), buffered.end(last) - BEHIND / 2);
      video.playbackRate = 1;
    } else {
      video.playbackRate = behind > BEHIND ? 1 + Math.min(0.25, (behind - BEHIND / 2) / 2) : 1;
    }
    if (video.paused && !document.hidden) void video.play().catch(() => {});
  }
}
