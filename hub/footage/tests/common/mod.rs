//! A camera that needs no camera: fragments whose every sample says which one it is.
#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use base::footage::{
    AudioParams, Fragment, InitSegment, Purpose, SegmentDetails, SegmentInfo, StreamName, Track, VideoParams,
};
use base::{BootId, CameraId, ConnectionId, EpochId, HubId, PrincipalId, SimClock, Timestamp};
use footage::bmff::{self, NewRun, NewSample, build_fragment};
use footage::{Disk, Footage, Keeper, Kept, Medium, Options, ReadFragment, StreamWriter};
use vault::{EpochSecrets, PrincipalIdentity, Viewer};

pub const AUDIO_RATE: u32 = 16_000;
const DEADLINE: Duration = Duration::from_secs(30);

/// A hub without a network.
pub struct Rig {
    pub dir: tempfile::TempDir,
    pub clock: SimClock,
    pub hub: HubId,
    pub disk: Disk,
    pub keeper: Keeper,
    pub kept: Receiver<Kept>,
}

impl Rig {
    pub fn new(change: impl FnOnce(&mut Options)) -> Self {
        let clock = SimClock::default();
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::create(dir.path(), &clock).unwrap();
        let (tell, kept) = mpsc::channel();
        let mut options = Options { sync_every: Duration::from_millis(5), ..Options::default() };
        change(&mut options);
        let (hub, boot) = (HubId::new(&clock), BootId::new(&clock));
        let notify = Box::new(move |k| drop(tell.send(k)));
        let shared = Arc::new(clock.clone());
        let keeper = Keeper::start_with(disk.clone(), shared, hub, boot, notify, options).unwrap();
        Self { dir, clock, hub, disk, keeper, kept }
    }

    pub fn footage(&self) -> Footage {
        Footage::new(self.disk.clone(), self.hub)
    }

    pub fn camera(&self) -> Camera {
        Camera::new(&self.clock)
    }

    pub fn stream(&self, camera: &Camera) -> StreamWriter {
        let writer = self.keeper.stream(camera.id, StreamName::Main, camera.secrets.public());
        writer.begin(init(1), camera.connection, camera.started);
        writer
    }

    /// Reports up to and with the first that fits.
    pub fn wait(&self, fits: impl Fn(&Kept) -> bool) -> Vec<Kept> {
        let mut all = Vec::new();
        loop {
            let next = self.kept.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("no such report after {all:#?}"));
            let done = fits(&next);
            all.push(next);
            if done {
                return all;
            }
        }
    }

    /// Stops, and all reports since the last look.
    pub fn stop(&self) -> Vec<Kept> {
        self.keeper.stop();
        self.kept.try_iter().collect()
    }
}

/// A camera whose clock is right: what it sends arrives when it should.
pub struct Camera {
    pub id: CameraId,
    pub secrets: EpochSecrets,
    pub connection: ConnectionId,
    pub started: base::Mono,
    pub clock: SimClock,
    /// Half seconds sent so far.
    pub sent: u64,
    /// Bytes per picture.
    pub picture: usize,
    /// Half seconds from key picture to key picture.
    pub key_every: u64,
}

impl Camera {
    pub fn new(clock: &SimClock) -> Self {
        use base::Clock;
        let id = CameraId::new(clock);
        Self {
            id,
            secrets: EpochSecrets::generate(EpochId::new(clock), id),
            connection: ConnectionId::new(clock),
            started: clock.mono(),
            clock: clock.clone(),
            sent: 0,
            picture: 2_000,
            key_every: 4,
        }
    }

    /// The next half second: ten pictures and eight frames of sound. Time passes.
    pub fn next(&mut self) -> Fragment {
        let fragment = self.make(self.sent);
        self.sent += 1;
        self.clock.advance(Duration::from_millis(500));
        fragment
    }

    /// Any half second of it.
    pub fn make(&self, half: u64) -> Fragment {
        use base::Clock;
        let key = half.is_multiple_of(self.key_every);
        let picture = |n: u64| mark(self.id, Track::Video, half * 10 + n, self.picture);
        let sound = |n: u64| mark(self.id, Track::Audio, half * 8 + n, 60);
        let pictures: Vec<_> = (0..10).map(picture).collect();
        let sounds: Vec<_> = (0..8).map(sound).collect();
        let video = NewRun {
            track: Track::Video,
            dts: half * 45_000,
            samples: pictures
                .iter()
                .enumerate()
                .map(|(n, data)| NewSample { data, duration: 4_500, cts_offset: 0, key: key && n == 0 })
                .collect(),
        };
        let audio = NewRun {
            track: Track::Audio,
            dts: half * 8_000,
            samples: sounds.iter().map(|data| NewSample { data, duration: 1_000, cts_offset: 0, key: true }).collect(),
        };
        let bytes = build_fragment(half as u32, &[video, audio]);
        let layout = bmff::parse_fragment(&bytes).unwrap();
        Fragment {
            samples: layout.runs.iter().flat_map(|r| r.samples.clone()).collect(),
            start_90k: half as i64 * 45_000,
            end_90k: (half as i64 + 1) * 45_000,
            key,
            arrived: self.clock.mono(),
            bytes,
        }
    }

    pub fn viewer(&self) -> Viewer {
        viewer(&self.clock, &[&self.secrets])
    }
}

/// Who was granted the footage of these epochs.
pub fn viewer(clock: &SimClock, epochs: &[&EpochSecrets]) -> Viewer {
    let identity = PrincipalIdentity::generate();
    let keys = epochs.iter().map(|e| e.wrap(Purpose::Footage, &identity.recipient())).collect();
    Viewer::new(PrincipalId::new(clock), identity, keys)
}

