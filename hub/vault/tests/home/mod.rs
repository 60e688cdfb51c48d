//! Cameras and people to test with.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::Write;

use base::{CameraId, EpochId, PrincipalId, SimClock};
use vault::*;

/// A camera with its epochs, oldest first.
pub struct Camera {
    pub id: CameraId,
    pub epochs: Vec<EpochSecrets>,
}

impl Camera {
    pub fn new(epochs: usize) -> Self {
        let clock = SimClock::default();
        let id = CameraId::new(&clock);
        let epochs = (0..epochs).map(|_| {
            clock.advance(std::time::Duration::from_secs(1));
            EpochSecrets::generate(EpochId::new(&clock), id)
        });
        Self { id, epochs: epochs.collect() }
    }

    pub fn epoch(&self) -> &EpochSecrets {
        self.epochs.last().unwrap()
    }

    pub fn seal(&self, plain: &[u8]) -> Vec<u8> {
        seal_to(&self.epoch().public().footage, plain)
    }

    /// Every key of every epoch for these purposes.
    pub fn keys(&self, purposes: &[Purpose], to: &PrincipalRecipient) -> Vec<WrappedKey> {
        self.epochs.iter().flat_map(|epoch| purposes.iter().map(|p| epoch.wrap(*p, to))).collect()
    }
}

pub fn seal_to(to: &FootageRecipient, plain: &[u8]) -> Vec<u8> {
    let mut sealer = seal(to, Vec::new()).unwrap();
    for part in plain.chunks(10_000) {
        sealer.write_all(part).unwrap();
    }
    sealer.finish().unwrap()
}

/// A viewer of these cameras for these purposes.
pub fn viewer(cameras: &[(&Camera, &[Purpose])]) -> Viewer {
    let identity = PrincipalIdentity::generate();
    let keys = cameras.iter().flat_map(|(camera, purposes)| camera.keys(purposes, &identity.recipient()));
    let keys = keys.collect();
    Viewer::new(PrincipalId::new(&SimClock::default()), identity, keys)
}

/// Bytes that differ at each place.
pub fn plain(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}
