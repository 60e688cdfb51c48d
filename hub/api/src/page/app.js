// The hub's plain page. No build step, nothing from elsewhere.

const $ = (selector, inside = document) => inside.querySelector(selector);
const HOUR_MS = 3600_000;
const STATES = {
  connecting: 'Connecting…', recording: 'Recording',
  stalled: 'Connected, but it sends no pictures', unauthorised: 'It refuses the user name or the password',
  unreachable: 'It does not answer', unsupported: 'Its pictures cannot be recorded',
  broken: 'What it sends cannot be read',
  not_writing: 'Pictures arrive, but the disk does not take them', paused: 'Paused',
};
const REASONS = {
  hub_down: 'the hub was off', camera_lost: 'the camera was gone', camera_stalled: 'the camera sent nothing',
  camera_unauthorised: 'the camera refused the password', camera_unsupported: 'the pictures could not be recorded',
  camera_broken: 'what the camera sent could not be read',
  disk_error: 'the disk did not take it', disk_full: 'the disk was full', disk_missing: 'the disk was missing',
  paused: 'the camera was paused', damaged: 'the file was damaged',
};

// ---- Talking to the hub

class Problem extends Error {
  constructor(status, document) {
    super([document.title, document.detail, document.remedy].filter(Boolean).join(' '));
    Object.assign(this, { status, code: document.code });
  }
}

let clockOffset = 0; // the hub's time minus this device's
const hubNow = () => Date.now() + clockOffset;

async function api(method, path, body) {
  const options = { method, headers: {} };
  if (body) {
    options.headers['content-type'] = 'application/json';
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Problem(0, { title: 'The hub does not answer.', remedy: 'Are you at home, and is it switched on?' });
  }
  const date = Date.parse(response.headers.get('date'));
  if (date) clockOffset = date - Date.now();
  if (!response.ok) {
    throw new Problem(response.status, await response.json().catch(() => ({ title: `The hub answered ${response.status}.` })));
  }
  return response.status === 204 ? null : response.json();
}

function say(text) {
  $('#message').textContent = text ?? '';
  $('#message').hidden = !text;
}

function show(id) {
  for (const main of document.querySelectorAll('main')) main.hidden = main.id !== id;
  $('#sign-out').hidden = id !== 'home';
  if (id !== 'home') for (const camera of cameras.values()) camera.remove();
}

/** Runs what a form asks for, once at a time, and says what went wrong. */
function onSubmit(selector, act) {
  const form = $(selector);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const button = $('button', form);
    button.disabled = true;
    say();
    try {
      await act(Object.fromEntries(new FormData(form)), form);
    } catch (problem) {
      say(problem.message);
    } finally {
      button.disabled = false;
    }
  });
}

// ---- Claim and sign in

onSubmit('#sign-in form', async ({ name, password }, form) => {
  try {
    await api('POST', '/api/v1/sessions', { name, password, device: deviceName() });
  } catch (problem) {
    if (problem.code === 'not-claimed') show('claim');
    throw problem;
  }
  form.reset();
  await refresh();
});

onSubmit('#claim form', async (body, form) => {
  const { recovery_kit: kit } = await api('POST', '/api/v1/claim', body);
  form.reset();
  showKit(kit);
});

function showKit(kit) {
  const words = kit.words.split(' ');
  $('#words').replaceChildren(...words.map((word) => Object.assign(document.createElement('li'), { textContent: word })));
  $('#secret').textContent = kit.secret;
  $('#hub-id').textContent = kit.hub_id;
  $('#verifying-key').textContent = kit.verifying_key;
  const first = Math.floor(Math.random() * 12);
  const asked = [first, 12 + Math.floor(Math.random() * 12)];
  $('#kit form').querySelectorAll('span').forEach((span, i) => { span.textContent = `Word ${asked[i] + 1}`; });
  $('#kit form').dataset.asked = asked.join();
  show('kit');
}

onSubmit('#kit form', async ({ first, second }, form) => {
  const words = [...$('#words').children].map((item) => item.textContent);
  const right = form.dataset.asked.split(',').map((i) => words[i]);
  if (first.trim().toLowerCase() !== right[0] || second.trim().toLowerCase() !== right[1]) {
    throw new Error('These are not the words. Look at your sheet again.');
  }
  for (const place of ['#words', '#secret', '#hub-id', '#verifying-key']) $(place).replaceChildren();
  form.reset();
  await refresh();
});

$('#print').addEventListener('click', () => window.print());
$('#to-claim').addEventListener('click', () => show('claim'));
$('#sign-out').addEventListener('click', async () => {
  await api('DELETE', '/api/v1/sessions/current').catch((problem) => say(problem.message));
  await refresh();
});

