//! How cameras fail: what a test can have a simulated one do.

use std::borrow::Cow;

use bytes::Bytes;
use rtsp_server::{Admit, Media, Packet, Parting};

/// How a camera is broken, until it is told to be well again. What happens only once is in
/// [`Simulator`](crate::Simulator): `cut`, `reset`, `jump`, `jump_sound`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Stays connected, answers requests, and sends no pictures and no sound. When well again it goes on with the
    /// next key picture on the same connections, and what would have been sent in between is lost.
    Stall,
    /// Sends pictures but no sound, though it describes it; when well again, the sound comes as it is by then: late, if it
    /// was mute from the start.
    Mute,
    /// Closes the connections that play, and each new one as soon as it plays.
    Close,
    /// Closes the connections that play, and answers everything with 401, as if its password had been changed.
    Unauthorised,
    /// Resets the connections that play, and those that ask for it.
    Refuse,
    /// Resets the connections that play, and those that ask for it, as while a device starts again. When well again it
    /// counts from other sequence numbers and timestamps.
    Reboot,
    /// The connections that play stay, half open: nothing is sent or answered on them ever again, not even when it is
    /// well. New ones hang in the same way.
    HalfOpen,
    /// The same, but that new connections are reset.
    HalfOpenRefusing,
    /// Its parameter sets are rubbish: garbage within the stream, none in its description.
    BadParameters,
    /// Its description has no parameter sets: they come with the first key picture only.
    NoParameters,
    /// Its description has the parameter sets of its other stream; within the stream come the right ones.
    WrongParameters,
    /// One packet in so many never comes, and the sequence numbers show it: pictures are missing or incomplete.
    Loss {
        /// 1 loses all of them.
        one_in: u32,
    },
    /// All bytes, of answers and of pictures, come one by one. When well again, what has waited comes at once.
    Trickle {
        /// How many.
        bytes_per_s: u32,
    },
    /// Hostile: each picture goes on and on and never ends, as many times its size as [`ENDLESS`] says.
    EndlessPicture,
}

/// How much larger a picture of [`Fault::EndlessPicture`] is than one that ends.
pub(crate) const ENDLESS: usize = 100;

/// What a camera is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Control {
    pub fault: Option<Fault>,
    /// How many times its connections were closed.
    pub cuts: u64,
    /// How many times its connections were reset.
    pub resets: u64,
    /// How many times it started again.
    pub boots: u64,
    /// Its streams send the pictures of one another.
    pub changed: bool,
    /// How far its media clock was set ahead.
    pub ahead_ms: i64,
    /// How far the clock of its sound alone was set ahead, beyond that.
    pub sound_ahead_ms: i64,
}

impl Control {
    /// How far the clock of a track was set ahead; track 0 is the pictures.
    pub fn ahead_ms_of(self, track: usize) -> i64 {
        let alone = if track == 0 { 0 } else { self.sound_ahead_ms };
        self.ahead_ms.wrapping_add(alone)
    }
}

impl Fault {
    /// What it does to who asks.
    pub(crate) fn admit(self) -> Admit {
        match self {
            Fault::Unauthorised => Admit::Unauthorised,
            Fault::Refuse | Fault::Reboot | Fault::HalfOpenRefusing => Admit::Refuse,
            Fault::HalfOpen => Admit::Silence,
            Fault::Stall
            | Fault::Mute
            | Fault::Close
            | Fault::BadParameters
            | Fault::NoParameters
            | Fault::WrongParameters
            | Fault::Loss { .. }
            | Fault::Trickle { .. }
            | Fault::EndlessPicture => Admit::Yes,
        }
    }

    /// How it leaves who plays.
    pub(crate) fn parting(self) -> Option<Parting> {
        match self {
            Fault::Close | Fault::Unauthorised => Some(Parting::Close),
            Fault::Refuse | Fault::Reboot => Some(Parting::Reset),
            Fault::HalfOpen | Fault::HalfOpenRefusing => Some(Parting::Silence),
            Fault::Stall
            | Fault::Mute
            | Fault::BadParameters
            | Fault::NoParameters
            | Fault::WrongParameters
            | Fault::Loss { .. }
            | Fault::Trickle { .. }
            | Fault::EndlessPicture => None,
        }
    }
}

/// The tracks without their parameter sets.
pub(crate) fn without_parameters(tracks: &[Media]) -> Cow<'_, [Media]> {
    let without = |track: &Media| match track {
        Media::H264 { framerate, .. } => Media::H264 { parameter_sets: None, framerate: *framerate },
        Media::H265 { framerate, .. } => Media::H265 { parameter_sets: None, framerate: *framerate },
        other => other.clone(),
    };
    Cow::Owned(tracks.iter().map(without).collect())
}

/// Makes garbage of a parameter set of the first track, as [`rtsp_server::rtp`] packs it.
pub(crate) fn spoil_parameters(packet: &mut Packet, h265: bool) {
    let (header, is_set): (usize, fn(u8) -> bool) = match h265 {
        true => (2, |first| matches!(first >> 1 & 63, 32..=34)),
        false => (1, |first| matches!(first & 31, 7 | 8)),
    };
    if packet.track == 0
        && packet.payload.first().is_some_and(|first| is_set(*first))
        && let Some((header, body)) = packet.payload.split_at_checked(header)
    {
        packet.payload = header.iter().copied().chain(body.iter().map(|_| 0xff)).collect();
    }
}

/// Replaces a picture by parts of one that never ends and stands at `timestamp`. Sound stays.
pub(crate) fn never_end(packets: &mut Vec<Packet>, timestamp: &mut Option<u32>, seq: &mut u16) {
    let Some(first) = packets.first().filter(|p| p.track == 0).cloned() else { return };
    let timestamp = *timestamp.get_or_insert_with(|| {
        *seq = first.seq;
        first.timestamp
    });
    let part = Packet { marker: false, payload: Bytes::from_static(&[1; 60_000]), timestamp, ..first };
    let bytes: usize = packets.iter().map(|p| p.payload.len()).sum();
    *packets = vec![part; (bytes * ENDLESS).div_ceil(60_000)];
    for packet in packets {
        packet.seq = *seq;
        *seq = seq.wrapping_add(1);
    }
}
