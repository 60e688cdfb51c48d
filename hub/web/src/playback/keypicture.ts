// Single key pictures, for scrubbing: the first picture of a tiny span of footage, decoded by the browser.

import { iso, query, request } from '../lib/api';
import { open, plays } from './media';
import { Boxes, joined, readInit, readPictures, type Init } from './mp4';

/** Draws key pictures into a canvas: always the last instant asked for, one request at a time. */
export class KeyPictures {
  private wanted: number | null = null;
  private busy = false;
  private abort = new AbortController();

  constructor(
    private readonly camera: string,
    private readonly canvas: HTMLCanvasElement,
    /** Told when a picture was drawn (its time, ms), or that there is none (null). */
    private readonly drawn: (at: number | null) => void,
  ) {}

  stop() {
    this.wanted = null;
    this.abort.abort();
  }

  show(at: number) {
    this.wanted = at;
    if (!this.busy) void this.work();
  }

  private async work() {
    this.busy = true;
    this.abort = new AbortController();
    while (this.wanted !== null) {
      const at = this.wanted;
      this.wanted = null;
      try {
        const found = await fetchKeyPicture(this.camera, at, this.abort.signal);
        await draw(found, this.canvas);
        if (!this.abort.signal.aborted) this.drawn(found.at);
      } catch {
        // None there, or none that this browser decodes: the picture before stays no longer.
        if (!this.abort.signal.aborted) this.drawn(null);
      }
    }
    this.busy = false;
  }
}

interface Found {
  at: number;
  init: Init;
  fragment: Uint8Array;
  picture: Uint8Array;
}

/** The key picture at or before an instant. */
async function fetchKeyPicture(camera: string, at: number, signal: AbortSignal): Promise<Found> {
  const span = query({ from: iso(at), to: iso(at + 1) });
  const response = await request(`/api/v1/cameras/${camera}/playback.mp4${span}`, { signal });
  const start = Date.parse(response.headers.get('keepsight-start') ?? '');
  const reader = response.body?.getReader();
  const boxes = new Boxes();
  let head: Uint8Array[] = [];
  let init: Init | null = null;
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    for (const box of boxes.push(value)) {
      head.push(box.bytes);
      if (box.type === 'moov') {
        init = readInit(joined(head));
        head = [];
      } else if (box.type === 'mdat' && init) {
        void reader.cancel(); // the rest of the stretch is not needed
        const fragment = joined(head);
        const first = readPictures(head[0] ?? fragment, init.video)[0];
        if (!first) throw new Error('a fragment without a picture');
        return { at: start, init, fragment, picture: fragment.subarray(first.offset, first.offset + first.size) };
      }
    }
  }
  throw new Error('there is no picture');
}

async function draw(found: Found, canvas: HTMLCanvasElement) {
  const { init, picture } = found;
  const { codec, description } = init.video;
  const config = { codec, description, optimizeForLatency: true };
  if ('VideoDecoder' in window && (await VideoDecoder.isConfigSupported(config)).supported) {
    await new Promise<void>((resolve, reject) => {
      const decoder = new VideoDecoder({
        output: (frame) => {
          paint(canvas, frame, frame.displayWidth, frame.displayHeight);
          frame.close();
          resolve();
        },
        error: reject,
      });
      decoder.configure(config);
      decoder.decode(new EncodedVideoChunk({ type: 'key', timestamp: 0, data: picture as BufferSource }));
      decoder.flush().then(() => decoder.close(), reject);
    });
    return;
  }
  await drawByVideo(found, canvas);
}

/** Where there is no WebCodecs: a video that shows its first picture and stays there. */
async function drawByVideo({ init, fragment }: Found, canvas: HTMLCanvasElement) {
  if (!plays(init.codecs)) throw new Error(`no decoder for ${init.codecs}`);
  const video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
  let close = () => {};
  try {
    await new Promise<void>((resolve, reject) => {
      video.addEventListener('loadeddata', () => resolve(), { once: true });
      video.addEventListener('error', () => reject(video.error), { once: true });
      close = open(video, init.codecs, (buffer) => buffer.appendBuffer(joined([init.bytes, fragment]) as BufferSource));
    });
    paint(canvas, video, video.videoWidth, video.videoHeight);
  } finally {
    close();
    video.removeAttribute('src');
    video.load();
  }
}

function paint(canvas: HTMLCanvasElement, picture: CanvasImageSource, width: number, height: number) {
  canvas.width = Math.min(width, 1280);
  canvas.height = Math.round((canvas.width * height) / width);
  canvas.getContext('2d')?.drawImage(picture, 0, 0, canvas.width, canvas.height);
}