function deviceName() {
  return ['iPhone', 'iPad', 'Android', 'Macintosh', 'Windows', 'Linux'].find((name) => navigator.userAgent.includes(name)) ?? 'Browser';
}

// ---- Cameras

const cameras = new Map();

onSubmit('#add form', async ({ name, url, username, password }, form) => {
  const main = { url, ...(username && { username }), ...(password && { password }) };
  await api('POST', '/api/v1/cameras', { name, main });
  form.reset();
  $('#add').open = false;
  await refresh();
});

// A hub without a clock and without the internet has the time from its owner's device.
let toldTime = false;
async function tellTime() {
  if (toldTime) return;
  toldTime = true;
  try {
    const { time_source: source } = await api('GET', '/api/v1/system');
    if (source === 'unset') await api('POST', '/api/v1/system/time', { time: new Date().toISOString() });
  } catch {
    // Not an owner, or a time server was quicker.
  }
}

async function refresh() {
  try {
    const list = await api('GET', '/api/v1/cameras');
    tellTime();
    if (!$('#kit').hidden && $('#words').children.length) return; // first the words
    show('home');
    const ids = new Set(list.map(({ id }) => id));
    for (const [id, camera] of cameras) if (!ids.has(id)) camera.remove();
    for (const status of list) {
      if (!cameras.has(status.id)) cameras.set(status.id, new Camera(status.id, status.has_sub));
      cameras.get(status.id).update(status);
    }
    $('#no-cameras').hidden = list.length > 0;
    $('#add').hidden = list.length > 0 && !list.some(({ main }) => main);
  } catch (problem) {
    if (problem.status === 401) show('sign-in');
    else say(problem.message);
  }
}

class Camera {
  constructor(id, hasSub) {
    this.id = id;
    this.liveStream = hasSub ? 'sub' : 'main'; // many pictures side by side: the small ones are enough
    this.element = $('#camera').content.firstElementChild.cloneNode(true);
    this.path = `/api/v1/cameras/${id}`;
    $('video', this.element).dataset.camera = id;
    $('.hour input', this.element).addEventListener('change', (event) => {
      if (this.hourStart) this.play(this.hourStart + Number(event.target.value) * 1000);
    });
    $('.to-live', this.element).addEventListener('click', () => this.live());
    $('.remove', this.element).addEventListener('click', async () => {
      const name = $('h2', this.element).textContent;
      if (!confirm(`Remove ${name}? It is no longer recorded then.`)) return;
      await api('DELETE', this.path).catch((problem) => say(problem.message));
      await refresh();
    });
    $('#cameras').append(this.element);
    this.timeline();
    this.live();
  }

  remove() {
    this.stream?.stop();
    this.element.remove();
    cameras.delete(this.id);
  }

  update(status) {
    $('h2', this.element).textContent = status.name;
    const state = $('.state', this.element);
    state.textContent = [STATES[status.state] ?? status.state, status.detail].filter(Boolean).join('. ');
    state.className = `state ${status.state === 'recording' ? 'good' : status.state === 'connecting' ? '' : 'bad'}`;
    $('.remove', this.element).hidden = !status.main;
  }

  note(text) {
    $('.note', this.element).textContent = text;
  }

  video(kind) {
    this.stream?.stop();
    const old = $('video', this.element);
    const video = old.cloneNode(false);
    old.removeAttribute('src');
    old.load();
    video.removeAttribute('src');
    Object.assign(video.dataset, { kind });
    video.controls = kind === 'playback';
    video.muted = true; // browsers start only silent pictures by themselves
    old.replaceWith(video);
    $('.to-live', this.element).hidden = kind === 'live';
    return video;
  }

  live() {
    $('.hour input', this.element).value = 3600;
    this.stream = new Live(`${this.path}/live?stream=${this.liveStream}`, this.video('live'), (text) => this.note(text));
  }

