// Whatever word the hub can say about its state, the app has words for it. The hub's are read from its sources.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { T } from '../src/texts';

/** The variants of a Rust enum, as they are in JSON. */
function variants(file: string, name: string): string[] {
  const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
  const body = new RegExp(`pub enum ${name} \\{([^}]*)\\}`).exec(source)?.[1] ?? '';
  const names = [...body.matchAll(/^\s*([A-Z]\w*),/gm)].map(([, variant]) => variant ?? '');
  return names.map((variant) => variant.replace(/(?<!^)([A-Z])/g, '_$1').toLowerCase());
}

test.each([
  ['a camera’s states', variants('base/src/state.rs', 'CameraState'), T.states],
  ['reasons of gaps', variants('base/src/state.rs', 'GapReason'), T.gaps],
  ['reasons of health', variants('base/src/state.rs', 'Reason'), T.health.reasons],
  ['what to do about them', variants('base/src/state.rs', 'Reason'), T.health.remedies],
  ['kinds of events', variants('store/src/events.rs', 'EventKind'), T.events.kinds],
  ['days of the week', variants('store/src/rules.rs', 'Day'), T.rules.day],
  ['sources of time', variants('base/src/clock.rs', 'TimeSource'), T.health.timeSources],
])('%s', (_, words, texts) => {
  expect(words.length).toBeGreaterThan(3);
  for (const word of words) expect(texts).toHaveProperty(word);
});
