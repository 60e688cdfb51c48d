import { expect, test } from 'vitest';
import { dayStart, dayText, daySpan, localText, onDay, parseDay, parseLocal, plusDays, wall } from '../src/timeline/days';

const hours = (text: string, zone: string) => {
  const day = parseDay(text);
  if (!day) throw new Error(text);
  return (dayStart(plusDays(day, 1), zone) - dayStart(day, zone)) / 3_600_000;
};

test('a day is as long as it is there', () => {
  expect(hours('2026-03-29', 'Europe/Berlin')).toBe(23);
  expect(hours('2026-10-25', 'Europe/Berlin')).toBe(25);
  expect(hours('2026-03-29', 'UTC')).toBe(24);
  expect(hours('2028-02-29', 'Asia/Kathmandu')).toBe(24);
  expect(hours('2026-04-05', 'Australia/Lord_Howe')).toBe(24.5);
  expect(hours('2026-09-06', 'America/Santiago')).toBe(23);
  expect(hours('2026-07-01', 'Pacific/Apia')).toBe(24);
});

test('a day begins where the hub says that it begins', () => {
  expect(new Date(dayStart({ year: 2026, month: 7, day: 1 }, 'Europe/Berlin')).toISOString()).toBe('2026-06-30T22:00:00.000Z');
  // Its midnight is skipped: the day begins at one.
  const santiago = dayStart({ year: 2026, month: 9, day: 6 }, 'America/Santiago');
  expect(wall(santiago, 'America/Santiago')).toMatchObject({ day: 6, hour: 1, minute: 0 });
  expect(wall(santiago - 1, 'America/Santiago').day).toBe(5);
});

test('days follow each other without a hole for a year', () => {
  for (const zone of ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Africa/Casablanca', 'America/Santiago', 'UTC']) {
    let day = { year: 2028, month: 1, day: 1 };
    let next = dayStart(day, zone);
    for (let i = 0; i < 366; i++) {
      const span = daySpan(next + 1000, zone);
      expect(span.from, `${zone} ${dayText(day)}`).toBe(next);
      expect(dayText(wall(next, zone))).toBe(dayText(day));
      day = plusDays(day, 1);
      next = span.to;
    }
  }
});

test('another day shows the same time of day, also behind a change of clocks', () => {
  const zone = 'Europe/Berlin';
  const noon = parseLocal('2026-10-24T12:30:15', zone) ?? 0;
  expect(localText(onDay(noon, { year: 2026, month: 10, day: 25 }, zone), zone)).toBe('2026-10-25T12:30:15');
  expect(localText(onDay(noon, { year: 2026, month: 3, day: 29 }, zone), zone)).toBe('2026-03-29T12:30:15');
  // Half past two is not there that night: what comes is that day all the same.
  const night = parseLocal('2026-03-28T02:30:00', zone) ?? 0;
  expect(localText(onDay(night, { year: 2026, month: 3, day: 29 }, zone), zone).slice(0, 10)).toBe('2026-03-29');
});

test('what date inputs hold is read as it is written', () => {
  for (const zone of ['Europe/Berlin', 'Asia/Kathmandu', 'America/St_Johns']) {
    for (const text of ['2026-11-24T00:00:00', '2026-03-29T12:00:01', '2026-10-25T23:59:59', '2024-02-29T06:07:08']) {
      expect(localText(parseLocal(text, zone) ?? 0, zone)).toBe(text);
    }
  }
  expect(parseLocal('2026-11-24T10:20', 'UTC')).toBe(Date.UTC(2026, 10, 24, 10, 20));
  expect(parseLocal('', 'UTC')).toBeNull();
  expect(parseDay('yesterday')).toBeNull();
});
