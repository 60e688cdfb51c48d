//! Motion: does something go through the picture? A pure part: small grey pictures in, findings out, time from the pictures.
//!
//! ```text
//! picture ─▶ Scene: what is not as it was, pixel by pixel ─▶ blobs ─▶ Tracks: what goes somewhere ─▶ Seen
//! ```
//!
//! What people mean by motion is something that *goes*: it stays together and gets from one place to another. Most of what
//! changes in a picture does not. Light changes brightness, not structure, so structure is what is compared. Noise is learnt,
//! pixel by pixel. Rain is in another place in each picture. A tree sways, and comes back. A camera on a pole shakes all of its
//! picture. A lamp or the camera's infrared light changes it everywhere at once: then the scene is learnt anew.

mod areas;
mod blobs;
mod scene;
mod tracks;

use std::time::Duration;

use areas::Areas;
pub use areas::Polygon;
use scene::Scene;
use tracks::Tracks;

use crate::grey::Grey;

/// Pictures that come faster are passed over: more say nothing more of what walks.
pub(crate) const EVERY: Duration = Duration::from_millis(140);
/// After such a hole it is another scene, for all that is known.
const LONGEST_HOLE: Duration = Duration::from_secs(30);

/// How small and faint something may be that is still noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sensitivity {
    /// People near by; for a street or a tree in the picture.
    Low,
    /// People and animals in a garden.
    #[default]
    Normal,
    /// Whatever moves, also far away; with false alarms now and then.
    High,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// How much it takes.
    pub sensitivity: Sensitivity,
    /// Only what touches one of these counts; without any, everything.
    pub zones: Vec<Polygon>,
    /// What is in these is not looked at.
    pub masks: Vec<Polygon>,
}

/// What a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Seen {
    /// Something is not as it was: worth more pictures.
    pub suspicion: bool,
    /// Something goes through the picture.
    pub moving: Option<Moving>,
}

/// Something that goes through the picture. Where there are several, the most certain one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moving {
    /// Since when, in the time of the pictures.
    pub since: Duration,
    /// How certain, from 0 to 1.
    pub score: f32,
    /// Its part of the picture, from 0 to 1.
    pub area: f32,
    /// Where it is.
    pub bounds: Bounds,
}

/// A rectangle in parts of the picture, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "they say it themselves")]
pub struct Bounds {
    pub left: f32,
    pub top: f32,
    pub width: f32,
    pub height: f32,
}

/// Looks for motion in the pictures of one camera.
pub struct Motion {
    settings: Settings,
    state: Option<State>,
}

struct State {
    scene: Scene,
    areas: Areas,
    tracks: Tracks,
    last: Duration,
    seen: Seen,
}

impl Motion {
    /// Looks for this.
    pub fn new(settings: Settings) -> Self {
        Self { settings, state: None }
    }

    /// What the next picture shows. `at`: when it was taken, counted from anywhere; at a jump backwards, a long hole or
    /// another size it begins anew.
    pub fn see(&mut self, picture: &Grey, at: Duration) -> Seen {
        let goes_on = self
            .state
            .as_ref()
            .is_some_and(|state| state.scene.is_of(picture) && at >= state.last && at - state.last <= LONGEST_HOLE);
        let Some(state) = self.state.as_mut().filter(|_| goes_on) else {
            let areas = Areas::new(&self.settings, picture.width(), picture.height());
            self.state = Some(State {
                scene: Scene::new(picture, at, self.settings.sensitivity, &areas),
                areas,
                tracks: Tracks::new(self.settings.sensitivity, picture.width(), picture.height(), at),
                last: at,
                seen: Seen::default(),
            });
            return Seen::default();
        };
        if at - state.last < EVERY {
            return state.seen;
        }
        let step = at - state.last;
        state.last = at;
        let Some(changed) = state.scene.see(picture, at, step) else {
            // Everything is another: light went on, or the camera to infrared. What went there is lost sight of.
            state.tracks.forget();
            state.seen = Seen::default();
            return state.seen;
        };
        let blobs = blobs::find(&changed, picture.width(), &state.areas);
        let seen = state.tracks.see(&blobs, at);
        state.seen = if state.scene.learns(at) { Seen::default() } else { seen };
        state.seen
    }
}
