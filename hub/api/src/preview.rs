//! What motion settings would have found in what was recorded last: its pictures are opened, and looked at as if they came now.

use std::sync::Arc;

use base::footage::{AccessUnit, InitSegment, Track};
use base::{CameraId, Mono, Problem, ProblemKind, Timestamp};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use footage::{Dated, Footage, ReadFragment, SegmentReader};
use jiff::SignedDuration;
use recorder::{Review, Reviewed};
use serde::Serialize;
use tokio::sync::mpsc::Sender;
use vault::Viewer;

use crate::playback::ticks_between;
use crate::problem::Document;

/// Times are counted from so long before what is asked for: its first key picture may be before that.
const BEFORE: SignedDuration = SignedDuration::from_hours(1);

/// What is told, a JSON document a line.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    /// How far it is.
    Progress {
        /// From 0 to 1.
        part: f64,
    },
    /// What would have been an event.
    Event {
        start: Timestamp,
        /// When it was seen last.
        end: Timestamp,
        /// How certain, from 0 to 1.
        score: f32,
        /// Its part of the picture, from 0 to 1.
        area: f32,
        /// Left, top, width and height in parts of the picture, 0 to 1.
        r#box: [f32; 4],
        /// A JPEG of it in Base64, if there is one.
        picture: Option<String>,
    },
    /// All was looked at. The last line, unless it is a problem.
    Done {
        /// What was looked at.
        from: Timestamp,
        to: Timestamp,
    },
    /// It ended early.
    Problem(Document<'a>),
}

/// Nobody takes the lines any more.
struct Gone;

/// Recorded pictures of one camera, by true time.
pub(crate) struct Pictures {
    footage: Footage,
    viewer: Viewer,
    camera: CameraId,
    /// Segments that are still to be opened, the next one last.
    rest: Vec<Dated>,
    /// The one that is read, and what is added to its times to have them count from [`Pictures::origin`], in ticks of 90 kHz.
    open: Option<(SegmentReader, i64)>,
    origin: Timestamp,
    from: Timestamp,
    to: Timestamp,
}

impl Pictures {
    /// Those from `from` to the end of the last of `segments`, which are sorted by start.
    pub(crate) fn new(
        footage: Footage,
        viewer: Viewer,
        camera: CameraId,
        mut segments: Vec<Dated>,
        (from, to): (Timestamp, Timestamp),
    ) -> Self {
        segments.retain(|segment| segment.end > from && segment.start < to);
        segments.reverse();
        let origin = from.checked_sub(BEFORE).unwrap_or(from);
        Self { footage, viewer, camera, rest: segments, open: None, origin, from, to }
    }

    /// The next ones, with their parameters; their times count from the origin. `None`: there are no more. Blocks.
    fn next(&mut self) -> Option<(Arc<InitSegment>, Vec<AccessUnit>)> {
        loop {
            if let Some((reader, offset)) = &mut self.open
                && let Some(fragment) = reader.next_fragment()
            {
                return Some((Arc::new(reader.init().clone()), pictures(fragment, *offset)));
            }
            let segment = self.rest.pop()?;
            match self.footage.open(&self.viewer, self.camera, &segment.row) {
                Ok(mut reader) => {
                    reader.seek(ticks_between(segment.start, self.from));
                    let offset = ticks_between(self.origin, segment.truly(reader.wall(0)));
                    self.open = Some((reader, offset));
                }
                // As if it had not been recorded.
                Err(e) => {
                    tracing::debug!(segment = %segment.row.id, error = &e as &dyn std::error::Error, "passed over")
                }
            }
        }
    }

    fn time(&self, since: std::time::Duration) -> Timestamp {
        let since = SignedDuration::try_from(since).unwrap_or_default();
        self.origin.checked_add(since).unwrap_or(self.origin)
    }

    /// How much of all is before an instant that counts from the origin.
    fn part(&self, dts_90k: i64) -> f64 {
        let whole = ticks_between(self.from, self.to).max(1) as f64;
        ((dts_90k - ticks_between(self.origin, self.from)) as f64 / whole).clamp(0.0, 1.0)
    }
}

fn pictures(fragment: ReadFragment, offset: i64) -> Vec<AccessUnit> {
    let bytes = Bytes::from(fragment.bytes);
    let of_video = fragment.samples.iter().filter(|sample| sample.track == Track::Video);
    let unit = of_video.filter_map(|sample| {
        let (begin, size) = (sample.offset as usize, sample.size as usize);
        let end = begin.checked_add(size).filter(|end| *end <= bytes.len())?;
        Some(AccessUnit {
            track: Track::Video,
            dts: sample.dts.saturating_add(offset),
            cts_offset: sample.cts_offset,
            duration: sample.duration,
            key: sample.key,
            arrived: Mono::default(),
            data: bytes.slice(begin..end),
        })
    });
    unit.collect()
}

/// Looks at all, and tells how it goes, until that is taken no more.
pub(crate) async fn run(pictures: Pictures, review: Review, lines: Sender<std::io::Result<Bytes>>) {
    let told = tokio::select! {
        () = lines.closed() => return,
        told = look(pictures, review, &lines) => told,
    };
    if let Err(Some(problem)) = told {
        let _ = tell(&lines, &Line::Problem(Document::of(&problem))).await; // who is gone wants nothing told
    }
}

/// # Errors
/// Why it cannot be looked at; `None`: nobody takes the lines.
async fn look(
    mut pictures: Pictures,
    mut review: Review,
    lines: &Sender<std::io::Result<Bytes>>,
) -> Result<(), Option<Problem>> {
    let gone = |Gone| None;
    let (mut told, mut any) = (0.0, false);
    loop {
        let read = tokio::task::spawn_blocking(move || {
            let next = pictures.next();
            (pictures, next)
        });
        let next;
        (pictures, next) = read.await.map_err(|_| Some(ProblemKind::Internal.into()))?;
        let Some((init, units)) = next else { break };
        let part = units.last().map_or(0.0, |last| pictures.part(last.dts));
        for unit in units {
            any = true;
            review.show(&init, unit).await?;
        }
        for over in review.over() {
            tell(lines, &event(&pictures, over)).await.map_err(gone)?;
        }
        if part - told >= 0.01 {
            told = part;
            tell(lines, &Line::Progress { part }).await.map_err(gone)?;
        }
    }
    if !any {
        return Err(Some(ProblemKind::NoFootage.into())); // none of it could be opened: not the same as nothing that moves
    }
    for over in review.end().await? {
        tell(lines, &event(&pictures, over)).await.map_err(gone)?;
    }
    tell(lines, &Line::Done { from: pictures.from, to: pictures.to }).await.map_err(gone)
}

fn event(pictures: &Pictures, Reviewed { start, end, best, picture }: Reviewed) -> Line<'static> {
    let bounds = best.bounds;
    Line::Event {
        start: pictures.time(start),
        end: pictures.time(end),
        score: best.score,
        area: best.area,
        r#box: [bounds.left, bounds.top, bounds.width, bounds.height],
        picture: picture.map(|jpeg| BASE64_STANDARD.encode(jpeg)),
    }
}

async fn tell(lines: &Sender<std::io::Result<Bytes>>, line: &Line<'_>) -> Result<(), Gone> {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    lines.send(Ok(text.into())).await.map_err(|_| Gone)
}
