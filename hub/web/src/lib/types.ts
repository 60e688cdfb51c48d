// What the hub answers: /api/openapi.json has it in full.

export type Right = 'live' | 'playback' | 'export' | 'manage';
export const RIGHTS: readonly Right[] = ['live', 'playback', 'export', 'manage'];

export interface Grant {
  camera: string;
  rights: Right[];
  expires: string | null;
}

export interface Me {
  id: string;
  name: string;
  role: 'owner' | 'member' | 'token';
  totp: boolean;
  has_password: boolean;
  grants: Grant[];
}

export interface Health {
  state: 'ok' | 'degraded' | 'off';
  reason?: string;
  detail?: string;
}

export interface Source {
  url: string;
  username?: string;
  transport: 'auto' | 'tcp' | 'udp' | 'multicast';
  certificate?: string;
}

export interface Via {
  transport: string;
  source: string;
  why?: string;
}

/** Looking for motion; zones and masks are corners in ten-thousandths of the picture. */
export interface Motion {
  /** Who notices what moves. */
  by: 'hub' | 'camera';
  sensitivity: string;
  zones: [number, number][][];
  masks: [number, number][][];
}

/** What would be an event. */
export interface WouldBe {
  start: string;
  end: string;
  /** Left, top, width and height, in parts of the picture. */
  box: [number, number, number, number];
  /** A JPEG in Base64. */
  picture: string | null;
}

/** A line of a preview: one of these. */
export interface PreviewLine {
  progress?: { part: number };
  event?: WouldBe;
  done?: { from: string; to: string };
  problem?: { code: string; title: string; detail?: string; remedy?: string };
}

export interface Camera {
  id: string;
  name: string;
  state: string;
  since: string | null;
  detail: string | null;
  recording: boolean;
  disk: Health;
  loss_bound_s: number;
  /** What its pictures are looked at for; null: they are not. */
  motion: Motion | null;
  watched: Health;
  /** What its pictures are decoded with to be looked at. */
  decoder: { name: string; hardware: boolean; said: string } | null;
  /** What its pictures are encoded with, if it is a camera of the hub's own machine. */
  encoder: { name: string; hardware: boolean; said: string } | null;
  paused: boolean;
  paused_until?: string | null;
  paused_while_home: boolean;
  codec: string | null;
  width: number | null;
  height: number | null;
  has_sub: boolean;
  sound_dropped: string | null;
  last_fragment_at: string | null;
  created: string;
  via?: Via;
  main?: Source;
  sub?: Source;
}

export interface Probed {
  codec: string;
  width: number;
  height: number;
  sound_dropped: string | null;
  via: Via;
}

export interface Span {
  start: string;
  end: string;
}
export interface Segment extends Span {
  id: string;
}
export interface Gap extends Span {
  id: string;
  reason: string;
}
export interface TimelineEvent extends Span {
  id: string;
  kind: string;
  /** There is a picture of it. */
  thumbnail: boolean;
}
export interface TimelineAnswer {
  segments: Segment[];
  gaps: Gap[];
  events: TimelineEvent[];
}
export interface HubEvent {
  id: string;
  camera: string;
  kind: string;
  start: string;
  /** null while it lasts. */
  end: string | null;
  detail: { thumbnail?: boolean; objects?: string[] } | null;
}
/** What a rule tells. */
export interface Notice {
  rule: { id: string; name: string };
  event: HubEvent;
}

/** How people live at the moment. */
export interface Mode {
  mode: string;
  since: string | null;
}

/** When this happens, do that; an empty list sets no condition. */
export interface Rule {
  id: string;
  name: string;
  enabled: boolean;
  cameras: string[];
  kinds: string[];
  objects: string[];
  modes: string[];
  times: RuleTime[];
  cool_down_s: number;
  actions: { protect: { before_s: number; after_s: number } | null; notify: boolean };
}
export interface RuleTime {
  days: string[];
  from: string;
  to: string;
}

export interface ProtectedSpan {
  from: string;
  to: string;
}

export interface RecoveryKit {
  words: string;
  secret: string;
  hub_id: string;
  verifying_key: string;
}

export interface Device {
  id: string;
  device: string;
  created: string;
  last_used?: string | null;
  current?: boolean;
}

export interface Member {
  id: string;
  name: string;
  role: 'owner' | 'member';
  totp: boolean;
  created: string;
  grants: Grant[];
  devices: Device[];
}

export interface Invitation {
  id: string;
  name: string;
  role: 'owner' | 'member';
  grants: Grant[];
  created: string;
  expires: string;
  member: string | null;
}

export interface NewInvitation extends Invitation {
  secret: string;
  url: string;
}

export interface Token {
  id: string;
  name: string;
  grants: Grant[];
  created: string;
  expires: string | null;
  last_used?: string | null;
}

export interface Limit {
  bytes: number | null;
  days: number | null;
}

export interface Storage {
  health: Health;
  total_bytes: number | null;
  free_bytes: number | null;
  used_bytes: number;
  reserve_bytes: number;
  budget_bytes: number | null;
  loss_bound_s: number;
  fits_days: number | null;
  removed_segments: number;
  limit: Limit;
  cameras: { camera: string; used_bytes: number; limit: Limit }[];
}

/** The hub's state: besides these, each part of it that has a health of its own. */
export interface System {
  version: string;
  host: string;
  time: string;
  time_source: string;
  clock: Health;
  storage: { health: Health };
  store: Health;
  machine?: Record<string, Health & { name: string; said: string }>;
  [part: string]: unknown;
}

export interface Time {
  time: string;
  source: string;
  health: Health;
  internet: boolean | null;
}

export interface AuditEntry {
  sequence: number;
  at: string;
  who: string;
  who_name?: string | null;
  what: string;
  about: string;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

/** The machine's disks: `/system/disks`. */
export interface Disks {
  can_be_made: boolean;
  disks: Disk[];
  change: { disk: string; stage: string; percent: number; problem: { title: string; detail: string | null; remedy: string } | null } | null;
}
export interface Disk {
  id: string;
  name: string;
  model: string;
  size_bytes: number;
  bus: string;
  holds: { size_bytes: number; file_system: string; label: string }[];
  fit: string;
  seen: string;
}

/** Which Wi-Fi the hub joins: `/system/wifi`. */
export interface Wifi {
  can_be_set: boolean;
  radio: boolean;
  network: string | null;
  connected: boolean;
  own: boolean;
  change: { network: string | null; stage: string } | null;
}

/** What tells objects apart: `/objects`. */
export interface Objects {
  /** none, starting, ok or failed. */
  state: string;
  problem: string | null;
  labels: string[];
  /** Who runs it, by name. */
  run_by: string | null;
  ms_per_picture: number | null;
  pictures_per_second: number | null;
  runtimes: Runtime[];
  model_bytes: number | null;
  description: string | null;
}

/** A library that may run the model. */
export interface Runtime {
  name: string;
  library: string;
  /** untried, trying, used, no_better or failed. */
  state: string;
  ms_per_picture: number | null;
  problem: string | null;
}

/** Updates of the system: `/system/update`. */
export interface Update {
  when: string;
  source: string | null;
  /** UTC. */
  quiet_hour: number;
  stage: string;
  health: Health;
  version: string | null;
  slot: string | null;
  offer: { version: string; size_bytes: number; on_stick: boolean; refused: { reason: string; said: string } | null } | null;
  progress: { percent: number; doing: string } | null;
  looked_at: string | null;
  last_good: { version: string; at: string } | null;
  failed: { version: string; at: string; why: string }[];
  restart_by_hand: boolean;
}
