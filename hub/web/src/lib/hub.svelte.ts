// What the app knows of the hub: whether it is there, who is signed in, and the cameras, asked for every few seconds
// while somebody looks.

import { Problem, api, get, listeners } from './api';
import type { Camera, Grant, Me, Right, System } from './types';
import { cameraNeedsAttention, machineOf, partsOf } from './health';

const EVERY_MS = 5000;

class Hub {
  /** Until the first answer: starting. */
  phase = $state<'starting' | 'signed-out' | 'signed-in'>('starting');
  reachable = $state(true);
  me = $state.raw<Me | null>(null);
  cameras = $state.raw<Camera[]>([]);
  /** Owners only. */
  system = $state.raw<System | null>(null);
  private toldTime = false;
  private asking: Promise<void> | null = null;

  owner = $derived(this.me?.role === 'owner');
  /** So many things want a look. */
  attention = $derived(
    this.cameras.filter(cameraNeedsAttention).length + [...partsOf(this.system), ...machineOf(this.system)].filter(({ health }) => health.state === 'degraded').length,
  );

  constructor() {
    listeners.reachable = (is) => {
      this.reachable = is;
    };
    listeners.signedOut = () => {
      this.forget();
      this.phase = 'signed-out';
    };
    setInterval(() => {
      if (!document.hidden && this.phase !== 'signed-out') void this.refresh();
    }, EVERY_MS);
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden && this.phase !== 'signed-out') void this.refresh();
    });
  }

  private forget() {
    this.me = null;
    this.cameras = [];
    this.system = null;
    this.toldTime = false;
  }

  /** Asks again. Never throws: what went wrong is seen in the phase. */
  refresh(): Promise<void> {
    this.asking ??= this.ask().finally(() => {
      this.asking = null;
    });
    return this.asking;
  }

  private async ask() {
    try {
      // One question decides whether anybody is signed in; the others come after it.
      const me = await get<Me>('/me');
      this.cameras = await get<Camera[]>('/cameras');
      this.me = me;
      this.phase = 'signed-in';
      if (me.role === 'owner') {
        this.system = await get<System>('/system');
        await this.tellTime();
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }

  /** A hub without a clock and without the internet has the time from its owner's device. */
  private async tellTime() {
    if (this.toldTime || this.system?.time_source !== 'unset') return;
    this.toldTime = true;
    this.system = await api<System>('POST', '/system/time', { time: new Date().toISOString() });
  }

  async signOut() {
    await api('DELETE', '/sessions/current');
    listeners.signedOut();
  }

  camera(id: string | undefined): Camera | undefined {
    return this.cameras.find((camera) => camera.id === id);
  }

  grant(camera: string): Grant | undefined {
    return this.me?.grants.find((grant) => grant.camera === camera);
  }

  may(camera: string, right: Right): boolean {
    return this.owner || (this.grant(camera)?.rights.includes(right) ?? false);
  }
}

export const hub = new Hub();
