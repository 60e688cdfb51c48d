// Keeps the shell (the app's own files) so that the app opens when the hub does not answer, and says so.
// Never an answer of /api: what the hub says is for one person at one time.
const VERSION = "9b63871aa28cb2c8";
const FILES = ["/app.css","/app.js","/icon-192.png","/icon-512.png","/icon-maskable-512.png","/icon.svg","/","/manifest.webmanifest"];
const CACHE = `shell-${VERSION}`;

self.addEventListener('install', (event) => {
  // The new shell is shown at the next load: what is open has all of its own shell in memory already.
  self.skipWaiting();
  const fresh = FILES.map((file) => new Request(file, { cache: 'reload' }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(fresh)));
});

self.addEventListener('activate', (event) => {
  const others = (names) => names.filter((name) => name !== CACHE);
  const clean = caches.keys().then((names) => Promise.all(others(names).map((name) => caches.delete(name))));
  event.waitUntil(clean.then(() => self.clients.claim()));
});

self.addEventListener('fetch', (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (event.request.method !== 'GET' || origin !== self.location.origin || !FILES.includes(pathname)) return;
  const kept = caches.open(CACHE).then((cache) => cache.match(pathname));
  event.respondWith(kept.then((answer) => answer ?? fetch(event.request)));
});

// A tap on a notice: the app that is open shows what it is about, else one is opened.
self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  const url = `/${event.notification.data ?? ''}`;
  const show = async () => {
    const [open] = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
    if (!open) return self.clients.openWindow(url);
    await open.navigate(url).catch(() => {});
    return open.focus();
  };
  event.waitUntil(show());
});
