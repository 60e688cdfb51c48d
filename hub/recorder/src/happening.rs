//! From findings, picture by picture, to events: what moves, from its beginning to its end. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use base::{BootId, CameraId, Clock, EventId, Mono, Stamp};
use bytes::Bytes;
use serde_json::json;
use store::{Event, EventKind};
use vision::{Attention, Finding, Moving};

/// Nothing moved for so long: it is over. Whatever moves before belongs to it, so that who walks behind a tree is one event.
pub(crate) const QUIET: Duration = Duration::from_secs(10);
const _: () = assert!(Attention::BREAK.as_millis() <= QUIET.as_millis(), "what moves all the time is one event");
/// What is told of something that goes on is told anew so often at most, and only when it is more than before.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// Kinds of things that one event says at most: its row is a small one.
const MAX_OBJECTS: usize = 16;
/// Words that make an event one of another kind, the most telling one last: of the owner's model, or of a camera.
const KINDS: [(&str, EventKind); 2] = [("person", EventKind::Person), ("doorbell", EventKind::Doorbell)];

/// What moves, from the first finding of it to the last.
pub(crate) struct Movement {
    pub since: Mono,
    /// When it was seen last.
    pub last: Mono,
    /// The most certain that was seen of it; `None` where it was not the hub that noticed it.
    pub best: Option<Moving>,
    /// The best picture of it, until it is taken.
    pub picture: Option<Bytes>,
    /// How certain what is in that was.
    pictured: Option<f32>,
}

impl Movement {
    /// It is found.
    pub(crate) fn begin(finding: &Finding) -> Self {
        let Finding { at, since, moving, picture, .. } = finding.clone();
        Self { since, last: at, best: moving, pictured: picture.is_some().then_some(score(moving)), picture }
    }

    /// It goes on. `true`: there is more to tell.
    pub(crate) fn goes_on(&mut self, finding: &Finding) -> bool {
        self.last = self.last.max(finding.at);
        let score_now = score(finding.moving);
        let better = score_now > score(self.best);
        if better {
            self.best = finding.moving;
        }
        let first_picture = finding.picture.is_some() && self.pictured.is_none();
        if finding.picture.is_some() && self.pictured.is_none_or(|pictured| score_now > pictured) {
            (self.picture, self.pictured) = (finding.picture.clone(), Some(score_now));
        }
        better || first_picture
    }
}

/// How certain it is, from 0 to 1.
fn score(moving: Option<Moving>) -> f32 {
    moving.map_or(0.0, |moving| moving.score)
}

/// Something that goes on at a camera.
pub(crate) struct Happening {
    event: Event,
    seen: Movement,
    /// When the hub heard of it last.
    heard: Mono,
    told: Mono,
    /// More was seen than was told.
    untold: bool,
    has_thumbnail: bool,
    /// A picture of it came; it may not have been kept.
    was_pictured: bool,
    /// What moves, in the words of the owner's model.
    objects: BTreeSet<String>,
}

impl Happening {
    /// It begins with the first finding.
    pub(crate) fn begin(camera: CameraId, finding: &Finding, boot: BootId, clock: &dyn Clock) -> Self {
        let now = clock.mono();
        let ago = now.since(finding.since);
        let start = clock.wall() - jiff::SignedDuration::try_from(ago).unwrap_or_default();
        let stamp = Some(Stamp { boot, mono: finding.since });
        let detail = serde_json::Value::Null;
        let event = Event { id: EventId::at(start), camera, kind: EventKind::Motion, start, stamp, end: None, detail };
        let seen = Movement::begin(&heard_by(now, finding));
        let objects = BTreeSet::new();
        let was_pictured = finding.picture.is_some();
        let mut it =
            Self { event, seen, heard: now, told: now, untold: false, has_thumbnail: false, was_pictured, objects };
        it.is_made_of(&finding.objects);
        it
    }

    /// Which event it is.
    pub(crate) fn id(&self) -> EventId {
        self.event.id
    }

    /// The best picture of it, if it is better than the one that is kept; it is to be kept now.
    pub(crate) fn take_picture(&mut self) -> Option<Bytes> {
        self.seen.picture.take()
    }

    /// A picture of it is kept.
    pub(crate) fn has_thumbnail(&mut self) {
        self.has_thumbnail = true;
    }

