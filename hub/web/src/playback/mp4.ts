// As much of fragmented MP4 (ISO/IEC 14496-12) as is needed to play what the hub sends: its boxes as they arrive, the
// codecs for Media Source Extensions, the times of pictures, and single key pictures for WebCodecs.

/** A top-level box, its header included. */
export interface Box {
  type: string;
  bytes: Uint8Array;
}

/** Cuts a stream into its top-level boxes. */
export class Boxes {
  private kept: Uint8Array = new Uint8Array(0);

  push(chunk: Uint8Array): Box[] {
    this.kept = joined([this.kept, chunk]);
    const boxes: Box[] = [];
    for (;;) {
      const size = boxSize(this.kept);
      if (size === null || this.kept.length < size) return boxes;
      boxes.push({ type: ascii(this.kept, 4), bytes: this.kept.slice(0, size) });
      this.kept = this.kept.slice(size);
    }
  }
}

export interface VideoTrack {
  id: number;
  codec: string;
  timescale: number;
  width: number;
  height: number;
  /** The decoder's configuration record (`avcC`, `hvcC`), for WebCodecs. */
  description: Uint8Array;
}

export interface Init {
  video: VideoTrack;
  /** For `MediaSource.isTypeSupported`. */
  codecs: string;
  bytes: Uint8Array;
}

export interface Picture {
  /** When it is shown, in seconds of media time. */
  time: number;
  key: boolean;
  /** Where its bytes are, from the start of the fragment's `moof`. */
  offset: number;
  size: number;
}

/** Reads `ftyp` and `moov`. */
export function readInit(bytes: Uint8Array): Init {
  let video: VideoTrack | null = null;
  const codecs: string[] = [];
  const moov = find(bytes, 'moov');
  for (const trak of all(moov, 'trak')) {
    const mdia = find(trak, 'mdia');
    const mdhd = view(find(mdia, 'mdhd'));
    const timescale = mdhd.getUint32(mdhd.getUint8(0) === 1 ? 20 : 12);
    const entries = find(find(find(mdia, 'minf'), 'stbl'), 'stsd').subarray(8);
    const kind = ascii(entries, 4);
    const entry = entries.subarray(8, boxSize(entries) ?? entries.length);
    const visual = ['avc1', 'avc3', 'hvc1', 'hev1', 'mp4v'].includes(kind);
    const config = entry.subarray(visual ? 78 : 28);
    const codec = codecOf(kind, config);
    codecs.push(codec);
    if (!visual || video) continue;
    const tkhd = view(find(trak, 'tkhd'));
    const id = tkhd.getUint32(tkhd.getUint8(0) === 1 ? 20 : 12);
    const [width, height] = [view(entry).getUint16(24), view(entry).getUint16(26)];
    const description = inner(config, kind.startsWith('avc') ? 'avcC' : kind === 'mp4v' ? 'esds' : 'hvcC');
    video = { id, codec, timescale, width, height, description: description ?? new Uint8Array(0) };
  }
  if (!video) throw new Error('there is no video track');
  return { video, codecs: codecs.join(', '), bytes };
}

/** The pictures of a `moof`, in the order of decoding. */
export function readPictures(moof: Uint8Array, track: VideoTrack): Picture[] {
  const pictures: Picture[] = [];
  for (const traf of all(moof.subarray(8), 'traf')) {
    const tfhd = view(find(traf, 'tfhd'));
    if (tfhd.getUint32(4) !== track.id) continue;
    const defaults = trackDefaults(tfhd);
    const tfdt = view(find(traf, 'tfdt'));
    let decode = tfdt.getUint8(0) === 1 ? Number(tfdt.getBigUint64(4)) : tfdt.getUint32(4);
    for (const trun of all(traf, 'trun')) {
      const data = view(trun);
      const flags = data.getUint32(0) & 0xffffff;
      const count = data.getUint32(4);
      let at = 8;
      const next = (flag: number, otherwise: number) => {
        if (!(flags & flag)) return otherwise;
        at += 4;
        return data.getUint32(at - 4);
      };
      let offset = next(0x1, 0) | 0;
      const firstFlags = next(0x4, defaults.flags);
      for (let i = 0; i < count; i++) {
        const duration = next(0x100, defaults.duration);
        const size = next(0x200, defaults.size);
        const sampleFlags = next(0x400, i === 0 ? firstFlags : defaults.flags);
        const composition = next(0x800, 0) | 0;
        const key = (sampleFlags & 0x10000) === 0; // sample_is_non_sync_sample
        pictures.push({ time: (decode + composition) / track.timescale, key, offset, size });
        offset += size;
        decode += duration;
      }
    }
  }
  return pictures;
}

