//! Events: kept for good speed at a million of them, read page by page, newest first.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::str::FromStr;

use base::footage::{SegmentInfo, StreamName};
use base::{CameraId, EventId, Stamp, Timestamp};
use serde::{Deserialize, Serialize};

use crate::db::Db;
use crate::engine::{KeyRange, Order, Tree};
use crate::error::{StoreError, hex, unhex};
use crate::key::{self, ID, Parts, TIME};
use crate::row::RowError;
use crate::span::{Span, starts};

/// Something that happened at a camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// This event. Best made of its start ([`EventId::at`]): then it is found by its id without a row of an index.
    pub id: EventId,
    /// Where it happened.
    pub camera: CameraId,
    /// What happened.
    pub kind: EventKind,
    /// When it began.
    pub start: Timestamp,
    /// The instant at which it began, by which its true time is told, where it is known.
    pub stamp: Option<Stamp>,
    /// When it was over; `None` while it lasts.
    pub end: Option<Timestamp>,
    /// More of it, as the kind has it; `null` if there is nothing more. Less than 3 KiB as JSON.
    pub detail: serde_json::Value,
}

/// Kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Something moved.
    Motion,
    /// A person was seen.
    Person,
    /// Somebody rang.
    Doorbell,
    /// The camera did not answer.
    Offline,
}

/// Which events to read.
#[derive(Debug, Clone)]
pub struct EventQuery {
    /// Of these cameras only: those that the asker was granted. None means no events.
    pub cameras: Vec<CameraId>,
    /// Of this kind only.
    pub kind: Option<EventKind>,
    /// Begun at or after.
    pub from: Option<Timestamp>,
    /// Begun before.
    pub to: Option<Timestamp>,
    /// Where the page before ended.
    pub after: Option<EventCursor>,
    /// At most so many.
    pub limit: usize,
}

/// A page of events, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// The events; may be fewer than asked for though there are more, where few are of the kind asked for.
    pub items: Vec<Event>,
    /// Where to go on; `None` at the end.
    pub next: Option<EventCursor>,
}

/// A place between two events. As text 50 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventCursor([u8; CURSOR]);

const CURSOR: usize = TIME + ID;

/// A text is not an event cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor that a page of events gave")]
pub struct BadEventCursor;

/// So many events from before all footage are forgotten at a time.
const FORGOTTEN: usize = 64;
/// One call reads at most so many events, that it may not hold up the storage thread.
const MAX_EXAMINED: usize = 10_000;
/// So many of one camera are read at a time at most.
const MAX_CHUNK: usize = 1_000;

impl Db {
    /// Keeps an event, or replaces the one with its id.
    pub fn put_event(&mut self, event: &Event) -> Result<(), StoreError> {
        self.put_span(event)
    }
    /// Forgets an event.
    pub fn remove_event(&mut self, event: &Event) -> Result<(), StoreError> {
        self.delete_span(event)
    }
    /// One event.
    pub fn event(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        self.span_by_id(id.to_bytes())
    }
    /// Every event that lasts.
    pub fn open_events(&self) -> Result<Vec<Event>, StoreError> {
        self.open_spans()
    }
    /// The events of a camera that have a part in `from..to`, by start.
    pub fn events_in(&self, camera: CameraId, from: Timestamp, to: Timestamp) -> Result<Vec<Event>, StoreError> {
        self.spans_in(&camera.to_bytes(), from, to)
    }
    /// What lasted when the hub stopped without a word is over: with the last footage of its camera before a hole. Of what began
    /// before an instant, if one is given.
    pub fn end_lasting_events(&mut self, before: Option<Timestamp>) -> Result<(), StoreError> {
        let mut lasting = self.open_events()?;
        lasting.retain(|event| before.is_none_or(|before| event.start < before));
        for event in lasting {
            let gaps = self.gaps(event.camera, StreamName::Main, event.start, Timestamp::MAX)?;
            let hole = gaps.into_iter().map(|gap| gap.start).find(|start| *start >= event.start);
            let last = self.last_segment(event.camera, StreamName::Main)?.map(|segment| segment.end);
            let end = hole.into_iter().chain(last).min().unwrap_or(event.start).max(event.start);
            self.put_event(&Event { end: Some(end), ..event })?;
        }
        Ok(())
    }
    /// Forgets what was over when a main stream's segment ended that is no longer there, and what lies before all footage of the
    /// camera, some of it at a time: it goes with the film of it.
    pub fn forget_events_of(&mut self, gone: &SegmentInfo) -> Result<(), StoreError> {
        if gone.stream != StreamName::Main {
            return Ok(());
        }
        let first = self.first_segment(gone.camera, gone.stream)?.map_or(gone.end, |first| first.start.min(gone.end));
        let over = |event: &Event, by: Timestamp| event.end.is_some_and(|end| end <= by);
        let mut events = self.events_in(gone.camera, gone.start, gone.end)?;
        events.retain(|event| over(event, gone.end));
        let before = starts(&gone.camera.to_bytes(), None, Some(first));
        let before: Vec<Event> = self.first_spans(&before, Order::Forward, FORGOTTEN)?;
        let forgotten: HashSet<_> = events.iter().map(|event| event.id).collect();
        events.extend(before.into_iter().filter(|event| over(event, first) && !forgotten.contains(&event.id)));
        events.iter().try_for_each(|event| self.remove_event(event))
    }
    /// A page of events of some cameras, newest first.
    pub fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        let mut cameras = query.cameras.clone();
        cameras.sort_unstable();
        cameras.dedup();
        // With one camera a page is one scan; with many most of a page is of a few of them.
        let chunk = if cameras.len() == 1 && query.kind.is_none() { query.limit.saturating_add(1) } else { 16 };
        let mut sources: Vec<_> = cameras.into_iter().map(|camera| Source::new(query, camera, chunk)).collect();

