// Taking a span of footage away as a film.

import { iso, query, request } from '../lib/api';
import type { Camera } from '../lib/types';
import { T } from '../texts';

export interface Progress {
  /** A film ends where the camera's settings changed; the next one is another part. */
  part: number;
  done: number;
  all: number;
}

/** Larger films are left to the browser's own downloads: here all of one is held until it is whole. */
const LARGE = 400_000_000;

/** Saves all parts of a span among the device's downloads. */
export async function saveFilm(
  camera: Camera,
  from: number,
  to: number,
  signal: AbortSignal,
  told: (progress: Progress) => void,
): Promise<'saved' | 'left to the browser'> {
  let how: 'saved' | 'left to the browser' = 'saved';
  let part = 1;
  for (let at = from; at < to; part++) {
    const path = `/api/v1/cameras/${camera.id}/export.mp4${query({ from: iso(at), to: iso(to) })}`;
    // How large is it? A byte that is not the first tells, without an entry of a film taken away in the hub's log.
    const ask = await request(path, { signal, headers: { range: 'bytes=1-1' } });
    const all = Number(/\/(\d+)$/.exec(ask.headers.get('content-range') ?? '')?.[1] ?? 0);
    const next = Date.parse(ask.headers.get('keepsight-next') ?? '');
    if (all > LARGE) {
      download(path, '');
      how = 'left to the browser';
    } else {
      const response = await request(path, { signal });
      const blob = await read(response, all, signal, (done) => told({ part, done, all }));
      const url = URL.createObjectURL(blob);
      download(url, fileName(response, camera));
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    }
    if (!next) break;
    at = next;
  }
  return how;
}

async function read(response: Response, all: number, signal: AbortSignal, told: (done: number) => void): Promise<Blob> {
  const pieces: Uint8Array[] = [];
  const reader = response.body?.getReader();
  let done = 0;
  told(0);
  while (reader) {
    const piece = await reader.read();
    signal.throwIfAborted();
    if (piece.done) break;
    pieces.push(piece.value);
    done += piece.value.length;
    told(done);
  }
  if (done !== all && all) throw new Error(T.keep.early);
  return new Blob(pieces as BlobPart[], { type: 'video/mp4' });
}

function download(url: string, name: string) {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}

function fileName(response: Response, camera: Camera): string {
  const encoded = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get('content-disposition') ?? '')?.[1];
  return encoded ? decodeURIComponent(encoded) : `${camera.name}.mp4`;
}
