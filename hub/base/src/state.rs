//! States and reasons: the few words in which the hub says how it is (promise 5).
//!
//! Each word is the same in code, API, app, metrics and documents.

use serde::{Deserialize, Serialize};

/// How a feature is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Health {
    /// Works.
    Ok,
    /// Works less well, and says why.
    Degraded {
        /// What is wrong, one of the words of the hub.
        reason: Reason,
        /// The same for a person, with what to do.
        detail: String,
    },
    /// Switched off by somebody.
    Off,
}

/// Why a feature is degraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A camera does not answer.
    CameraUnreachable,
    /// A camera refuses the user name or the password.
    CameraUnauthorised,
    /// A camera sends nothing although it is connected.
    CameraStalled,
    /// A camera's stream cannot be recorded.
    CameraUnsupported,
    /// Footage cannot be written.
    DiskError,
    /// Footage is written more slowly than it arrives, or synced late.
    SlowDisk,
    /// No room is left.
    DiskFull,
    /// The footage disk is not the one the hub knows, or none.
    DiskMissing,
    /// The store could not be opened and was rebuilt.
    StoreRebuilt,
    /// Nobody told the hub the time: what it dates is a guess that is put right later.
    NoTrueTime,
    /// The hub has no address that anybody else could reach.
    NoNetwork,
    /// Another device on the network answers to the hub's name.
    HostNameTaken,
    /// Sound of this camera is in a format that cannot be kept.
    AudioDropped,
    /// The kernel lacks a protection that still pictures are decoded behind.
    WeakSandbox,
    /// Nothing on this machine decodes a camera's pictures.
    NoDecoder,
    /// Nothing on this machine encodes for a camera of its own.
    NoEncoder,
    /// What the board should decode with is not there, or of no use: something else does.
    OtherDecoder,
    /// A camera's pictures are not looked at: they cannot be decoded, or who looks at them ends again and again.
    NotWatched,
    /// A camera that is to tell what it notices does not.
    NoCameraEvents,
    /// The owner's model of objects is of no use: what moves is noticed, what it is is not told.
    BadModel,
    /// The machine is hot.
    TooHot,
    /// The machine is slowed down, by heat or weak power.
    Throttled,
    /// The machine gets too little voltage.
    LowVoltage,
    /// A disk has used up its life, or says that it fails.
    DiskWorn,
    /// What the image says of itself cannot be read.
    BadImage,
    /// The newest version that was tried did not do, and the hub went back to the one before.
    UpdateWentBack,
    /// Updates could not be looked for, or one could not be installed.
    UpdateFailed,
}

/// Where a camera is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CameraState {
    /// Being connected to.
    Connecting,
    /// Pictures arrive and are kept.
    Recording,
    /// Connected, but no picture came for a while.
    Stalled,
    /// Refuses the user name or the password; tried slowly, since cameras lock accounts.
    Unauthorised,
    /// Shows another certificate than before; nothing is told to it, not even the password.
    Untrusted,
    /// Does not answer; tried again and again.
    Unreachable,
    /// Answers, but with a stream that cannot be recorded.
    Unsupported,
    /// Answers, but what it sends cannot be read: broken packets or parameters.
    Broken,
    /// Pictures arrive but cannot be written.
    NotWriting,
    /// Somebody paused it.
    Paused,
}

/// Why footage is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The hub was not running (switched off, restarted, power cut).
    HubDown,
    /// The camera closed the connection or could not be reached.
    CameraLost,
    /// The camera stayed connected and sent no pictures.
    CameraStalled,
    /// The camera refused the user name or the password.
    CameraUnauthorised,
    /// The camera's stream could not be recorded.
    CameraUnsupported,
    /// What the camera sent could not be read: broken packets or parameters.
    CameraBroken,
    /// The disk did not take the footage in time, or not at all.
    DiskError,
    /// There was no room.
    DiskFull,
    /// The footage disk was missing or another one.
    DiskMissing,
    /// Somebody paused the camera.
    Paused,
    /// The file was damaged and what was in it is lost.
    Damaged,
}
