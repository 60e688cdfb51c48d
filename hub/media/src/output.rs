//! Where an ingest's pictures and sound go.

use base::Mono;
use base::footage::{AccessUnit, Fragment, InitSegment};

/// Takes what a camera sends. Every method is called in the thread that read from the camera, which also reads
/// from all other cameras: none may block, wait or take long.
///
/// The order is: [`Output::init`], then units and fragments, then perhaps `init` again with other parameters, and
/// so on. The first unit and the first fragment after an `init` begin with a key picture. Every unit is given twice:
/// at once by [`Output::unit`] and, up to half a second later, inside a fragment. When the ingest ends, what was
/// held back is given out, and the output is dropped before `Ingest::ended` says so.
pub trait Output: Send + 'static {
    /// New parameters, before the first unit that needs them. `zero` is when media time 0 of the connection was:
    /// the arrival of its first key picture.
    fn init(&mut self, init: InitSegment, zero: Mono);
    /// A run of at most half a second, for recording.
    fn fragment(&mut self, fragment: Fragment);
    /// One picture or audio frame as soon as it has arrived, for looking live and for watching.
    fn unit(&mut self, unit: &AccessUnit);
    /// The camera has sound that cannot be kept, named as in its session description (`l16`), perhaps with the reason
    /// (`pcmu, which …`). The picture is kept. Called at most once; before the first `init`, unless an encoder fails later.
    fn sound_dropped(&mut self, encoding: &str);
    /// A camera of `rtsps:` showed this certificate, which nothing else vouches for, and none was expected of it: the
    /// SHA-256 of its DER form in lower-case hexadecimal. Called at most once, right after the first picture.
    fn certificate(&mut self, _fingerprint: &str) {}
    /// The pictures of a camera of this machine are encoded with this element of GStreamer. Called at most once, before `init`.
    fn encodes(&mut self, _name: &str) {}
}
