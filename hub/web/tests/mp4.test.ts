// The films were made by ffmpeg (`tests/films/README.md`); what is expected of them is what ffprobe says.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Boxes, joined, readInit, readPictures, type Box } from '../src/playback/mp4';

const film = (name: string) => new Uint8Array(readFileSync(new URL(`films/${name}`, import.meta.url)));

/** All boxes, from pieces of so many bytes. */
function boxes(bytes: Uint8Array, piece: number): Box[] {
  const reader = new Boxes();
  const found: Box[] = [];
  for (let at = 0; at < bytes.length; at += piece) found.push(...reader.push(bytes.subarray(at, at + piece)));
  return found;
}

function read(name: string) {
  const all = boxes(film(name), 1 << 20);
  const init = readInit(joined(all.slice(0, 2).map(({ bytes }) => bytes)));
  const pictures = all.filter(({ type }) => type === 'moof').map(({ bytes }) => readPictures(bytes, init.video));
  return { all, init, pictures };
}

test('a stream is cut into its boxes, however it arrives', () => {
  const bytes = film('h264.mp4');
  const whole = boxes(bytes, bytes.length);
  expect(whole.map(({ type }) => type)).toEqual(['ftyp', 'moov', 'moof', 'mdat', 'moof', 'mdat', 'mfra']);
  for (const piece of [1, 7, 100, 4096]) expect(boxes(bytes, piece)).toEqual(whole);
});

test('codecs are named as Media Source Extensions want them', () => {
  const h264 = read('h264.mp4').init;
  expect(h264.codecs).toBe('avc1.4d400b, mp4a.40.2');
  expect(h264.video).toMatchObject({ codec: 'avc1.4d400b', width: 64, height: 48 });
  expect(read('h265.mp4').init.codecs).toBe('hvc1.1.6.L30.90');
});

test('pictures have the times at which they are shown, and key pictures are known', () => {
  const { pictures } = read('h264.mp4');
  const times = pictures.flat().map(({ time }) => time).sort((a, b) => a - b);
  const shift = times[0] ?? 0;
  expect(times.map((time) => Math.round((time - shift) * 1000))).toEqual([0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
  for (const fragment of pictures) expect(fragment.map(({ key }) => key)).toEqual([true, false, false, false, false]);
});

test('a key picture is found by its bytes', () => {
  const { all, pictures } = read('h264.mp4');
  const fragment = joined(all.slice(2, 4).map(({ bytes }) => bytes));
  const first = pictures[0]?.[0];
  expect(first?.size).toBe(900);
  // A NAL unit's length, then an IDR slice or what may stand before one.
  const at = first?.offset ?? 0;
  const type = (fragment[at + 4] ?? 0) & 0x1f;
  expect([5, 6, 9]).toContain(type);
});

test('what is no film is refused', () => {
  expect(() => readInit(new Uint8Array([0, 0, 0, 8, 102, 116, 121, 112]))).toThrow();
  expect(() => new Boxes().push(new Uint8Array(16))).toThrow();
});
