// Looking back: a camera's footage from any instant on, over gaps, at any speed, picture by picture.
//
// All of it is one media source. Media time 0 is the first picture asked for, so that media time stays wall-clock time,
// gaps included: the player jumps over what is not buffered, as there is nothing.

import { Problem, hubNow, iso, query, request } from '../lib/api';
import { open, plays } from './media';
import { Boxes, joined, readInit, readPictures, type Init } from './mp4';

export type PlaybackState =
  | { kind: 'loading' }
  | { kind: 'playing' }
  | { kind: 'paused' }
  /** There is no footage from here on, until now. */
  | { kind: 'over' }
  | { kind: 'unsupported'; codecs: string }
  | { kind: 'failed'; problem: Problem };

/** So much is asked for at once, ms: a longer span makes the hub read more of its index before the first picture. */
const ASK_MS = 3_600_000;
/** The hub answers no longer one. */
const MOST_ASKED_MS = 31 * 86_400_000;
/** Seconds of film that are fetched ahead, at normal speed. */
const AHEAD = 15;
/** Seconds of what was played that are kept, for stepping back. */
const KEPT = 30;
/** So much film, in s, may be left at the end of what is there when a browser waits for more. */
const LEFT = 0.6;
/** So far into a picture, in s, is sought when it is to be shown: browsers round media times to microseconds. */
const INTO_PICTURE = 0.0005;