  /** Plays from an instant (ms) on; over gaps, until now. */
  play(from) {
    if (from >= hubNow() - 2000) return this.live();
    const video = this.video('playback');
    const query = new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(hubNow()).toISOString() });
    const source = `${this.path}/playback.mp4?${query}`;
    this.note(new Date(from).toLocaleTimeString());
    video.addEventListener('error', () => this.note('There is nothing to see at that time.'));
    video.addEventListener('ended', async () => {
      const answer = await fetch(source, { method: 'HEAD' }).catch(() => null);
      const next = Date.parse(answer?.headers.get('keepsight-next'));
      if (video.isConnected) next ? this.play(next) : this.live();
    });
    video.src = source;
  }

  /** Draws the last hour: what is there, and what is missing and why. */
  async timeline() {
    if (!this.element.isConnected) return;
    const to = hubNow(), from = to - HOUR_MS;
    const query = new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(to).toISOString() });
    try {
      const { segments, gaps } = await api('GET', `${this.path}/timeline?${query}`);
      const draw = (kind) => ({ start, end, reason }) => {
        const rect = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
        const left = Math.max(0, (Date.parse(start) - from) / 1000);
        const right = Math.min(3600, (Date.parse(end) - from) / 1000);
        for (const [name, value] of Object.entries({ x: left, width: Math.max(1, right - left), height: 10, class: kind })) {
          rect.setAttribute(name, value);
        }
        if (reason) {
          const title = document.createElementNS('http://www.w3.org/2000/svg', 'title');
          title.textContent = `Missing: ${REASONS[reason] ?? reason}`;
          rect.append(title);
        }
        return rect;
      };
      $('svg', this.element).replaceChildren(...segments.map(draw('segment')), ...gaps.map(draw('gap')));
      this.hourStart = from;
      const last = gaps.at(-1);
      const missing = last ? `Last missing: ${new Date(last.start).toLocaleTimeString()}, ${REASONS[last.reason] ?? last.reason}` : 'now';
      const [left, right] = $('.ends', this.element).children;
      left.textContent = new Date(from).toLocaleTimeString();
      right.textContent = missing;
    } catch {
      $('.hour', this.element).hidden = !this.hourStart; // without playback there is no hour to show
    }
    setTimeout(() => this.timeline(), 15_000);
  }
}

/** Live pictures: WebSocket to Media Source Extensions. */
class Live {
  constructor(path, video, note) {
    Object.assign(this, { path, video, note, wait: 1000, stopped: false });
    this.timer = setInterval(() => this.keepUp(), 500);
    this.connect();
  }

  stop() {
    this.stopped = true;
    clearInterval(this.timer);
    clearTimeout(this.retry);
    this.socket?.close();
    if (this.url) URL.revokeObjectURL(this.url);
  }

  connect() {
    this.note('Connecting…');
    const socket = new WebSocket(`wss://${location.host}${this.path}`);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') return this.begin(JSON.parse(data));
      this.queue?.push(data);
      this.feed();
    };
    socket.onclose = () => {
      if (this.stopped) return;
      this.note('No picture at the moment. Trying again…');
      this.retry = setTimeout(() => this.connect(), this.wait * (0.75 + Math.random() / 2));
      this.wait = Math.min(this.wait * 2, 15_000);
    };
    this.socket = socket;
  }

  /** New parameters: a new source, as nothing of the old one fits. */
  begin({ codecs }) {
    const type = `video/mp4; codecs="${codecs}"`;
    const Source = window.ManagedMediaSource ?? window.MediaSource; // iPhones have the managed one only
    if (!Source?.isTypeSupported(type)) {
      this.queue = null;
      return this.note(`This browser cannot play ${codecs}.`);
    }
    const source = new Source();
    const queue = (this.queue = []);
    this.buffer = null;
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = URL.createObjectURL(source);
    this.video.disableRemotePlayback = true;
    this.video.src = this.url;
    source.addEventListener('sourceopen', () => {
      if (this.queue !== queue) return; // newer parameters came since
      this.buffer = source.addSourceBuffer(type);
      this.buffer.addEventListener('updateend', () => this.feed());
      this.feed();
    }, { once: true });
  }

  feed() {
    const { buffer, queue } = this;
    if (!buffer || buffer.updating || !queue) return;
    try {
      const { buffered } = buffer;
      if (buffered.length && this.video.currentTime - buffered.start(0) > 20) {
        return buffer.remove(0, this.video.currentTime - 10);
      }
      if (!queue.length) return;
      buffer.appendBuffer(queue.shift());
      if (queue.length > 500) throw new Error('the player does not keep up');
    } catch {
      this.socket.close(); // begin anew
    }
  }

  /** Stays near the newest picture: a little faster when behind, a jump when far behind. */
  keepUp() {
    const { video } = this;
    const { buffered } = video;
    if (!buffered.length) return;
    const end = buffered.end(buffered.length - 1);
    const behind = end - video.currentTime;
    if (behind > 4 || behind < 0 || video.currentTime < buffered.start(buffered.length - 1)) video.currentTime = Math.max(0, end - 0.5);
    video.playbackRate = behind > 1.2 ? 1.1 : 1;
    if (video.paused && !document.hidden) video.play().catch(() => {});
    if (video.readyState > 2) {
      this.note('');
      this.wait = 1000;
    }
  }
}

// ---- Start

const token = new URLSearchParams(location.hash.slice(1)).get('claim');
if (token) {
  history.replaceState(null, '', '/'); // the token stays in no history
  $('#claim input').value = token;
  show('claim');
} else {
  refresh();
}
setInterval(() => $('#home').hidden || document.hidden || refresh(), 5000);
