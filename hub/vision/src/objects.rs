//! What is it that moves? Told by a model that the owner of the hub supplies, only of what moves.
//!
//! ```text
//! child that watches a camera ─ the part that moves, in colour ─▶ Looking ─▶ Detecting ─▶ child with the model
//!                                     Finding ◀─ Tracks: what is new ◀─ names and places ◀┘
//! ```
//!
//! One child has the model, for all cameras: it is large, and a small board has room for one. It is given one part of one picture
//! after the other, knows of no camera whose it is, keeps none, and nothing but names, numbers and places comes out of it.

mod alike;
mod description;
mod detecting;
mod hailo;
mod heads;
mod library;
mod loaded;
mod looking;
mod onnx;
mod onnx_runtime;
mod picture;
mod runners;
mod tracks;
mod tract;

pub use detecting::Rest;
pub(crate) use detecting::{Detecting, start};
pub(crate) use hailo::Hailo;
pub(crate) use looking::{Looking, Told};
pub(crate) use onnx::Onnx;
pub(crate) use onnx_runtime::{OnnxRuntime, open};
pub(crate) use picture::{Place, Rgb, Size, part};
pub use runners::{Outcome, Tried};
pub(crate) use tract::prepare;

use std::time::Duration;

use base::Clock;
use base::element::processor_time;
use bytes::Bytes;

use crate::motion::Bounds;
use base::runtime::Provider;

/// The largest model, in bytes. A small one of the usual families has 6 to 25 MB.
pub const MAX_MODEL_BYTES: usize = 64 << 20;
/// The longest description of one, in bytes: a thousand names of forty letters.
pub const MAX_DESCRIPTION_BYTES: usize = 64 << 10;
/// Most names.
pub(crate) const MAX_LABELS: usize = 1_000;
/// The longest name, in letters.
pub(crate) const MAX_LABEL_CHARS: usize = 40;
/// Most objects in a picture.
pub(crate) const MAX_OBJECTS: usize = 32;
/// The longer side of the picture that a model may want, in pixels.
pub(crate) const MAX_SIDE: u16 = 1_280;

/// A model, as its owner supplies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// An ONNX file, or one that was compiled for an accelerator of Hailo's (HEF).
    pub file: Bytes,
    /// What it does not say itself, as TOML; may be empty. `docs/objects.md` has its words.
    pub description: String,
}

impl Model {
    /// What it runs on: `None`: on whatever the hub has.
    pub(crate) fn only_on(&self) -> Option<Provider> {
        hailo::is_hef(&self.file).then_some(Provider::Hailo)
    }
}

/// Whether objects are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Objects {
    /// There is no model: what moves is motion.
    #[default]
    None,
    /// The model is being read.
    Starting,
    /// They are.
    Ready(About),
    /// The model is of no use, or its process ends again and again: why, for a person.
    Failed(String),
}

/// What is known of a model that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// What it tells apart, in its own order.
    pub labels: Vec<String>,
    /// The picture that it wants, in pixels.
    pub width: u16,
    /// See `width`.
    pub height: u16,
    /// Processor time that a picture takes.
    pub per_picture: Duration,
    /// Time that passes meanwhile, if nothing else is to be done.
    pub took: Duration,
    /// Who runs it: `None`: the hub itself, by tract.
    pub by: Option<Provider>,
}

impl About {
    /// What a picture costs: of what computes the processor's time, or the time of the hardware that does it instead.
    pub fn cost(&self) -> Duration {
        if self.by.is_some_and(Provider::is_hardware) { self.took } else { self.per_picture }
    }
}

/// Something that a detector sees.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    /// Which of its labels.
    pub label: usize,
    /// How certain, from 0 to 1.
    pub score: f32,
    /// Where, in parts of the picture that it was shown.
    pub bounds: Bounds,
}

/// Tells what is in a picture.
pub(crate) trait Detector {
    /// The picture that it wants.
    fn size(&self) -> Size;
    /// What it tells apart.
    fn labels(&self) -> &[String];
    /// What is in a picture of that size; [`MAX_OBJECTS`] at most, the most certain first.
    ///
    /// # Errors
    /// Why it cannot say, for a person.
    fn detect(&mut self, picture: &Rgb) -> Result<Vec<Seen>, String>;
}

/// Pictures by which it is measured, after one that does not count: the first one takes longer. The quickest of them counts, since
/// others want the processor too.
const MEASURED: u32 = 3;

/// A detector, with what is known of it once it has looked at a few grey pictures.
///
/// # Errors
/// It cannot: why, for a person.
pub(crate) fn measured(
    mut detector: Box<dyn Detector>,
    by: Option<Provider>,
    clock: &dyn Clock,
) -> Result<(Box<dyn Detector>, About), String> {
    let size = detector.size();
    let grey = Rgb { size, pixels: vec![128; size.bytes()] };
    detector.detect(&grey)?;
    let mut quickest = (Duration::MAX, Duration::MAX);
    for _ in 0..MEASURED {
        let (before, began) = (processor_time(), clock.mono());
        detector.detect(&grey)?;
        let (per_picture, took) = (processor_time() - before, clock.mono().since(began));
        quickest = (quickest.0.min(per_picture), quickest.1.min(took));
    }
    let (per_picture, took) = quickest;
    let labels = detector.labels().to_vec();
    let about = About { labels, width: size.width, height: size.height, per_picture, took, by };
    Ok((detector, about))
}