/// Bytes that say whose and which sample they are.
pub fn mark(camera: CameraId, track: Track, number: u64, len: usize) -> Vec<u8> {
    let mut data = format!("{camera} {track:?} {number:08} ").into_bytes();
    // Not a pattern that could hide a shift
    let mut x = number.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(3);
    while data.len() < len {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        data.extend(x.to_be_bytes());
    }
    data.truncate(len);
    data
}

/// Parameters of which there are different ones.
pub fn init(kind: u8) -> InitSegment {
    let ftyp = [&[0, 0, 0, 16][..], b"ftyp", b"iso6", &[0, 0, 0, 0]].concat();
    let moov = [&[0, 0, 0, 20][..], b"moov", &[0, 0, 0, 12], b"mvhd", &[0, 0, 0, kind]].concat();
    InitSegment {
        bytes: [ftyp, moov].concat().into(),
        video: VideoParams { codec: "avc1.64001f".into(), width: 1920, height: 1080 },
        audio: Some(AudioParams { codec: "mp4a.40.2".into(), sample_rate: AUDIO_RATE, channels: 1 }),
    }
}

pub fn closed(reports: &[Kept]) -> Vec<SegmentInfo> {
    let closed = |k: &Kept| if let Kept::Closed(info) = k { Some(info.clone()) } else { None };
    reports.iter().filter_map(closed).collect()
}

pub fn dropped(reports: &[Kept]) -> Vec<(Timestamp, Timestamp)> {
    let dropped = |k: &Kept| if let Kept::Dropped { from, to, .. } = k { Some((*from, *to)) } else { None };
    reports.iter().filter_map(dropped).collect()
}

/// The bytes of the pictures in fragments that were read, in order.
pub fn pictures(fragments: &[ReadFragment]) -> Vec<Vec<u8>> {
    samples(fragments, Track::Video)
}

pub fn samples(fragments: &[ReadFragment], track: Track) -> Vec<Vec<u8>> {
    let of = |f: &ReadFragment| {
        let own = f.samples.iter().filter(|s| s.track == track);
        own.map(|s| f.bytes[s.offset as usize..(s.offset + s.size) as usize].to_vec()).collect::<Vec<_>>()
    };
    fragments.iter().flat_map(of).collect()
}

/// One closed segment of `halves` half seconds, in a hub that has stopped. No sync filled a chunk of it.
pub fn one_segment(halves: u64, picture: usize) -> (Rig, Camera, SegmentInfo) {
    let rig = Rig::new(|o| o.sync_every = Duration::from_secs(3_600));
    let mut camera = Camera { picture, ..rig.camera() };
    let writer = rig.stream(&camera);
    for _ in 0..halves {
        writer.push(camera.next()).unwrap();
    }
    let closed = closed(&rig.stop());
    assert_eq!((closed.len(), closed[0].details), (1, SegmentDetails::Closed));
    let info = closed.into_iter().next().unwrap();
    (rig, camera, info)
}

/// A disk whose faults a test switches.
#[derive(Default)]
pub struct BadDisk {
    state: Mutex<Faults>,
    changed: Condvar,
}

#[derive(Default)]
pub struct Faults {
    /// Writes wait.
    pub hold_writes: bool,
    /// Syncs wait.
    pub hold_syncs: bool,
    /// So many more bytes can be written.
    pub room: Option<usize>,
    pub fail_create: bool,
    pub fail_sync: bool,
    /// What was called, in order.
    pub log: Vec<String>,
    /// How long each file was at its last completed sync.
    pub synced: HashMap<PathBuf, u64>,
}

impl BadDisk {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }
    pub fn set<T>(&self, f: impl FnOnce(&mut Faults) -> T) -> T {
        let result = f(&mut self.state.lock().unwrap());
        self.changed.notify_all();
        result
    }
    pub fn wait_for(&self, entry: &str) {
        let state = self.state.lock().unwrap();
        let there = |s: &mut Faults| !s.log.iter().any(|l| l.starts_with(entry));
        let (_state, timeout) = self.changed.wait_timeout_while(state, DEADLINE, there).unwrap();
        assert!(!timeout.timed_out(), "no {entry}");
    }
    fn note(&self, what: &str, path: &Path, held: impl Fn(&Faults) -> bool) -> std::sync::MutexGuard<'_, Faults> {
        let mut state = self.state.lock().unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        state.log.push(format!("{what} {name}"));
        self.changed.notify_all();
        self.changed.wait_while(state, |s| held(s)).unwrap()
    }
}

impl Medium for BadDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        if self.note("create", path, |_| false).fail_create {
            return Err(io::Error::other("the disk is gone"));
        }
        footage::FileSystem.create(path)
    }
    fn write(&self, path: &Path, file: &File, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.note("write", path, |s| s.hold_writes);
        let len = state.room.map_or(bytes.len(), |room| room.min(bytes.len()));
        if len == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.room = state.room.map(|room| room - len);
        footage::FileSystem.write(path, file, &bytes[..len])
    }
    fn sync(&self, path: &Path, file: &File) -> io::Result<()> {
        let len = file.metadata()?.len();
        let mut state = self.note("sync", path, |s| s.hold_syncs);
        if state.fail_sync {
            return Err(io::Error::other("the disk did not answer"));
        }
        footage::FileSystem.sync(path, file)?;
        state.synced.insert(path.to_owned(), len);
        Ok(())
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        drop(self.note("sync folder", dir, |_| false));
        footage::FileSystem.sync_dir(dir)
    }
}
