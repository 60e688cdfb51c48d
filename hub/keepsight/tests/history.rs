//! The history on the footage disk: which days lie there, when, and what keeps them from it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::{CameraId, Clock, EventId, HubId, ProblemKind, SharedClock, SimClock, TimeSource, Timestamp};
use footage::Disk;
use keepsight::history;
use store::{Actor, Event, EventKind, ExportHeader, ProtectedSpan, Store};
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(86_400);

struct Rig {
    dir: TempDir,
    clock: SimClock,
    store: Store,
    disk: Disk,
    camera: CameraId,
}

impl Rig {
    /// A hub's store and disk, on 2026-01-01 at noon.
    fn new() -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let clock = SimClock::at("2026-01-01T12:00:00Z".parse().unwrap());
        let disk = Disk::create(&dir.path().join("footage"), &clock).unwrap();
        let store = open(&dir.path().join("store"), HubId::from_bytes([5; 16]), &clock);
        let camera = CameraId::new(&clock);
        Rig { dir, clock, store, disk, camera }
    }
    fn shared(&self) -> SharedClock {
        Arc::new(self.clock.clone())
    }
    fn write(&self) -> usize {
        history::write(&self.store, &self.disk, &self.shared()).unwrap()
    }
    fn event(&self) -> Event {
        let event = Event {
            id: EventId::new(&self.clock),
            camera: self.camera,
            kind: EventKind::Motion,
            start: self.clock.wall(),
            end: None,
            stamp: None,
            detail: serde_json::Value::Null,
        };
        let row = event.clone();
        self.store.urgent_blocking(move |db| db.put_event(&row)).unwrap();
        event
    }
    fn audit(&self, action: &'static str) {
        self.store.urgent_blocking(move |db| db.append_audit(Actor::Hub, action, "").map(drop)).unwrap();
    }
    /// Footage of a day, as far as a folder tells it.
    fn footage(&self, day: &str) -> std::path::PathBuf {
        let dir = self.disk.root().join(self.camera.to_string()).join(day);
        fs::create_dir_all(&dir).unwrap();
        dir
    }
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
    fn folder(&self) -> std::path::PathBuf {
        self.disk.export_dir().join(HubId::from_bytes([5; 16]).to_string())
    }
    fn audit_file(&self) -> std::path::PathBuf {
        self.folder().join("audit")
    }
}

fn open(dir: &Path, hub: HubId, clock: &SimClock) -> Store {
    let options = store::Options { ballast_bytes: 0, ..store::Options::default() };
    Store::open_with(dir, hub, Arc::new(clock.clone()), options).unwrap()
}

fn events(store: &Store, camera: CameraId) -> Vec<Event> {
    store.read_blocking(move |db| db.events_in(camera, Timestamp::MIN, Timestamp::MAX)).unwrap()
}

#[test]
fn a_lost_store_gets_back_all_days_the_protected_spans_and_the_audit_log() {
    let rig = Rig::new();
    rig.footage("2026-01-01");
    let span = ProtectedSpan { camera: rig.camera, from: rig.clock.wall(), to: rig.clock.wall() + DAY, by_rule: false };
    rig.store.urgent_blocking(move |db| db.protect(&span)).unwrap();
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(rig.event());
        rig.audit("test");
        rig.write();
        rig.clock.advance(DAY);
    }
    let lost = rig.event();
    rig.store.close_blocking();

    let new = open(&rig.dir.path().join("new"), HubId::from_bytes([5; 16]), &rig.clock);
    let taken = history::take(&new, &rig.disk).unwrap();
    assert_eq!((taken.days, taken.damaged.len()), (4, 0));
    assert_eq!(taken.until, Some(lost.start - DAY));
    assert_eq!(events(&new, rig.camera), all, "all but what came after the last export");
    assert_eq!(new.read_blocking(|db| db.protected_spans()).unwrap(), [span]);
    new.import(&rig.audit_file()).unwrap();
    assert_eq!(new.check_blocking(|_| {}).unwrap().audit.entries, 4);
    assert_eq!(new.read_blocking(|db| db.setting::<bool>("history-wanted")).unwrap(), Some(false));
    history::take(&new, &rig.disk).unwrap();
    assert_eq!(events(&new, rig.camera), all, "twice is once");
}

#[test]
fn a_day_is_written_until_it_has_been_over_for_a_day_and_only_then_left_alone() {
    let rig = Rig::new();
    rig.footage("2026-01-01");
    let lasting = rig.event();
    rig.write();
    // It is over a minute after midnight: the file of the first day says so.
    rig.clock.step_wall("2026-01-02T00:01:00Z".parse().unwrap(), TimeSource::Ntp);
    let over = Event { end: Some(rig.clock.wall()), ..lasting };
    let row = over.clone();
    rig.store.urgent_blocking(move |db| db.put_event(&row)).unwrap();
    rig.write();
    let new = open(&rig.dir.path().join("new"), HubId::from_bytes([5; 16]), &rig.clock);
    history::take(&new, &rig.disk).unwrap();
    assert_eq!(events(&new, rig.camera), [over]);

    rig.clock.advance(2 * DAY);
    rig.write();
    let first = rig.folder().join("2026-01-01");
    let before = fs::read(&first).unwrap();
    rig.clock.advance(DAY);
    rig.write();
    assert_eq!(fs::read(&first).unwrap(), before, "a day that is settled is not written again");
}

