// Days as the clocks on the wall have them: 23 to 25 hours long where clocks change.

export interface Day {
  year: number;
  /** 1 to 12. */
  month: number;
  day: number;
}

export interface Wall extends Day {
  hour: number;
  minute: number;
  second: number;
}

export const deviceZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string): Intl.DateTimeFormat {
  let found = formats.get(zone);
  if (!found) {
    found = new Intl.DateTimeFormat('en-US', {
      timeZone: zone, hourCycle: 'h23', era: 'short',
      year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric',
    });
    formats.set(zone, found);
  }
  return found;
}

/** What the clocks there show at an instant (ms). */
export function wall(ms: number, zone: string): Wall {
  const fields: Record<string, number> = {};
  for (const { type, value } of format(zone).formatToParts(ms)) fields[type] = Number(value);
  const of = (name: string) => fields[name] ?? 0;
  return { year: of('year'), month: of('month'), day: of('day'), hour: of('hour'), minute: of('minute'), second: of('second') };
}

const HOUR = 3_600_000;

/** The first instant of a day. */
export function dayStart({ year, month, day }: Day, zone: string): number {
  const wanted = Date.UTC(year, month - 1, day);
  const asUtc = (ms: number) => {
    const at = wall(ms, zone);
    return Date.UTC(at.year, at.month - 1, at.day, at.hour, at.minute, at.second);
  };
  // By the offsets that hold around there: whichever gives the earliest instant that is that day.
  const around = [-26 * HOUR, -3 * HOUR, 3 * HOUR, 26 * HOUR].map((by) => wanted - (asUtc(wanted + by) - (wanted + by)));
  const isDay = (ms: number) => asUtc(ms) >= wanted;
  const candidates = around.filter(isDay).sort((a, b) => a - b);
  const earliest = candidates[0] ?? wanted;
  // Where clocks are put forward at midnight the day begins at their jump: the instant before is still the day before.
  let [low, high] = [earliest - 2 * HOUR, earliest];
  if (isDay(earliest - 1)) {
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (isDay(middle)) high = middle;
      else low = middle;
    }
  }
  return high;
}

/** So many days later. */
export function plusDays({ year, month, day }: Day, days: number): Day {
  const at = new Date(Date.UTC(year, month - 1, day + days));
  return { year: at.getUTCFullYear(), month: at.getUTCMonth() + 1, day: at.getUTCDate() };
}

/** First instants of an instant's day and of the day after. */
export function daySpan(ms: number, zone: string): { from: number; to: number } {
  const today = wall(ms, zone);
  return { from: dayStart(today, zone), to: dayStart(plusDays(today, 1), zone) };
}

/** `2026-10-25`, as date inputs have it. */
export const dayText = ({ year, month, day }: Day) =>
  `${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;

export function parseDay(text: string): Day | null {
  const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  return match ? { year: Number(match[1]), month: Number(match[2]), day: Number(match[3]) } : null;
}

/** The same time of another day, or the nearest that there is. */
export function onDay(ms: number, to: Day, zone: string): number {
  const at = wall(ms, zone);
  const start = dayStart(to, zone);
  const wanted = start + ((at.hour * 60 + at.minute) * 60 + at.second) * 1000;
  // Clocks that changed since midnight show another hour then.
  const shown = wall(wanted, zone);
  const off = (at.hour - shown.hour) * HOUR + (at.minute - shown.minute) * 60_000;
  const corrected = Math.abs(off) <= 2 * HOUR ? wanted + off : wanted;
  const end = dayStart(plusDays(to, 1), zone);
  return Math.min(Math.max(corrected, start), end - 1000);
}

/** `2026-10-25T02:30:00`, as date-and-time inputs have it. */
export function localText(ms: number, zone: string): string {
  const at = wall(ms, zone);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${dayText(at)}T${two(at.hour)}:${two(at.minute)}:${two(at.second)}`;
}

/** The instant of such a text; null if it is none. */
export function parseLocal(text: string, zone: string): number | null {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d):(\d\d)(?::(\d\d))?/.exec(text);
  const day = parseDay(match?.[1] ?? '');
  if (!match || !day) return null;
  const since = ((Number(match[2]) * 60 + Number(match[3])) * 60 + Number(match[4] ?? 0)) * 1000;
  const guess = dayStart(day, zone) + since;
  const shown = wall(guess, zone);
  const shownSince = ((shown.hour * 60 + shown.minute) * 60 + shown.second) * 1000;
  const off = since - shownSince;
  return Math.abs(off) <= 2 * HOUR ? guess + off : guess;
}
