//! What the tests of the store share: rows to keep, and engines that watch.

#![allow(dead_code, reason = "each test file uses its part")]

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::footage::{SegmentDetails, SegmentInfo, StreamName, VideoParams};
use base::{
    BootId, CameraId, Clock, EpochId, EventId, HubId, KitId, Mono, PrincipalId, SecretId, SegmentId, SimClock, Stamp,
    SystemClock, Timestamp,
};
use store::engine::{Batch, Engine, EngineError, KeyRange, MemoryEngine, Order, Tree, Visit};
use store::{
    Camera, Claim, Epoch, Event, EventKind, Options, Principal, PrincipalKind, RecoveryKitRow, Role, Secret,
    SecretKind, Store, StoreError, StreamSource,
};
use tempfile::TempDir;
use vault::{
    EpochSecrets, HubSigningKey, Password, PasswordParams, PrincipalIdentity, RecoveryKit, SealedIdentity, SessionToken,
};

pub fn hub() -> HubId {
    HubId::from_bytes(*b"the hub of tests")
}

/// 2026-01-01T00:00:00Z and so many seconds.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap()
}

pub fn camera_id(n: u8) -> CameraId {
    CameraId::from_bytes([n; 16])
}

pub fn options() -> Options {
    Options { ballast_bytes: 0, ..Options::default() }
}

/// A store over sled in a folder of its own.
pub fn sled() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = reopen(&dir);
    (dir, store)
}

pub fn reopen(dir: &TempDir) -> Store {
    try_open(dir).unwrap()
}

pub fn try_open(dir: &TempDir) -> Result<Store, StoreError> {
    Store::open_with(&dir.path().join("store"), hub(), Arc::new(SystemClock), options())
}

/// A store over maps in memory, for tests of what rows mean.
pub fn memory() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let engine = MemoryEngine::default();
    let opener = move || Ok(Box::new(engine.clone()) as Box<dyn Engine>);
    let store = Store::with_engine(dir.path(), hub(), Arc::new(SystemClock), options(), opener).unwrap();
    (dir, store)
}

/// A principal and its identity.
pub fn principal(name: &str, role: Role) -> (Principal, PrincipalIdentity) {
    let clock = SimClock::default();
    let identity = PrincipalIdentity::generate();
    let (id, recipient) = (PrincipalId::new(&clock), identity.recipient());
    let (name, kind) = (name.to_owned(), PrincipalKind::Person);
    (Principal { id, name, kind, role, recipient, created: clock.wall() }, identity)
}

pub fn session(of: &Principal, identity: &PrincipalIdentity) -> (Secret, SessionToken) {
    let token = SessionToken::generate();
    let kind = SecretKind::Session { device: "phone".to_owned(), last_used: at(0), expires: None };
    (secret(of, kind, Some(token.lookup()), token.recipient(), identity.seal_for(&token.recipient())), token)
}

pub fn password(of: &Principal, identity: &PrincipalIdentity) -> Secret {
    let params = PasswordParams::light();
    let derived = Password::new("four unrelated little words".to_owned()).unwrap().derive(&params);
    let sealed = identity.seal_for(&derived.recipient());
    secret(of, SecretKind::Password { params, totp: None }, None, derived.recipient(), sealed)
}

fn secret(
    of: &Principal,
    kind: SecretKind,
    lookup: Option<vault::LookupHash>,
    recipient: vault::SecretRecipient,
    sealed: SealedIdentity,
) -> Secret {
    let clock = SimClock::default();
    Secret { id: SecretId::new(&clock), principal: of.id, kind, lookup, recipient, sealed, created: clock.wall() }
}

pub fn claim(owner: &Principal) -> Claim {
    let clock = SimClock::default();
    let recipient = RecoveryKit::generate().recipient();
    let recovery = RecoveryKitRow { kit: KitId::new(&clock), recipient, created: clock.wall() };
    let verifying_key = HubSigningKey::load(&HubSigningKey::generate()).unwrap().verifying_key();
    Claim { owner: owner.id, at: clock.wall(), recovery, verifying_key }
}

pub fn camera(n: u8) -> Camera {
    let url = format!("rtsp://192.168.1.{n}:554/main");
    let main = StreamSource { url, username: Some("viewer".to_owned()), ..StreamSource::default() };
    let name = format!("camera {n}");
    Camera {
        id: camera_id(n),
        name,
        main,
        sub: None,
        created: at(0),
        paused: false,
        paused_until: None,
        while_home: None,
        record_sub: false,
        motion: None,
    }
}

pub fn epoch(camera: CameraId, id: u8) -> (Epoch, EpochSecrets) {
    let secrets = EpochSecrets::generate(EpochId::from_bytes([id; 16]), camera);
    (Epoch { camera, public: secrets.public(), created: at(i64::from(id)), hub: None, owed: None }, secrets)
}

