// Whether this device shows what rules tell while the app is open behind something else. Only that wish is kept, on the device.

const KEPT = 'notices';

class Notices {
  /** The browser can do it: on an iPhone only once the app is on the home screen. */
  readonly possible = 'Notification' in window && 'serviceWorker' in navigator;
  on = $state(false);
  blocked = $state(false);

  constructor() {
    this.on = this.possible && localStorage.getItem(KEPT) === 'on' && Notification.permission === 'granted';
  }

  /** To be called by a tap: browsers ask the person only then. */
  async set(on: boolean) {
    const allowed = on && (await Notification.requestPermission()) === 'granted';
    this.blocked = on && !allowed;
    this.on = allowed;
    localStorage.setItem(KEPT, allowed ? 'on' : 'off');
  }

  /** `href`: where a tap on it leads. One with the same `tag` takes its place. */
  async show(title: string, body: string, tag: string, href: string) {
    const worker = await navigator.serviceWorker.ready;
    // On phones only the service worker may.
    await worker.showNotification(title, { body, tag, icon: '/icon-192.png', data: href });
  }
}

export const notices = new Notices();
