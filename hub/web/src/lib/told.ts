// What the hub tells as it happens: one stream for all who listen in the app.

import type { HubEvent, Notice } from './types';

export interface Listener {
  /** From now on everything is told. */
  open?: () => void;
  event?: (event: HubEvent) => void;
  notice?: (notice: Notice) => void;
  /** Some of it was left out. */
  missed?: () => void;
}

const AGAIN_MS = 5000;
const listeners = new Set<Listener>();
let stream: EventSource | null = null;
let again: ReturnType<typeof setTimeout> | undefined;

/** Listens until the function is called that it gives back. */
export function listen(listener: Listener): () => void {
  listeners.add(listener);
  if (stream?.readyState === EventSource.OPEN) listener.open?.();
  if (!stream) begin();
  return () => {
    listeners.delete(listener);
    if (listeners.size) return;
    clearTimeout(again);
    stream?.close();
    stream = null;
  };
}

function begin() {
  const told = (stream = new EventSource('/api/v1/events/stream'));
  const each = (tell: (listener: Listener) => void) => [...listeners].forEach(tell);
  told.addEventListener('open', () => each(({ open }) => open?.()));
  told.addEventListener('event', ({ data }) => each(({ event }) => event?.(JSON.parse(data))));
  told.addEventListener('notice', ({ data }) => each(({ notice }) => notice?.(JSON.parse(data))));
  told.addEventListener('missed', () => each(({ missed }) => missed?.()));
  // It comes back by itself, unless the hub answered something else.
  told.addEventListener('error', () => {
    if (told === stream && told.readyState === EventSource.CLOSED) again = setTimeout(begin, AGAIN_MS);
  });
}
