// A camera's timeline as far as somebody has looked at it: blocks of hours, asked for when they come into view.

import { Problem, get, hubNow, iso, query } from '../lib/api';
import type { ProtectedSpan, TimelineAnswer } from '../lib/types';
import { joinSpans, type Stretch } from './model';

const BLOCK = 4 * 3_600_000;
/** The block that contains now is asked for again so often. */
const FRESH_MS = 5000;
/** Segments follow each other without a hole that anybody could see. */
const HOLE = 1000;

export interface GapSpan extends Stretch {
  reason: string;
}
export interface EventSpan extends Stretch {
  id: string;
  kind: string;
  thumbnail: boolean;
}

interface Block {
  at: number;
  loaded: number;
  segments: Stretch[];
  gaps: GapSpan[];
  events: EventSpan[];
}

const span = ({ start, end }: { start: string; end: string }): Stretch => ({ start: Date.parse(start), end: Date.parse(end) });

export class TimelineData {
  private readonly blocks = new Map<number, Block>();
  private readonly asked = new Set<number>();
  /** All that was loaded, in order. */
  recorded = $state.raw<Stretch[]>([]);
  gaps = $state.raw<GapSpan[]>([]);
  events = $state.raw<EventSpan[]>([]);
  protectedSpans = $state.raw<Stretch[]>([]);
  problem = $state.raw<Problem | null>(null);

  private begun = false;

  constructor(private readonly camera: string) {}

  /** Makes sure that a span is there, or will be. */
  need(from: number, to: number) {
    if (!this.begun) void this.loadProtected();
    this.begun = true;
    const now = hubNow();
    for (let at = Math.floor(from / BLOCK) * BLOCK; at < Math.min(to, now); at += BLOCK) {
      const block = this.blocks.get(at);
      const stale = block && block.loaded < at + BLOCK + 60_000 && now - block.loaded > FRESH_MS;
      if ((!block || stale) && !this.asked.has(at)) void this.load(at, now);
    }
  }

  /** When a camera was recorded first, of what was loaded, and whether an instant is known to be recorded. */
  isRecorded(at: number): boolean {
    return this.recorded.some(({ start, end }) => start <= at && at < end);
  }

  async loadProtected() {
    try {
      const spans = await get<ProtectedSpan[]>(`/cameras/${this.camera}/protected`);
      this.protectedSpans = spans.map(({ from, to }) => ({ start: Date.parse(from), end: Date.parse(to) }));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }

  private async load(at: number, now: number) {
    this.asked.add(at);
    try {
      const answer = await get<TimelineAnswer>(`/cameras/${this.camera}/timeline${query({ from: iso(at), to: iso(at + BLOCK) })}`);
      this.blocks.set(at, {
        at,
        loaded: now,
        segments: joinSpans(answer.segments.map(span), HOLE),
        gaps: answer.gaps.map((gap) => ({ ...span(gap), reason: gap.reason })),
        events: answer.events.map((event) => ({ ...span(event), id: event.id, kind: event.kind, thumbnail: event.thumbnail })),
      });
      this.problem = null;
      this.merge();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.problem = error;
    } finally {
      // Not again at once if it failed.
      setTimeout(() => this.asked.delete(at), this.problem ? FRESH_MS : 0);
    }
  }

  private merge() {
    const blocks = [...this.blocks.values()].sort((a, b) => a.at - b.at);
    this.recorded = joinSpans(blocks.flatMap(({ segments }) => segments), HOLE);
    this.gaps = blocks.flatMap(({ gaps }) => gaps);
    const events = new Map(blocks.flatMap(({ events }) => events.map((event) => [event.id, event] as const)));
    this.events = [...events.values()].sort((a, b) => a.start - b.start);
  }
}
