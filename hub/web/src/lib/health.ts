// How things are, from what the hub says.

import type { Camera, Health, System } from './types';

export interface Part {
  name: string;
  health: Health;
  /** The hub's own words for it, where it has some. */
  said?: string;
}

const isHealth = (value: unknown): value is Health =>
  typeof value === 'object' && value !== null && 'state' in value && ['ok', 'degraded', 'off'].includes(String(value.state));

/** How the machine under the hub is; one of an older hub says nothing of it. */
export function machineOf(system: System | null): Part[] {
  const facts = Object.values(system?.machine ?? {});
  return facts.map(({ name, said, ...health }) => ({ name, health, said }));
}

/** Every part of the hub that has a health: those the app has words for, and those a newer hub may have. */
export function partsOf(system: System | null): Part[] {
  return Object.entries(system ?? {}).flatMap(([name, value]) => {
    if (isHealth(value)) return [{ name, health: value }];
    const inner = typeof value === 'object' && value !== null && 'health' in value ? value.health : null;
    return isHealth(inner) ? [{ name, health: inner }] : [];
  });
}

/** A camera that somebody should look after. One that is paused or just connecting is as it should be. */
export function cameraNeedsAttention(camera: Camera): boolean {
  const fine = ['recording', 'connecting', 'paused'].includes(camera.state);
  return !fine || camera.disk.state === 'degraded' || !!camera.sound_dropped;
}

export type Tone = 'good' | 'busy' | 'bad' | 'off';

export function toneOf(camera: Camera): Tone {
  if (camera.state === 'recording') return 'good';
  if (camera.state === 'connecting') return 'busy';
  return camera.state === 'paused' ? 'off' : 'bad';
}
