// Times and sizes for people, in the device's own language and zone.

const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const timeSeconds = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short' });
const dayYear = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
const moment = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });

type When = number | string;
const ms = (when: When) => (typeof when === 'number' ? when : Date.parse(when));

export const clockTime = (when: When) => time.format(ms(when));
export const clockTimeSeconds = (when: When) => timeSeconds.format(ms(when));
export const shortDay = (when: When) => day.format(ms(when));
export const longDay = (when: When) => dayYear.format(ms(when));
export const shortMoment = (when: When) => moment.format(ms(when));

const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

/** Bytes as people count them on disks: thousands. */
export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : number.format(value)} ${units[unit]}`;
}

/** `3 min 20 s`: the two largest units of a length of time. */
export function length(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const units: [string, number][] = [['d', 86_400], ['h', 3600], ['min', 60], ['s', 1]];
  let rest = seconds;
  const shown: string[] = [];
  for (const [name, worth] of units) {
    const count = Math.floor(rest / worth);
    rest -= count * worth;
    if (count > 0) shown.push(`${count} ${name}`);
  }
  return shown.slice(0, 2).join(' ') || '0 s';
}