#[test]
fn days_while_the_hub_was_off_are_written_and_days_without_footage_go() {
    let rig = Rig::new();
    let first = rig.footage("2026-01-01");
    rig.event();
    rig.write();
    rig.clock.advance(5 * DAY);
    rig.footage("2026-01-06");
    rig.write();
    let days = |from: u32, to: u32| (from..=to).map(|d| format!("2026-01-{d:02}")).collect::<Vec<_>>();
    assert_eq!(rig.files(), days(1, 6), "each day since the first with footage; the audit log is empty");

    rig.audit("test");
    fs::remove_dir(first).unwrap();
    rig.write();
    assert_eq!(rig.files(), [&days(5, 6)[..], &["audit".to_owned()]].concat(), "yesterday and today are always there");
    assert_eq!(rig.write(), 2, "the audit log is not written again while nothing is added");
}

#[test]
fn another_audit_log_is_never_written_over() {
    let rig = Rig::new();
    rig.audit("first");
    rig.audit("second");
    rig.write();
    let whole = fs::read(rig.audit_file()).unwrap();

    // A store that was made anew without it.
    let new = open(&rig.dir.path().join("new"), HubId::from_bytes([5; 16]), &rig.clock);
    new.urgent_blocking(|db| db.append_audit(Actor::Hub, "other", "").map(drop)).unwrap();
    history::write(&new, &rig.disk, &rig.shared()).unwrap();
    let aside = rig.files().into_iter().find(|name| name.starts_with("audit.before-")).expect("it was set aside");
    assert_eq!(fs::read(rig.folder().join(aside)).unwrap(), whole);
    let log = new.read_blocking(|db| db.audit(0, 9)).unwrap();
    assert_eq!(log.iter().map(|e| &e.action[..]).collect::<Vec<_>>(), ["other", "audit.set-aside"]);
    assert_eq!(ExportHeader::read_whole(&rig.audit_file()).unwrap().1, 2);
}

#[test]
fn a_missing_or_full_disk_delays_it_and_nothing_lands_elsewhere() {
    let rig = Rig::new();
    rig.event();
    let mark = rig.disk.root().join(".keepsight-disk");
    let content = fs::read(&mark).unwrap();
    fs::remove_file(&mark).unwrap();
    let missing = history::write(&rig.store, &rig.disk, &rig.shared()).unwrap_err();
    assert_eq!(missing.kind, ProblemKind::DiskForeign);
    assert!(!rig.folder().exists() || rig.files().is_empty(), "nothing was written");
    fs::write(&mark, content).unwrap();
    assert!(rig.write() > 0);

    let small = Small::mounted(&rig.dir.path().join("small"));
    let disk = Disk::create(&small.0, &rig.clock).unwrap();
    let filler = small.0.join("fill");
    let mut fill = fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut fill, &[7; 4096]).is_ok() {}
    let full = history::write(&rig.store, &disk, &rig.shared()).unwrap_err();
    assert!(matches!(full.kind, ProblemKind::DiskFull | ProblemKind::FileError), "{full}");
    drop(fill);
    fs::remove_file(filler).unwrap();
    assert_eq!(history::write(&rig.store, &disk, &rig.shared()).unwrap(), 2);
}

#[test]
fn a_damaged_day_is_named_and_the_others_are_taken() {
    let rig = Rig::new();
    rig.footage("2026-01-01");
    let first = rig.event();
    rig.write();
    rig.clock.advance(DAY);
    rig.event();
    rig.write();
    let second = rig.folder().join("2026-01-02");
    let mut content = fs::read(&second).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(second, content).unwrap();
    let new = open(&rig.dir.path().join("new"), HubId::from_bytes([5; 16]), &rig.clock);
    let taken = history::take(&new, &rig.disk).unwrap();
    assert_eq!(taken.damaged, ["2026-01-02"]);
    assert_eq!(events(&new, rig.camera), [first]);
    // And what another hub left there is not this one's history.
    let stranger = open(&rig.dir.path().join("stranger"), HubId::from_bytes([6; 16]), &rig.clock);
    assert_eq!(history::take(&stranger, &rig.disk).unwrap().days, 0);
    let ours = fs::read(rig.folder().join("2026-01-01")).unwrap();
    history::write(&stranger, &rig.disk, &rig.shared()).unwrap();
    assert_eq!(fs::read(rig.folder().join("2026-01-01")).unwrap(), ours, "nor is it written over");
}

/// A file system in memory, unmounted in the end.
struct Small(std::path::PathBuf);

impl Small {
    fn mounted(at: &Path) -> Small {
        fs::create_dir(at).unwrap();
        let mount =
            std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(at).status();
        assert!(mount.unwrap().success(), "mounting a file system in memory needs root");
        Small(at.to_owned())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
