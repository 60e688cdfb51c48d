// What the timeline shows and how it moves; no pixels are drawn here.
//
// Its needle stands in the middle: dragging moves time under it, and zooming keeps the instant at the needle.

import { daySpan, wall } from './days';

/** The instant at the needle and the length of what is seen, ms. */
export interface View {
  center: number;
  span: number;
}

export interface Stretch {
  start: number;
  end: number;
}

export const SHORTEST = 20_000;
export const LONGEST = 3 * 86_400_000;

export const edges = ({ center, span }: View) => ({ from: center - span / 2, to: center + span / 2 });

/** Where an instant is, in pixels from the left. */
export const toX = (view: View, ms: number, width: number) => ((ms - edges(view).from) / view.span) * width;

export const toMs = (view: View, x: number, width: number) => edges(view).from + (x / width) * view.span;

/** Moved by a thumb that went `dx` pixels to the right: earlier comes to the needle. */
export const pan = (view: View, dx: number, width: number): View => ({ ...view, center: view.center - (dx / width) * view.span });

/** Shows `factor` times as much. */
export const zoom = (view: View, factor: number): View => ({ ...view, span: Math.min(LONGEST, Math.max(SHORTEST, view.span * factor)) });

/** Not beyond now. */
export const until = (view: View, now: number): View => (view.center > now ? { ...view, center: now } : view);

/** Stretches without holes longer than `hole`, of spans in any order. */
export function joinSpans(spans: Stretch[], hole: number): Stretch[] {
  const joined: Stretch[] = [];
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    const last = joined.at(-1);
    if (last && span.start - last.end <= hole) last.end = Math.max(last.end, span.end);
    else joined.push({ start: span.start, end: span.end });
  }
  return joined;
}

/** An event is shown from a little before it on, so that one sees it begin. */
export const BEFORE_EVENT_MS = 3000;

/** The event that begins next after an instant, or before it, with a little room so that one is not found twice. */
export function neighbour<Event extends { start: number }>(events: Event[], at: number, direction: 1 | -1): Event | null {
  const room = 1500;
  const sorted = [...events].sort((a, b) => a.start - b.start);
  if (direction > 0) return sorted.find(({ start }) => start > at + room) ?? null;
  return sorted.filter(({ start }) => start < at - room).at(-1) ?? null;
}

/** Of events in order those whose pictures fit beside each other, of which each takes up `ms`; the same ones, wherever one looks. */
export function fitting<Event extends { start: number }>(events: Event[], ms: number): Event[] {
  let free = -Infinity;
  return events.filter(({ start }) => {
    const fits = start >= free;
    if (fits) free = start + ms;
    return fits;
  });
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const STEPS = [
  1000, 5000, 10_000, 30_000, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR,
];

export interface Tick {
  at: number;
  /** The first instant of a day. */
  day: boolean;
}

/** Marks at round times of the wall clock, at least `apart` pixels from each other; midnights always are among them. */
export function ticks(view: View, width: number, apart: number, zone: string): { step: number; ticks: Tick[] } {
  const { from, to } = edges(view);
  const least = (apart / width) * view.span;
  const step = STEPS.find((candidate) => candidate >= least) ?? 24 * HOUR;
  const found: Tick[] = [];
  for (let day = daySpan(from, zone); day.from < to; day = daySpan(day.to, zone)) {
    // Below an hour by length; hours by what the clock shows, so that they stay round on the days that clocks change.
    const fine = Math.min(step, HOUR);
    const first = Math.max(0, Math.floor((from - day.from) / fine));
    for (let at = day.from + first * fine; at < Math.min(to, day.to); at += fine) {
      const start = at === day.from;
      if (at < from || (step > HOUR && !start && wall(at, zone).hour % (step / HOUR) !== 0)) continue;
      found.push({ at, day: start });
    }
  }
  return { step, ticks: found };
}
