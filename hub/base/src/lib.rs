//! Words of the hub: ids, units, time, states, reasons, errors, atomic files, shutdown.
//!
//! Stands on nothing; everything else stands on it.

pub mod clock;
pub mod element;
pub mod footage;
pub mod fs;
mod hardware;
pub mod id;
pub mod problem;
pub mod runtime;
pub mod shutdown;
pub mod state;
mod transport;

pub use clock::{Clock, Mono, SharedClock, SimClock, Stamp, SystemClock, TimeSource};
pub use hardware::{BadHardwareAddress, HardwareAddress};
pub use id::{
    BootId, CameraId, ConnectionId, DiskId, EpochId, EventId, GapId, HubId, KitId, PrincipalId, ResetId, RuleId,
    SecretId, SegmentId,
};
pub use jiff::Timestamp;
pub use problem::{Problem, ProblemKind};
pub use shutdown::Shutdown;
pub use transport::{BadTransport, Transport};

/// Fills a buffer with random bytes from the kernel.
///
/// # Panics
/// If the kernel gives none, which Linux does not do once booted: nothing safe could go on.
pub fn random(buf: &mut [u8]) {
    getrandom::fill(buf).expect("the kernel gives random bytes");
}

fn ntp_synchronised() -> bool {
    // SAFETY: timex is a plain C struct of integers, for which all zeroes is a value; with modes = 0 adjtimex
    // only reads the kernel's state into it.
    let (state, status) = unsafe {
        let mut t: nix::libc::timex = std::mem::zeroed();
        (nix::libc::adjtimex(&mut t), t.status)
    };
    state >= 0 && status & nix::libc::STA_UNSYNC == 0
}
