import { expect, test } from 'vitest';
import { LONGEST, SHORTEST, edges, fitting, joinSpans, neighbour, pan, ticks, toMs, toX, until, zoom } from '../src/timeline/model';
import { parseLocal, wall } from '../src/timeline/days';

const view = { center: 1_000_000, span: 60_000 };

test('pixels and instants map onto each other, and the needle is in the middle', () => {
  expect(toX(view, view.center, 400)).toBe(200);
  expect(toX(view, edges(view).from, 400)).toBe(0);
  for (const x of [0, 17, 399]) expect(toX(view, toMs(view, x, 400), 400)).toBeCloseTo(x);
});

test('the instant under the thumb stays under the thumb', () => {
  const touched = toMs(view, 300, 400);
  expect(toX(pan(view, -120, 400), touched, 400)).toBeCloseTo(180);
  expect(pan(pan(view, 55, 400), -55, 400)).toEqual(view);
});

test('zooming keeps the needle and has ends', () => {
  expect(zoom(view, 0.5)).toEqual({ center: view.center, span: 30_000 });
  expect(zoom(view, 1e-9).span).toBe(SHORTEST);
  expect(zoom(view, 1e9).span).toBe(LONGEST);
});

test('pictures of events do not cover each other, and stay when one moves in time', () => {
  const events = [0, 10, 40, 55, 100, 139, 140].map((start) => ({ start }));
  const starts = (list: { start: number }[]) => list.map(({ start }) => start);
  expect(starts(fitting(events, 40))).toEqual([0, 40, 100, 140]);
  expect(starts(fitting(events, 0))).toEqual(starts(events));
  expect(fitting([], 40)).toEqual([]);
});

test('nobody looks into the future', () => {
  expect(until(view, 999_000).center).toBe(999_000);
  expect(until(view, 1_000_001)).toBe(view);
});

test('spans that follow each other are one, in whatever order they come', () => {
  const spans = [
    { start: 60_000, end: 120_000 },
    { start: 0, end: 60_000 },
    { start: 120_400, end: 130_000 },
    { start: 140_000, end: 150_000 },
    { start: 141_000, end: 142_000 },
  ];
  expect(joinSpans(spans, 1000)).toEqual([{ start: 0, end: 130_000 }, { start: 140_000, end: 150_000 }]);
  expect(joinSpans([], 1000)).toEqual([]);
});

test('next and previous event, and never the same one twice', () => {
  const events = [{ start: 50_000 }, { start: 10_000 }, { start: 90_000 }];
  expect(neighbour(events, 20_000, 1)).toEqual({ start: 50_000 });
  expect(neighbour(events, 50_000, 1)).toEqual({ start: 90_000 });
  expect(neighbour(events, 50_200, -1)).toEqual({ start: 10_000 });
  expect(neighbour(events, 90_000, 1)).toBeNull();
  expect(neighbour(events, 10_000, -1)).toBeNull();
});

test('ticks are at round times of the wall clock, far enough apart, midnights among them', () => {
  const zone = 'Europe/Berlin';
  const center = parseLocal('2026-10-25T04:00:00', zone) ?? 0; // the night in which the clocks go back
  for (const span of [20_000, 60_000, 600_000, 3_600_000, 6 * 3_600_000, 86_400_000, LONGEST]) {
    const { step, ticks: found } = ticks({ center, span }, 360, 80, zone);
    expect(found.length, `${span}`).toBeGreaterThan(0);
    expect((step / span) * 360).toBeGreaterThanOrEqual(80 - 1e-9);
    for (const { at, day } of found) {
      const shown = wall(at, zone);
      const since = ((shown.hour * 60 + shown.minute) * 60 + shown.second) * 1000;
      expect(since % step, `${span} ${new Date(at).toISOString()}`).toBe(0);
      if (day) expect(since).toBe(0);
    }
  }
  const midnights = ticks({ center, span: LONGEST }, 360, 80, zone).ticks.filter(({ day }) => day);
  expect(midnights).toHaveLength(3);
});
