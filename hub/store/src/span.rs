//! Rows with a time: segments, events and gaps share one layout.
//!
//! ```text
//! r <line> <start, 9 bytes> <id, 16 bytes>   → what is not in the key
//! o <line> <start> <id>                      → nothing: the row above has no end yet
//! i <id>                                     → the row's key; only where rows are asked for by id, and only of a row
//!                                              whose start is not the time in its id, to the millisecond
//! ```
//!
//! A *line* is what has a timeline of its own: a camera's id, and for segments and gaps one byte for the stream. Rows
//! of one line lie beside each other in the order of time.

use std::ops::{ControlFlow, Range};

use base::footage::StreamName;
use base::{CameraId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::db::Db;
use crate::engine::{KeyRange, Order, Tree, after_prefix};
use crate::error::StoreError;
use crate::key::{self, ID, Parts, TIME};
use crate::row::RowError;

/// A row with a time.
pub(crate) trait Span: Sized {
    /// Where its rows lie.
    const TREE: Tree;
    /// Bytes of its line.
    const LINE: usize;
    /// It is asked for by id alone.
    const BY_ID: bool;
    /// What of it is not in the key.
    type Body: Serialize + DeserializeOwned;

    fn line(&self) -> Vec<u8>;
    fn start(&self) -> Timestamp;
    fn id(&self) -> [u8; ID];
    /// `None` while it lasts.
    fn end(&self) -> Option<Timestamp>;
    fn body(&self) -> Self::Body;
    fn join(line: Parts<'_>, start: Timestamp, id: [u8; ID], body: Self::Body) -> Result<Self, RowError>;
    /// It has not ended yet, and shall be found by that.
    fn is_open(&self) -> bool {
        self.end().is_none()
    }
}

const ROW: &[u8] = b"r";
const OPEN: &[u8] = b"o";
const BY_ID: &[u8] = b"i";

/// Rows of a line hardly overlap: two connections, or a clock that was set back. So those that reach into a span of
/// time but started before it are among the last so many.
const LOOK_BACK_ROWS: usize = 16;

impl Db {
    pub(crate) fn put_span<S: Span>(&mut self, span: &S) -> Result<(), StoreError> {
        let place = place(span);
        if S::BY_ID {
            self.put_index(span, &place)?;
        }
        let open = key::key(&[OPEN, &place]);
        match (span.is_open(), self.contains(S::TREE, &open)?) {
            (true, false) => self.put_raw(S::TREE, open, b"")?,
            (false, true) => self.delete(S::TREE, open)?,
            _ => {}
        }
        self.put(S::TREE, key::key(&[ROW, &place]), &span.body())
    }

    pub(crate) fn delete_span<S: Span>(&mut self, span: &S) -> Result<(), StoreError> {
        let index = key::key(&[BY_ID, &span.id()]);
        if S::BY_ID && self.contains(S::TREE, &index)? {
            self.delete(S::TREE, index)?;
        }
        self.delete_place(S::TREE, &place(span))
    }

    /// Has the row be found by its id at its place, and nowhere else.
    fn put_index<S: Span>(&mut self, span: &S, place: &[u8]) -> Result<(), StoreError> {
        let index = key::key(&[BY_ID, &span.id()]);
        let indexed = self.get_raw(S::TREE, &index)?;
        let before = match &indexed {
            Some(before) => Some(before.clone()),
            None => self.place_by_time::<S>(&span.line(), span.id())?,
        };
        if let Some(before) = before.filter(|before| before != place) {
            self.delete_place(S::TREE, &before)?; // its start was corrected
        }
        // An index of a million rows would be as large as they are, and ids hold the time at which they were made.
        match (id_time(span.id()).is_some_and(|times| times.contains(&span.start())), indexed) {
            (false, Some(indexed)) if indexed == place => Ok(()),
            (false, _) => self.put_raw(S::TREE, index, place),
            (true, Some(_)) => self.delete(S::TREE, index),
            (true, None) => Ok(()),
        }
    }

    /// The place of a row of a line whose start is the time in its id.
    fn place_by_time<S: Span>(&self, line: &[u8], id: [u8; ID]) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(times) = id_time(id) else { return Ok(None) };
        let mut place = None;
        self.scan(S::TREE, &starts(line, Some(times.start), Some(times.end)), Order::Forward, |key, _| {
            Ok(match key.ends_with(&id) {
                true => {
                    place = Some(key[ROW.len()..].to_vec());
                    ControlFlow::Break(())
                }
                false => ControlFlow::Continue(()),
            })
        })?;
        Ok(place)
    }

    fn delete_place(&mut self, tree: Tree, place: &[u8]) -> Result<(), StoreError> {
        let open = key::key(&[OPEN, place]);
        if self.contains(tree, &open)? {
            self.delete(tree, open)?;
        }
        self.delete(tree, key::key(&[ROW, place]))
    }

    /// By id; only where [`Span::BY_ID`].
    pub(crate) fn span_by_id<S: Span>(&self, id: [u8; ID]) -> Result<Option<S>, StoreError> {
        if let Some(place) = self.get_raw(S::TREE, &key::key(&[BY_ID, &id]))? {
            return self.span_at(&place);
        }
        for line in self.lines::<S>()? {
            if let Some(place) = self.place_by_time::<S>(&line, id)? {
                return self.span_at(&place);
            }
        }
        Ok(None)
    }

    pub(crate) fn span_at<S: Span>(&self, place: &[u8]) -> Result<Option<S>, StoreError> {
        let key = key::key(&[ROW, place]);
        let Some(body) = self.get(S::TREE, &key)? else { return Ok(None) };
        from_place(place, body).map(Some).map_err(|e| StoreError::row(S::TREE, &key, e))
    }

    /// Those of a line that have a part in `from..to`, by start.
    pub(crate) fn spans_in<S: Span>(&self, line: &[u8], from: Timestamp, to: Timestamp) -> Result<Vec<S>, StoreError> {
        let mut spans = self.spans_about::<S>(line, from, to)?;
        spans.retain(|span| span.start() >= from || span.end().is_none_or(|end| end > from));
        Ok(spans)
    }

    /// Those of a line that start in `from..to`, and the last few that start before it, by start.
    pub(crate) fn spans_about<S: Span>(
        &self,
        line: &[u8],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<S>, StoreError> {
        let before = KeyRange { from: key::key(&[ROW, line]), to: Some(key::key(&[ROW, line, &key::time(from)])) };
        let mut spans = self.first_spans::<S>(&before, Order::Backward, LOOK_BACK_ROWS)?;
        spans.reverse();
        spans.extend(self.first_spans(&starts(line, Some(from), Some(to)), Order::Forward, usize::MAX)?);
        Ok(spans)
    }

    /// The first of a line in either order.
    pub(crate) fn end_span<S: Span>(&self, line: &[u8], order: Order) -> Result<Option<S>, StoreError> {
        Ok(self.first_spans(&starts(line, None, None), order, 1)?.pop())
    }

    /// The first so many of a range of rows.
    pub(crate) fn first_spans<S: Span>(
        &self,
        range: &KeyRange,
        order: Order,
        limit: usize,
    ) -> Result<Vec<S>, StoreError> {
        let mut spans = Vec::new();
        if limit == 0 {
            return Ok(spans);
        }
        self.scan(S::TREE, range, order, |key, content| {
            spans.push(read(key, content)?);
            Ok(if spans.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(spans)
    }

    /// Those that have not ended.
    pub(crate) fn open_spans<S: Span>(&self) -> Result<Vec<S>, StoreError> {
        let places =
            self.list(S::TREE, &KeyRange::prefix(OPEN), Order::Forward, |key, _| Ok(key[OPEN.len()..].to_vec()))?;
        let mut spans = Vec::with_capacity(places.len());
        for place in places {
            spans.extend(self.span_at(&place)?);
        }
        Ok(spans)
    }

    /// Every line that has rows.
    pub(crate) fn lines<S: Span>(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut lines = Vec::new();
        let mut range = KeyRange::prefix(ROW);
        loop {
            let mut found = None;
            self.scan(S::TREE, &range, Order::Forward, |key, _| {
                found = Some(key.get(ROW.len()..ROW.len() + S::LINE).ok_or(RowError::Key)?.to_vec());
                Ok(ControlFlow::Break(()))
            })?;
            let Some(line) = found else { return Ok(lines) };
            let after = after_prefix(&key::key(&[ROW, &line]));
            lines.push(line);
            match after {
                Some(after) => range.from = after,
                None => return Ok(lines),
            }
        }
    }

    /// Deletes up to `limit` rows of every line of a camera; answers how many there were.
    pub(crate) fn delete_spans_of<S: Span>(&mut self, camera: CameraId, limit: usize) -> Result<usize, StoreError> {
        let range = KeyRange::prefix(&key::key(&[ROW, &camera.to_bytes()]));
        let spans = self.first_spans::<S>(&range, Order::Forward, limit)?;
        spans.iter().try_for_each(|span| self.delete_span(span))?;
        Ok(spans.len())
    }
}

/// The millisecond in which an id was made; `None` if there is no such time.
fn id_time([m0, m1, m2, m3, m4, m5, ..]: [u8; ID]) -> Option<Range<Timestamp>> {
    let ms = i64::from_be_bytes([0, 0, m0, m1, m2, m3, m4, m5]);
    Some(Timestamp::from_millisecond(ms).ok()?..Timestamp::from_millisecond(ms + 1).ok()?)
}

/// The rows of a line that start in `from..to`.
pub(crate) fn starts(line: &[u8], from: Option<Timestamp>, to: Option<Timestamp>) -> KeyRange {
    let at = |time| key::key(&[ROW, line, &key::time(time)]);
    let all = KeyRange::prefix(&key::key(&[ROW, line]));
    KeyRange { from: from.map_or(all.from, at), to: to.map(at).or(all.to) }
}

/// Reads a row.
pub(crate) fn read<S: Span>(key: &[u8], content: &[u8]) -> Result<S, RowError> {
    let place = key.strip_prefix(ROW).ok_or(RowError::Key)?;
    from_place(place, serde_json::from_slice(content).map_err(RowError::Content)?)
}

/// Checks any row of the tree, whichever kind it is.
pub(crate) fn check<S: Span>(key: &[u8], content: &[u8]) -> Result<(), RowError> {
    let (kind, rest) = key.split_at_checked(1).ok_or(RowError::Key)?;
    let (place, in_order) = match kind {
        ROW => return read::<S>(key, content).map(drop),
        OPEN => (rest, content.is_empty()),
        BY_ID => (content, rest.len() == ID && content.ends_with(rest)),
        _ => return Err(RowError::Key),
    };
    if in_order && place.len() == S::LINE + TIME + ID { Ok(()) } else { Err(RowError::Key) }
}

/// A camera's stream as a line.
pub(crate) fn stream_line(camera: CameraId, stream: StreamName) -> Vec<u8> {
    let stream = match stream {
        StreamName::Main => 0,
        StreamName::Sub => 1,
    };
    key::key(&[&camera.to_bytes(), &[stream]])
}

/// Bytes of [`stream_line`].
pub(crate) const STREAM_LINE: usize = ID + 1;

/// From [`stream_line`].
pub(crate) fn parse_stream_line(mut line: Parts<'_>) -> Result<(CameraId, StreamName), RowError> {
    let camera = CameraId::from_bytes(line.take()?);
    let stream = match line.take()? {
        [0] => StreamName::Main,
        [1] => StreamName::Sub,
        [_] => return Err(RowError::Key),
    };
    line.end()?;
    Ok((camera, stream))
}

fn place<S: Span>(span: &S) -> Vec<u8> {
    key::key(&[&span.line(), &key::time(span.start()), &span.id()])
}

fn from_place<S: Span>(place: &[u8], body: S::Body) -> Result<S, RowError> {
    let (line, rest) = place.split_at_checked(S::LINE).ok_or(RowError::Key)?;
    let mut rest = Parts(rest);
    let (start, id) = (key::parse_time(rest.take()?)?, rest.take()?);
    rest.end()?;
    S::join(Parts(line), start, id, body)
}
