//! The hub notices by itself what moves: a child looks at the pictures.

use base::footage::{AccessUnit, InitSegment, StreamName};
use base::state::{Health, Reason};
use base::{Mono, ProblemKind};
use store::{MotionSettings, Sensitivity};
use tokio::sync::watch;
use vision::{Feed, Polygon, Sight, Using, Watch};

use super::{Notices, degraded};
use crate::ring::Hold;

pub(super) struct ByHub {
    feed: Feed,
    sight: watch::Receiver<Sight>,
    using: watch::Receiver<Option<Using>>,
    /// The small stream is connected to.
    _sub: Hold,
}

impl ByHub {
    /// By this watch, which is somebody else's.
    pub fn new(watch: &Watch, sub: Hold) -> Self {
        Self { feed: watch.feed.clone(), sight: watch.sight.clone(), using: watch.using.clone(), _sub: sub }
    }
}

impl Notices for ByHub {
    /// Of any stream: the small one's pictures cost a tenth.
    fn begin(&self, _of: StreamName, init: &InitSegment, zero: Mono) -> bool {
        self.feed.begin(init, zero)
    }

    fn unit(&self, unit: &AccessUnit) {
        self.feed.push(unit);
    }

    fn health(&self) -> Health {
        match *self.sight.borrow() {
            Sight::Starting | Sight::Sees => Health::Ok,
            Sight::NoDecoder => degraded(Reason::NoDecoder, ProblemKind::NoDecoder.into()),
            Sight::Blind => degraded(Reason::NotWatched, ProblemKind::NotWatched.into()),
        }
    }

    fn looked(&self) -> Option<(u64, u64)> {
        Some((self.feed.looked(), self.feed.dropped()))
    }

    fn decodes_with(&self) -> Option<Using> {
        self.using.borrow().clone()
    }
}

pub(crate) fn looked_for(settings: &MotionSettings) -> vision::MotionSettings {
    let polygons = |zones: &[store::Zone]| zones.iter().filter_map(polygon).collect();
    vision::MotionSettings {
        sensitivity: match settings.sensitivity {
            Sensitivity::Low => vision::Sensitivity::Low,
            Sensitivity::Normal => vision::Sensitivity::Normal,
            Sensitivity::High => vision::Sensitivity::High,
        },
        zones: polygons(&settings.zones),
        masks: polygons(&settings.masks),
    }
}

/// Of all zones: a zone has fewer corners than a polygon may have.
fn polygon(zone: &store::Zone) -> Option<Polygon> {
    let part = |at: u16| f32::from(at) / 10_000.0;
    Polygon::new(zone.corners().iter().map(|[x, y]| (part(*x), part(*y))).collect())
}