pub fn segment(camera: u8, start: i64, end: i64) -> SegmentInfo {
    SegmentInfo {
        camera: camera_id(camera),
        id: SegmentId::from_bytes((u128::from(camera) << 64 | start as u128).to_be_bytes()),
        stream: StreamName::Main,
        epoch: Some(EpochId::from_bytes([1; 16])),
        media: None,
        stamp: Some(Stamp { boot: BootId::from_bytes([9; 16]), mono: Mono(start.unsigned_abs()) }),
        start: at(start),
        end: at(end),
        bytes: 20_000_000,
        video: Some(VideoParams { codec: "avc1.64001f".to_owned(), width: 1920, height: 1080 }),
        audio: None,
        fingerprint: Some(7),
        details: SegmentDetails::Closed,
    }
}

/// An id as of the `n`th minute: that of an event that starts then is found without an index.
fn event_id(camera: u8, n: u32) -> EventId {
    let ms = at(i64::from(n) * 60).as_millisecond() as u128;
    EventId::from_bytes((ms << 80 | u128::from(camera) << 64 | u128::from(n)).to_be_bytes())
}

pub fn event(camera: u8, n: u32, start: i64) -> Event {
    Event {
        id: event_id(camera, n),
        camera: camera_id(camera),
        kind: EventKind::Motion,
        start: at(start),
        stamp: None,
        end: Some(at(start + 10)),
        detail: serde_json::Value::Null,
    }
}

/// What an engine was asked, in order, and what it shall do wrong.
#[derive(Debug, Default)]
pub struct Watched {
    pub log: Vec<&'static str>,
    pub opened: usize,
    pub fail: Option<Fail>,
    /// The engine cannot be opened, with this error of the system.
    pub closed_with: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fail {
    Get,
    Scan,
    Apply,
    Flush,
}

/// An engine in memory that writes down what it is asked.
#[derive(Default, Clone)]
pub struct WatchedEngine {
    pub inner: MemoryEngine,
    pub watched: Arc<Mutex<Watched>>,
}

impl WatchedEngine {
    pub fn store(&self, dir: &TempDir, clock: &SimClock) -> Result<Store, StoreError> {
        self.store_that_counts(dir, clock, options().count_at_open)
    }
    /// With so many rows compared while it is opened.
    pub fn store_that_counts(&self, dir: &TempDir, clock: &SimClock, count_at_open: u64) -> Result<Store, StoreError> {
        let engine = self.clone();
        let opener = move || {
            let mut watched = engine.watched.lock().unwrap();
            watched.opened += 1;
            match watched.closed_with {
                Some(errno) => Err(EngineError::Io(std::io::Error::from_raw_os_error(errno))),
                None => Ok(Box::new(engine.clone()) as Box<dyn Engine>),
            }
        };
        let options = Options { count_at_open, ..options() };
        Store::with_engine(dir.path(), hub(), Arc::new(clock.clone()), options, opener)
    }
    pub fn fail(&self, fail: Fail) {
        self.watched.lock().unwrap().fail = Some(fail);
    }
    pub fn note(&self, what: &'static str) {
        self.watched.lock().unwrap().log.push(what);
    }
    /// What was noted since the last time.
    pub fn take_log(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.watched.lock().unwrap().log)
    }

    fn fails(&self, at: Fail) -> Result<(), EngineError> {
        match self.watched.lock().unwrap().fail.take_if(|fail| *fail == at) {
            Some(_) => Err(EngineError::Io(std::io::Error::other("as the test wants it"))),
            None => Ok(()),
        }
    }
}

impl Engine for WatchedEngine {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.fails(Fail::Get)?;
        self.inner.get(tree, key)
    }
    fn scan(&self, tree: Tree, range: &KeyRange, order: Order, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        self.fails(Fail::Scan)?;
        self.inner.scan(tree, range, order, visit)
    }
    fn apply(&mut self, batch: &Batch) -> Result<(), EngineError> {
        self.note("apply");
        self.fails(Fail::Apply)?;
        self.inner.apply(batch)
    }
    fn flush(&mut self) -> Result<(), EngineError> {
        self.note("flush");
        self.fails(Fail::Flush)?;
        self.inner.flush()
    }
}

/// Everything in a tree of an engine.
pub fn content(engine: &dyn Engine, tree: Tree, order: Order) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    let all = KeyRange::all();
    engine
        .scan(tree, &all, order, &mut |key, value| {
            entries.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    entries
}

/// Waits in real time until something is so.
pub fn until(mut is: impl FnMut() -> bool) {
    let begin = SystemClock.mono();
    while !is() {
        assert!(SystemClock.mono().since(begin) < Duration::from_secs(20), "waited too long");
        std::thread::yield_now();
    }
}