export class PlaybackPlayer {
  /** Wall-clock time of media time 0, in ms. */
  private base = 0;
  private abort = new AbortController();
  private close = () => {};
  private buffer: SourceBuffer | null = null;
  /** Times at which buffered pictures are shown, seconds of media time, ascending. */
  private pictures: number[] = [];
  /** When the last picture that was appended is shown, seconds of media time. */
  private filled = -1;
  /** All that is on the hub's disk is here. */
  private ended = false;
  private stalledTicks = 0;
  private wanted = true;
  private speed = 1;
  private readonly timer: number;
  private readonly events = new AbortController();

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly camera: string,
    /** Until when there is footage on the hub's disk, ms. */
    private readonly onDisk: () => number,
    private readonly told: (state: PlaybackState) => void,
  ) {
    const { signal } = this.events;
    video.addEventListener('playing', () => this.told({ kind: 'playing' }), { signal });
    video.addEventListener('waiting', () => this.overGaps(), { signal });
    // Paused, a picture that was sought is there when one of these says so.
    for (const event of ['seeked', 'loadeddata']) {
      video.addEventListener(event, () => this.wanted || this.told({ kind: 'paused' }), { signal });
    }
    this.timer = window.setInterval(() => this.overGaps(), 200);
  }

  stop() {
    clearInterval(this.timer);
    this.events.abort();
    this.abort.abort();
    this.close();
    this.video.removeAttribute('src');
    this.video.load();
  }

  /** The instant that is shown, ms; null before the first picture. */
  get position(): number | null {
    return this.base && this.video.readyState > 0 ? this.base + this.video.currentTime * 1000 : null;
  }

  get playing() {
    return this.wanted;
  }

  /** Shows the instant `at` (ms), from what is there already if it is. */
  async seek(at: number) {
    const time = (at - this.base) / 1000;
    if (this.base && this.covers(time)) {
      this.video.currentTime = time;
      this.follow();
      return;
    }
    this.abort.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.told({ kind: 'loading' });
    this.buffer = null;
    this.base = 0;
    this.pictures = [];
    this.filled = -1;
    this.ended = false;
    try {
      await this.stream(at, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.told({ kind: 'failed', problem: error instanceof Problem ? error : new Problem(0, 'broken', String(error)) });
    }
  }

  play() {
    this.wanted = true;
    this.follow();
  }

  pause() {
    this.wanted = false;
    this.follow();
    // A browser's clock may be a picture ahead of the one that it shows last.
    const shown = this.pictures[this.shown()];
    if (shown !== undefined) this.video.currentTime = shown + INTO_PICTURE;
    this.told({ kind: 'paused' });
  }

  set rate(rate: number) {
    this.speed = rate;
    this.video.playbackRate = rate;
  }

  /** Shows the next picture (1) or the one before (-1). */
  async step(direction: 1 | -1) {
    if (this.wanted) this.pause();
    const next = this.pictures[this.shown() + direction];
    if (next !== undefined) this.video.currentTime = next + INTO_PICTURE;
    else if (direction < 0) await this.seek(this.base + this.video.currentTime * 1000 - 1000);
  }

  /** Which of the buffered pictures is shown now; -1 if none is. */
  private shown() {
    const now = this.video.currentTime + INTO_PICTURE;
    return this.pictures.findLastIndex((time) => time <= now);
  }

  private follow() {
    this.video.playbackRate = this.speed;
    if (!this.wanted) this.video.pause();
    else if (this.video.paused) void this.video.play().catch(() => {});
  }

  private covers(time: number): boolean {
    const { buffered } = this.video;
    for (let i = 0; i < buffered.length; i++) {
      if (time >= buffered.start(i) - 0.05 && time < buffered.end(i)) return true;
    }
    return false;
  }

  /** At the end of what is buffered: on to what is buffered next, or to the end. */
  private overGaps() {
    const { video } = this;
    const { buffered } = video;
    if (!this.base || !buffered.length) return;
    // Paused, the last picture before a gap may be looked at as long as one likes.
    if (!this.covers(video.currentTime + (this.wanted ? 0.1 : 0))) {
      for (let i = 0; i < buffered.length; i++) {
        if (buffered.start(i) > video.currentTime) {
          video.currentTime = buffered.start(i) + 0.001;
          return;
        }
      }
    }
    const left = buffered.end(buffered.length - 1) - video.currentTime;
    const stalled = this.ended && this.wanted && left < LEFT && video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA;
    this.stalledTicks = stalled ? this.stalledTicks + 1 : 0;
    if (this.stalledTicks === 2) this.told({ kind: 'over' });
  }

  /** Fetches from an instant on, stretch by stretch, as far ahead as is needed, and goes on as the hub records. */
  private async stream(from: number, signal: AbortSignal) {
    const begun = hubNow();
    let codecs = '';
    let at = from;
    let asked = ASK_MS;
    while (!signal.aborted) {
      const to = Math.min(at + asked, hubNow());
      const response = to > at ? await this.ask(at, to, signal) : null;
      if (response) {
        const changed = await this.take(response, codecs, signal);
        if (signal.aborted) return;
        if (changed.other) {
          // Other codecs do not fit behind these: begin anew there, when what is here was shown.
          await this.playedOut(signal);
          if (!signal.aborted) await this.seek(changed.start);
          return;
        }
        codecs = changed.codecs;
      }
      // Where there is nothing it is looked for in longer and longer spans.
      asked = response ? ASK_MS : Math.min(asked * 8, MOST_ASKED_MS);
      const next = Date.parse(response?.headers.get('keepsight-next') ?? '') || to;
      at = Math.max(next, at + 1);
      if (at < Math.max(begun - 1, this.onDisk())) continue;
      this.ended = true;
      if (!this.base) this.told({ kind: 'over' });
      await until(() => this.onDisk() > at + 500, signal);
      this.ended = false;
    }
  }

  /** The footage of a span, or null if there is none. */
  private async ask(from: number, to: number, signal: AbortSignal): Promise<Response | null> {
    try {
      const path = `/api/v1/cameras/${this.camera}/playback.mp4${query({ from: iso(from), to: iso(to) })}`;
      return await request(path, { signal });
    } catch (error) {
      if (error instanceof Problem && error.code === 'no-footage') return null;
      throw error;
    }
  }

  /** Appends one stretch. */
  private async take(response: Response, codecs: string, signal: AbortSignal) {
    const start = Date.parse(response.headers.get('keepsight-start') ?? '');
    const reader = response.body?.getReader();
    if (!reader) return { codecs, start, other: false };
    const boxes = new Boxes();
    let head: Uint8Array[] = [];
    let init: Init | null = null;
    const offset = this.base ? (start - this.base) / 1000 : 0;
    let goesOn = false;
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) break;
      for (const box of boxes.push(value)) {
        head.push(box.bytes);
        if (box.type === 'moov') {
          init = readInit(joined(head));
          if (!plays(init.codecs)) {
            void reader.cancel();
            this.told({ kind: 'unsupported', codecs: init.codecs });
            throw new DOMException('unsupported', 'AbortError');
          }
          if (codecs && codecs !== init.codecs) {
            void reader.cancel();
            return { codecs, start, other: true };
          }
          if (!this.base) await this.begin(start, init.codecs, signal);
          if (this.buffer && this.buffer.timestampOffset !== offset) this.buffer.timestampOffset = offset;
          // Behind what is there already it goes on: the parameters are known, and so are the first pictures, as an answer
          // begins with the key picture before.
          goesOn = this.filled >= 0 && offset <= this.filled;
          if (!goesOn) await this.append(init.bytes, signal);
          head = [];
        } else if (box.type === 'mdat' && init) {
          const times = readPictures(head[0] ?? new Uint8Array(0), init.video).map(({ time }) => time + offset);
          const last = Math.max(-1, ...times);
          if (!goesOn || !times.length || last > this.filled + 0.002) {
            await this.append(joined(head), signal);
            this.remember(times);
            this.filled = Math.max(this.filled, last);
          }
          head = [];
        } else if (box.type !== 'moof' && init) {
          head.pop();
        }
        if (signal.aborted) return { codecs, start, other: false };
      }
      await this.ahead(signal);
    }
    return { codecs: init?.codecs ?? codecs, start, other: false };
  }

  private begin(start: number, codecs: string, signal: AbortSignal) {
    this.close();
    return new Promise<void>((resolve) => {
      this.close = open(this.video, codecs, (buffer) => {
        if (!signal.aborted) {
          this.buffer = buffer;
          this.base = start;
        }
        resolve();
      });
      this.follow();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  private async append(bytes: Uint8Array, signal: AbortSignal) {
    const buffer = this.buffer;
    if (!buffer || signal.aborted) return;
    const { buffered } = buffer;
    const old = this.video.currentTime - KEPT;
    if (buffered.length && buffered.start(0) < old - KEPT) {
      buffer.remove(0, old);
      await idle(buffer);
      this.pictures = this.pictures.filter((time) => time >= old);
    }
    buffer.appendBuffer(bytes as BufferSource);
    await idle(buffer);
  }

  private remember(times: number[]) {
    // In the order of showing: B-pictures come later than what they are shown before.
    this.pictures = [...new Set([...this.pictures, ...times])].sort((a, b) => a - b);
  }

  /** Waits while enough is fetched ahead. */
  private async ahead(signal: AbortSignal) {
    const enough = () => {
      const { buffered, currentTime } = this.video;
      let have = 0;
      for (let i = 0; i < buffered.length; i++) {
        have += Math.max(0, buffered.end(i) - Math.max(buffered.start(i), currentTime));
      }
      return have > AHEAD * Math.max(1, this.speed);
    };
    await until(() => !enough(), signal);
  }

  private playedOut(signal: AbortSignal) {
    return until(() => {
      const { buffered, currentTime } = this.video;
      return !buffered.length || currentTime >= buffered.end(buffered.length - 1) - 0.2;
    }, signal);
  }
}

async function until(so: () => boolean, signal: AbortSignal) {
  while (!so() && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 100));
}

function idle(buffer: SourceBuffer): Promise<void> {
  if (!buffer.updating) return Promise.resolve();
  return new Promise((resolve, reject) => {
    buffer.addEventListener('updateend', () => resolve(), { once: true });
    buffer.addEventListener('error', () => reject(new Error('the browser could not take the film')), { once: true });
  });
}

