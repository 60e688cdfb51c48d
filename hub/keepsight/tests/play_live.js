// Plays a camera live in a new video of the page, as simply as can be: one source buffer, everything appended.
function playLive(camera) {
  const video = document.createElement('video');
  video.id = `live-${camera}`;
  document.body.append(video);
  const socket = new WebSocket(`wss://${location.host}/api/v1/cameras/${camera}/live`);
  socket.binaryType = 'arraybuffer';
  const queue = [];
  let buffer;
  const next = () => {
    if (!buffer || buffer.updating) return;
    const { buffered } = buffer;
    // Picture and sound do not begin at the same instant.
    if (buffered.length && video.currentTime < buffered.start(0)) video.currentTime = buffered.start(0);
    if (queue.length) buffer.appendBuffer(queue.shift());
  };
  socket.onmessage = ({ data }) => {
    if (typeof data !== 'string') {
      queue.push(data);
      return next();
    }
    const source = new MediaSource();
    video.src = URL.createObjectURL(source);
    source.onsourceopen = () => {
      buffer = source.addSourceBuffer(`video/mp4; codecs="${JSON.parse(data).codecs}"`);
      buffer.onupdateend = next;
      next();
      video.play();
    };
  };
}
// Plays footage back in a new video of the page.
function playBack(camera, from, to) {
  const video = document.createElement('video');
  video.id = `back-${camera}`;
  video.src = `/api/v1/cameras/${camera}/playback.mp4?from=${from}&to=${to}`;
  document.body.append(video);
  video.play();
}
// How far a video has played: seconds, and bytes of picture and of sound that were decoded.
function played(id) {
  const video = document.getElementById(id);
  if (video.error) throw new Error(`${id}: ${video.error.message}`);
  return [video.currentTime, video.webkitVideoDecodedByteCount, video.webkitAudioDecodedByteCount];
}