    /// It goes on. `true`: there is more to tell.
    pub(crate) fn goes_on(&mut self, finding: &Finding, now: Mono) -> bool {
        self.heard = now;
        if !self.has_thumbnail && self.seen.picture.is_none() {
            self.seen.pictured = None; // it could not be kept
        }
        self.untold |= self.seen.goes_on(&heard_by(now, finding));
        // What it is, and the first picture of it, are told at once: somebody may be waiting for a person.
        let known = self.is_made_of(&finding.objects);
        let shown = finding.picture.is_some() && !std::mem::replace(&mut self.was_pictured, true);
        let tell = known || shown || self.untold && now.since(self.told) >= TOLD_EVERY;
        if tell {
            (self.told, self.untold) = (now, false);
        }
        tell
    }

    /// `true`: that is new.
    fn is_made_of(&mut self, objects: &[String]) -> bool {
        let before = self.objects.len();
        let room = MAX_OBJECTS - before;
        self.objects.extend(objects.iter().take(room).cloned());
        for (word, kind) in KINDS {
            if self.objects.contains(word) {
                self.event.kind = kind;
            }
        }
        self.objects.len() > before
    }

    /// When it was seen last.
    pub(crate) fn seen_last(&self) -> Mono {
        self.seen.last
    }

    /// When it is over, if nothing more moves.
    pub(crate) fn over_at(&self) -> Mono {
        self.heard + QUIET
    }

    /// As it is told.
    pub(crate) fn event(&self) -> Event {
        let mut detail = match self.seen.best {
            Some(Moving { score, area, bounds, .. }) => {
                // To two and four places: more is not known.
                let round = |part: f32, places: f32| (f64::from(part) * f64::from(places)).round() / f64::from(places);
                let part = |part: f32| round(part, 10_000.0);
                let bounds = [bounds.left, bounds.top, bounds.width, bounds.height].map(part);
                json!({"score": round(score, 100.0), "area": part(area), "box": bounds})
            }
            None => json!({"by": "camera"}),
        };
        detail["thumbnail"] = json!(self.has_thumbnail);
        if !self.objects.is_empty() {
            detail["objects"] = json!(self.objects);
        }
        Event { detail, ..self.event.clone() }
    }

    /// It is over: it ended when it was seen last.
    pub(crate) fn end(&mut self) {
        let since = self.event.stamp.map_or(Duration::ZERO, |stamp| self.seen.last.since(stamp.mono));
        let length = jiff::SignedDuration::try_from(since).unwrap_or_default();
        self.event.end = Some(self.event.start.saturating_add(length).unwrap_or(self.event.start));
    }
}

/// Whatever a child says of when it was: not to come.
fn heard_by(now: Mono, finding: &Finding) -> Finding {
    Finding { at: finding.at.min(now), ..finding.clone() }
}

#[cfg(test)]
mod tests {
    use base::SimClock;
    use vision::Bounds;

    use super::*;

    fn finding(at_s: u64, since_s: u64, score: f32) -> Finding {
        let bounds = Bounds { left: 0.25, top: 0.5, width: 0.125, height: 0.333_333 };
        let moving = Some(Moving { since: Duration::from_secs(since_s), score, area: 0.041_666, bounds });
        let mono = |s: u64| Mono(s * 1_000_000_000);
        Finding { at: mono(at_s), since: mono(since_s), moving, picture: None, objects: Vec::new() }
    }

    #[test]
    fn an_event_lasts_from_the_first_movement_to_the_last_and_says_the_most_certain_of_it() {
        let clock = SimClock::default();
        let began = clock.mono();
        clock.advance(Duration::from_secs(20));
        let at = |s: u64| s + began.0 / 1_000_000_000;
        let second = |s: u64| Mono(s * 1_000_000_000);
        let wall = clock.wall();
        let (camera, boot) = (CameraId::new(&clock), BootId::new(&clock));
        let mut it = Happening::begin(camera, &finding(at(19), at(17), 0.5), boot, &clock);
        assert_eq!(
            it.event().start,
            wall - jiff::SignedDuration::from_secs(3),
            "since when it moves, not when it was noticed"
        );
        assert_eq!((it.event().end, it.event().id.to_bytes()), (None, it.event().id.to_bytes()));
        assert!(!it.goes_on(&finding(at(22), at(17), 0.9), second(at(22))), "soon after: later, or at its end");
        assert!(it.goes_on(&finding(at(26), at(17), 0.7), second(at(26))), "a better picture of it was seen");
        assert!(!it.goes_on(&finding(at(90), at(17), 0.4), second(at(40))), "less than before, and not to come");
        assert_eq!(it.over_at(), finding(at(50), 0, 0.0).at);
        it.end();
        let event = it.event();
        assert_eq!(event.end.unwrap(), event.start + jiff::SignedDuration::from_secs(23));
        assert_eq!(
            event.detail,
            json!({"score": 0.9, "area": 0.0417, "box": [0.25, 0.5, 0.125, 0.3333], "thumbnail": false})
        );
    }