        let mut page = EventPage { items: Vec::new(), next: None };
        let mut last = query.after;
        for examined in 0.. {
            let mut newest: Option<(EventCursor, usize)> = None;
            for (i, source) in sources.iter_mut().enumerate() {
                newest = newest.max(source.head(self)?.map(|at| (at, i)));
            }
            let Some((at, i)) = newest else { break };
            if page.items.len() >= query.limit || examined == MAX_EXAMINED {
                page.next = last;
                break;
            }
            last = Some(at);
            page.items.extend(sources[i].take().filter(|event| query.kind.is_none_or(|kind| event.kind == kind)));
        }
        Ok(page)
    }
}

/// The events of one camera, newest first, read in chunks.
struct Source {
    rest: KeyRange,
    chunk: usize,
    read: VecDeque<Event>,
    done: bool,
}

impl Source {
    fn new(query: &EventQuery, camera: CameraId, chunk: usize) -> Self {
        let mut rest = starts(&camera.to_bytes(), query.from, query.to);
        if let Some(EventCursor(after)) = query.after {
            let mut end = starts(&camera.to_bytes(), None, None).from;
            end.extend_from_slice(&after);
            rest.to = Some(rest.to.map_or(end.clone(), |to| to.min(end)));
        }
        Self { rest, chunk: chunk.min(MAX_CHUNK), read: VecDeque::new(), done: false }
    }

    /// Where the next event is.
    fn head(&mut self, db: &Db) -> Result<Option<EventCursor>, StoreError> {
        if self.read.is_empty() && !self.done {
            let events: Vec<Event> = db.first_spans(&self.rest, Order::Backward, self.chunk)?;
            self.done = events.len() < self.chunk;
            if let Some(last) = events.last() {
                let mut end = starts(&last.camera.to_bytes(), None, None).from;
                end.extend_from_slice(&EventCursor::at(last).0);
                self.rest.to = Some(end);
            }
            self.chunk = (self.chunk * 2).min(MAX_CHUNK);
            self.read = events.into();
        }
        Ok(self.read.front().map(EventCursor::at))
    }

    fn take(&mut self) -> Option<Event> {
        self.read.pop_front()
    }
}

impl EventCursor {
    fn at(event: &Event) -> Self {
        let mut bytes = [0; CURSOR];
        bytes[..TIME].copy_from_slice(&key::time(event.start));
        bytes[TIME..].copy_from_slice(&event.id.to_bytes());
        Self(bytes)
    }
}

impl fmt::Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl FromStr for EventCursor {
    type Err = BadEventCursor;
    fn from_str(text: &str) -> Result<Self, BadEventCursor> {
        unhex(text).map(Self).ok_or(BadEventCursor)
    }
}

/// What of an event is not in its key.
#[derive(Serialize, Deserialize)]
pub(crate) struct EventBody {
    kind: EventKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stamp: Option<Stamp>,
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    detail: serde_json::Value,
}

impl Span for Event {
    const TREE: Tree = Tree::Events;
    const LINE: usize = ID;
    const BY_ID: bool = true;
    type Body = EventBody;

    fn line(&self) -> Vec<u8> {
        self.camera.to_bytes().to_vec()
    }
    fn start(&self) -> Timestamp {
        self.start
    }
    fn id(&self) -> [u8; ID] {
        self.id.to_bytes()
    }
    fn end(&self) -> Option<Timestamp> {
        self.end
    }
    fn body(&self) -> EventBody {
        EventBody { kind: self.kind, end: self.end, stamp: self.stamp, detail: self.detail.clone() }
    }
    fn join(mut line: Parts<'_>, start: Timestamp, id: [u8; ID], body: EventBody) -> Result<Self, RowError> {
        let camera = CameraId::from_bytes(line.take()?);
        line.end()?;
        let EventBody { kind, end, stamp, detail } = body;
        Ok(Event { id: EventId::from_bytes(id), camera, kind, start, stamp, end, detail })
    }
}
