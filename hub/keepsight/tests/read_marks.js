// Reads the marks of simulated cameras from the page's videos and canvases, as camera-sim's `mark` module documents them.
// Prepended to scripts that run in the page.
function readMark(picture) {
  if (!picture || picture.readyState < 2) return null;
  const w = picture.videoWidth ?? picture.width, h = picture.videoHeight ?? picture.height;
  if (!w) return null;
  const canvas = document.createElement('canvas');
  canvas.width = w; canvas.height = h;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(picture, 0, 0, w, h);
  const data = context.getImageData(0, 0, w, h).data;
  const middle = (i, cells, scale, size) => {
    const at = q => q * scale * size / (4 * cells);
    const from = Math.ceil(at(4 * i + 5) - 0.5), to = Math.ceil(at(4 * i + 7) - 0.5);
    return from < to ? [from, to] : [Math.floor(at(4 * i + 6)), Math.floor(at(4 * i + 6)) + 1];
  };
  const luma = (x, y) => {
    const [x0, x1] = middle(x, 40, 1, w), [y0, y1] = middle(y, 45, 2, h);
    let sum = 0, n = 0;
    for (let py = y0; py < y1; py++) for (let px = x0; px < x1; px++) {
      const o = (py * w + px) * 4;
      sum += 0.299 * data[o] + 0.587 * data[o + 1] + 0.114 * data[o + 2]; n++;
    }
    return sum / n;
  };
  let white = 0, black = 0, nw = 0, nb = 0;
  const cells = [];
  for (let y = 0; y < 6; y++) for (let x = 0; x < 18; x++) {
    const v = luma(x, y);
    cells.push(v);
    if (x === 0 || y === 0 || x === 17 || y === 5) {
      if ((x + y) % 2 === 0) { white += v; nw++; } else { black += v; nb++; }
    }
  }
  white /= nw; black /= nb;
  if (white < black + 60) return null;
  const threshold = (white + black) / 2;
  let bits = 0n;
  for (let y = 0; y < 6; y++) for (let x = 0; x < 18; x++) {
    const is = cells[y * 18 + x] > threshold;
    if (x === 0 || y === 0 || x === 17 || y === 5) {
      if (is !== ((x + y) % 2 === 0)) return null;
    } else bits = bits << 1n | (is ? 1n : 0n);
  }
  const content = bits >> 16n;
  let crc = 0xffff;
  for (let i = 5; i >= 0; i--) {
    crc ^= Number(content >> BigInt(8 * i) & 0xffn) << 8;
    for (let b = 0; b < 8; b++) crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff;
  }
  if (BigInt(crc) !== (bits & 0xffffn)) return null;
  return { camera: Number(content >> 32n), frame: Number(content & 0xffffffffn) };
}
// The marks of all live videos, once there are `count` of them and each can be read.
function liveMarks(count) {
  const videos = [...document.querySelectorAll('video[data-kind=live]')];
  if (videos.length !== count) return null;
  const marks = videos.map(readMark);
  return marks.every(m => m) ? marks : null;
}
// The mark of the video that plays footage back, once it plays.
function playbackMark() {
  const video = document.querySelector('video[data-kind=playback]');
  return video && video.currentTime > 0.2 ? readMark(video) : null;
}
// Opens a live video's camera at some seconds ago, as a tap on an event does.
function playBack(index, secondsAgo) {
  const { camera } = document.querySelectorAll('video[data-kind=live]')[index].dataset;
  location.hash = `#/camera/${camera}/at/${new Date(Date.now() - 1000 * secondsAgo).toISOString()}`;
}
// Keeps what key pictures were shown while somebody scrubbed, with the times that they are said to be of.
function watchStills() {
  window.stills = [];
  setInterval(() => {
    const canvas = document.querySelector('[data-testid=still]');
    const at = canvas && !canvas.hidden && canvas.dataset.at;
    if (at && window.stills.at(-1)?.at !== at) window.stills.push({ at, mark: readMark(canvas) });
  }, 20);
}
