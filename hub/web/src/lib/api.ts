// Talking to the hub.

import type { Camera, Wifi } from './types';
import { T } from '../texts';

/** What the hub says went wrong: what happened, then what to do. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    title: string,
    detail?: string | null,
    remedy?: string | null,
  ) {
    super([title, detail && sentence(detail), remedy].filter(Boolean).join(' '));
  }
}

const sentence = (text: string) => (/[.!?]$/.test(text) ? text : `${text}.`);

/** Told of every answer, and of none: how the app knows whether the hub is there and whether it is signed in. */
export const listeners = {
  reachable: (_is: boolean): void => {},
  signedOut: (): void => {},
};

let clockOffset = 0;
/** The hub's time, in ms. */
export const hubNow = () => Date.now() + clockOffset;

/** Any request to the hub; throws a Problem unless it succeeded. */
export async function request(path: string, options: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    listeners.reachable(false);
    throw new Problem(0, 'unreachable', T.problems.unreachable, null, T.problems.unreachableRemedy);
  }
  listeners.reachable(true);
  const date = Date.parse(response.headers.get('date') ?? '');
  // The header has whole seconds: what it says is half a second old on average.
  if (date && Math.abs(date + 500 - hubNow()) > 1000) clockOffset = date + 500 - Date.now();
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    const problem = new Problem(response.status, body.code ?? '', body.title ?? T.problems.status(response.status), body.detail, body.remedy);
    if (problem.code === 'not-signed-in') listeners.signedOut();
    throw problem;
  }
  return response;
}

/** A JSON request; answers what the hub answers, or null for nothing. */
export async function api<Answer>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Answer> {
  const options: RequestInit = { method, signal };
  if (body !== undefined) {
    options.headers = { 'content-type': 'application/json' };
    options.body = JSON.stringify(body);
  }
  const response = await request(`/api/v1${path}`, options);
  return (response.status === 204 ? null : await response.json()) as Answer;
}

/** A JSON request whose answer comes line by line, each a JSON document. */
export async function* lines<Line>(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<Line> {
  const options = { method: 'POST', signal, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const { body: stream } = await request(`/api/v1${path}`, options);
  const reader = stream?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) return;
    const parts = (rest + value).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) yield JSON.parse(part) as Line;
  }
}

export const get = <Answer>(path: string, signal?: AbortSignal) => api<Answer>('GET', path, undefined, signal);

/** A query string of what is given. */
export function query(fields: Record<string, string | number | null | undefined>): string {
  const given = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : '';
}

export const iso = (ms: number) => new Date(ms).toISOString();

export const cameraPath = (camera: Camera | string) => `/cameras/${typeof camera === 'string' ? camera : camera.id}`;

/** No network leads to the hub but its own: it is to be told which one to join. */
export const isOwnNetwork = () => get<Wifi>('/system/wifi').then((wifi) => wifi.own, () => false);

/** What went wrong, for a person. */
export const words = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** What this device is called in the list of devices, until somebody renames it. */
export function deviceName(): string {
  const agent = navigator.userAgent;
  const device = ['iPhone', 'iPad', 'Android', 'Macintosh', 'Windows', 'Linux'].find((name) => agent.includes(name));
  const browser = ['Firefox', 'Edg', 'Chrome', 'Safari'].find((name) => agent.includes(name));
  const shown = { Macintosh: 'Mac', Edg: 'Edge' } as Record<string, string>;
  return [device, browser].filter((name) => name !== undefined).map((name) => shown[name] ?? name).join(', ') || T.account.thisDevice;
}
