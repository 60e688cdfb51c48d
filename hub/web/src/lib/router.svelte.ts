// Where the app is: the part of the address behind `#`.

/** The parts of a hash such as `#/camera/01ab/at/2026-11-24T10:00:00Z`. */
export const parts = (hash: string) => hash.replace(/^#\/?/, '').split('/').filter(Boolean).map(decodeURIComponent);

class Router {
  parts = $state.raw<string[]>(parts(location.hash));
  /** A secret of the address, such as a claim token: shown nowhere, and in no history. */
  secret: string | null = null;

  constructor() {
    addEventListener('hashchange', () => this.read());
    this.read();
  }

  get screen() {
    return this.parts[0] ?? '';
  }

  private read() {
    const [screen, secret] = parts(location.hash);
    if ((screen === 'claim' || screen === 'invitation') && secret) {
      this.secret = secret;
      history.replaceState(null, '', `#/${screen}`);
    }
    this.parts = parts(location.hash);
    scrollTo(0, 0);
  }

  /** Goes to a screen. `replace`: without a step back. */
  go(hash: string, replace = false) {
    if (replace) {
      history.replaceState(null, '', hash);
      this.read();
    } else {
      location.hash = hash;
    }
  }
}

export const router = new Router();