function trackDefaults(tfhd: DataView) {
  const flags = tfhd.getUint32(0) & 0xffffff;
  let at = 8 + (flags & 0x1 ? 8 : 0) + (flags & 0x2 ? 4 : 0);
  const next = (flag: number) => {
    if (!(flags & flag)) return 0;
    at += 4;
    return tfhd.getUint32(at - 4);
  };
  return { duration: next(0x8), size: next(0x10), flags: next(0x20) };
}

/** RFC 6381. */
function codecOf(kind: string, config: Uint8Array): string {
  if (kind.startsWith('avc')) {
    const avcC = inner(config, 'avcC');
    return avcC ? `${kind}.${[...avcC.subarray(1, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join('')}` : kind;
  }
  if (kind === 'hvc1' || kind === 'hev1') {
    const hvcC = inner(config, 'hvcC');
    return hvcC ? `${kind}.${hevc(hvcC)}` : kind;
  }
  if (kind === 'mp4a' || kind === 'mp4v') {
    const esds = inner(config, 'esds');
    const decoder = esds && decoderConfig(esds);
    if (!decoder) return kind;
    const object = decoder[0] ?? 0;
    // Within MPEG-4 audio the first five bits of its own configuration say which.
    const audio = object === 0x40 && decoder.length > 15 ? `.${(decoder[15] ?? 0) >> 3}` : '';
    return `${kind}.${object.toString(16).toUpperCase()}${audio}`.replace('mp4a.40.0', 'mp4a.40.2');
  }
  return kind === 'Opus' ? 'opus' : kind;
}

/** ISO/IEC 14496-15, E.3. */
function hevc(hvcC: Uint8Array): string {
  const data = view(hvcC);
  const general = data.getUint8(1);
  const space = ['', 'A', 'B', 'C'][general >> 6] ?? '';
  let compatibility = 0;
  for (let bit = 0, from = data.getUint32(2); bit < 32; bit++) compatibility = (compatibility * 2 + ((from >>> bit) & 1)) >>> 0;
  const constraints = [...hvcC.subarray(6, 12)];
  while (constraints.length && constraints.at(-1) === 0) constraints.pop();
  const tier = general & 0x20 ? 'H' : 'L';
  return [`${space}${general & 0x1f}`, compatibility.toString(16).toUpperCase(), `${tier}${data.getUint8(12)}`,
    ...constraints.map((byte) => byte.toString(16).toUpperCase())].join('.');
}

/** The DecoderConfigDescriptor in an `esds`, with what its DecoderSpecificInfo holds from byte 15 on. */
function decoderConfig(esds: Uint8Array): Uint8Array | null {
  let at = 4;
  const header = (tag: number) => {
    if (esds[at] !== tag) return false;
    at += 1;
    while ((esds[at] ?? 0) & 0x80) at += 1;
    at += 1;
    return true;
  };
  if (!header(3)) return null;
  at += 3;
  if (!header(4)) return null;
  const object = esds.subarray(at, at + 13);
  at += 13;
  if (!header(5)) return object;
  return joined([object, new Uint8Array(2), esds.subarray(at)]);
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const ascii = (bytes: Uint8Array, at: number) => String.fromCharCode(...bytes.subarray(at, at + 4));

export function joined(pieces: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function boxSize(bytes: Uint8Array): number | null {
  if (bytes.length < 8) return null;
  const size = view(bytes).getUint32(0);
  if (size === 1) return bytes.length < 16 ? null : Number(view(bytes).getBigUint64(8));
  if (size < 8) throw new Error(`a box of ${size} bytes`);
  return size;
}

/** The contents of all boxes of a type, one level deep. */
function all(bytes: Uint8Array, type: string): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const size = boxSize(bytes.subarray(at)) ?? bytes.length;
    if (ascii(bytes, at + 4) === type) found.push(bytes.subarray(at + 8, at + size));
    at += size;
  }
  return found;
}

const inner = (bytes: Uint8Array, type: string): Uint8Array | null => all(bytes, type)[0] ?? null;

function find(bytes: Uint8Array, type: string): Uint8Array {
  const box = inner(bytes, type);
  if (!box) throw new Error(`there is no ${type} box`);
  return box;
}
