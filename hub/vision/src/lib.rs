//! Decoding of hostile video, in child processes that can do nothing else: still pictures, and looking for motion.
//!
//! ```text
//! Stills ── one coded picture, by a socket ──▶ child: no files, no network, no keys ── JPEG, in a memfd ──▶ Stills
//! Feed ── one camera's pictures, likewise ───▶ child: the same ───── what moves, and a JPEG of it ────▶ Watch
//! Looking ── what moves, in colour ───────────▶ child with a model: the same ─ what is what ─────────────▶ Finding
//! Planner ── a decoder's name ───────────────▶ child: the same ───── how it did at a known film ───────▶ Decoders
//! ```
//!
//! A child is a process of the same binary (a hidden subcommand that calls [`child::main`]). **It sees one picture in its
//! life, or one camera**: there is nothing in it that a picture of another camera could be mixed up with or be shown to, whatever
//! its decoder does. (The one with a model is given parts of decoded pictures of all cameras, and gives back names and places only.)
//! The next one for a still is started before it is asked for, so that nobody waits for a start.
//!
//! What comes out of a child is taken as hostile too: a length within a file of fixed size, a short text, a few numbers.
//! [`Motion`], which a child looks with, needs none of it: small grey pictures in, findings out.
//! The crate knows no camera ids, keys or files. `docs/sandbox.md` says what a child may do, and what is missing on which
//! kernel.

mod attempts;
mod attention;
pub mod child;
mod choice;
mod clip;
mod coded;
mod decode;
mod devices;
mod feed;
mod grey;
mod motion;
mod objects;
mod pictures;
mod planner;
mod sandbox;
mod spawn;
mod stills;
mod trial;
mod watch;
mod wire;

pub use base::runtime::{Provider, Runtime};

pub use attention::{Attention, Look};
pub use choice::Using;
pub use coded::{Codec, Coded};
pub use feed::Feed;
pub use grey::Grey;
pub use motion::{Bounds, Motion, Moving, Polygon, Seen, Sensitivity, Settings as MotionSettings};
pub use objects::{About, MAX_DESCRIPTION_BYTES, MAX_MODEL_BYTES, Model, Objects, Outcome, Rest, Tried};
pub use planner::{Decoder, Decoders};
pub use sandbox::Sandbox;
pub use spawn::Program;
pub use stills::{Limits, StillError, Stills};
pub use watch::{Eyes, Finding, Sight, Watch};
pub use wire::Attempt;