    #[test]
    fn what_a_camera_noticed_has_a_picture_and_says_who_noticed_it_and_nothing_that_nobody_knows() {
        let clock = SimClock::default();
        let (camera, boot) = (CameraId::new(&clock), BootId::new(&clock));
        let told = |at_s| Finding { moving: None, ..finding(at_s, 1, 0.0) };
        let mut it = Happening::begin(camera, &told(1), boot, &clock);
        assert_eq!(it.event().detail, json!({"by": "camera", "thumbnail": false}));
        let picture = |at_s, bytes: &'static [u8]| Finding { picture: Some(Bytes::from_static(bytes)), ..told(at_s) };
        let now = clock.mono();
        assert!(!it.goes_on(&told(2), now) && it.goes_on(&picture(3, b"it"), now), "the picture is told at once");
        assert_eq!(it.take_picture().as_deref(), Some(&b"it"[..]));
        it.has_thumbnail();
        assert!(!it.goes_on(&picture(4, b"another"), now));
        assert_eq!((it.take_picture(), it.event().detail), (None, json!({"by": "camera", "thumbnail": true})));
    }

    #[test]
    fn what_moves_is_told_at_once_and_with_a_person_in_it_it_is_another_kind_of_event() {
        let clock = SimClock::default();
        let (camera, boot) = (CameraId::new(&clock), BootId::new(&clock));
        let of = |at_s, objects: &[&str]| Finding {
            objects: objects.iter().map(|word| (*word).to_owned()).collect(),
            ..finding(at_s, 1, 0.5)
        };
        let mut it = Happening::begin(camera, &of(1, &[]), boot, &clock);
        assert_eq!((it.event().kind, it.event().detail.get("objects")), (EventKind::Motion, None));
        let now = Mono(2_000_000_000);
        assert!(it.goes_on(&of(2, &["dog"]), now) && !it.goes_on(&of(3, &["dog"]), now), "news once");
        assert_eq!((it.event().kind, &it.event().detail["objects"]), (EventKind::Motion, &json!(["dog"])));
        assert!(it.goes_on(&of(3, &["person", "dog"]), now));
        assert_eq!((it.event().kind, &it.event().detail["objects"]), (EventKind::Person, &json!(["dog", "person"])));
        assert!(it.goes_on(&of(3, &["doorbell"]), now));
        assert_eq!(
            (it.event().kind, it.event().detail["objects"].clone()),
            (EventKind::Doorbell, json!(["dog", "doorbell", "person"]))
        );
        for n in 0..99 {
            it.goes_on(&of(4, &[&format!("thing {n}")]), now);
        }
        assert_eq!(it.event().detail["objects"].as_array().unwrap().len(), MAX_OBJECTS);
        assert_eq!(Happening::begin(camera, &of(1, &["person"]), boot, &clock).event().kind, EventKind::Person);
    }

    #[test]
    fn the_best_picture_is_kept_and_a_better_one_in_its_place() {
        let clock = SimClock::default();
        let (camera, boot) = (CameraId::new(&clock), BootId::new(&clock));
        let pictured = |at_s, score, picture: &'static [u8]| Finding {
            picture: Some(Bytes::from_static(picture)),
            ..finding(at_s, 1, score)
        };
        let mut it = Happening::begin(camera, &finding(1, 1, 0.5), boot, &clock);
        assert_eq!(it.take_picture(), None);
        let now = Mono(10_000_000_000);
        it.goes_on(&pictured(2, 0.4, b"first"), now);
        it.goes_on(&pictured(3, 0.3, b"worse"), now);
        assert_eq!(it.take_picture().as_deref(), Some(&b"first"[..]));
        it.has_thumbnail();
        assert!(it.event().detail["thumbnail"] == json!(true) && it.take_picture().is_none());
        it.goes_on(&pictured(4, 0.3, b"worse"), now);
        it.goes_on(&pictured(5, 0.9, b"best"), now);
        assert_eq!(it.take_picture().as_deref(), Some(&b"best"[..]));
    }
}
