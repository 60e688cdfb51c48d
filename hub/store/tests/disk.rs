//! A store on a real disk that stops taking data: what was kept stays, who waits is told, and the store comes back by itself
//! when the disk does. Small file systems on loop devices; wants root.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use base::footage::StreamName;
use base::state::{Health, Reason};
use base::{Problem, ProblemKind, SystemClock};
use common::{at, camera_id, hub, options, segment, until};
use store::{Durability, Store, StoreError};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// A file system in a file, mounted beside it.
struct Disk {
    dir: TempDir,
    kind: &'static str,
}

impl Disk {
    fn make(kind: &'static str, options: &str) -> Disk {
        let disk = Disk { dir: tempfile::tempdir().unwrap(), kind };
        // The image is in a file system that heeds "immutable" for open files too, as not every /tmp does.
        let below = disk.dir.path().join("below.image");
        make_fs("ext4", &below, 256 * MIB);
        mount("ext4", "noatime", &below, &disk.below());
        make_fs(kind, &disk.image(), 128 * MIB);
        disk.mount(options);
        disk
    }
    fn mount(&self, options: &str) {
        mount(self.kind, options, &self.image(), &self.root());
    }
    fn unmount(&self) {
        run("umount", &[text(&self.root())]);
    }
    fn below(&self) -> PathBuf {
        self.dir.path().join("below")
    }
    fn image(&self) -> PathBuf {
        self.below().join("image")
    }
    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }
    /// From now on every write to the device fails.
    fn fail(&self) {
        run("chattr", &["+i", text(&self.image())]);
    }
    fn mend(&self) {
        run("chattr", &["-i", text(&self.image())]);
    }

    fn open(&self) -> Store {
        Store::open_with(&self.root().join("store"), hub(), Arc::new(SystemClock), options()).unwrap()
    }
    fn engine_file(&self) -> PathBuf {
        self.root().join("store/sled/db")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        for place in [self.root(), self.below()] {
            let _ = Command::new("umount").args(["-l", text(&place)]).output(); // it may be unmounted already
        }
    }
}

fn make_fs(kind: &str, image: &Path, bytes: u64) {
    std::fs::File::create(image).and_then(|image| image.set_len(bytes)).unwrap();
    run(&format!("mkfs.{kind}"), &["-q", "-F", "-m", "0", text(image)]);
}

fn mount(kind: &str, options: &str, image: &Path, at: &Path) {
    std::fs::create_dir_all(at).unwrap();
    run("mount", &["-t", kind, "-o", &format!("loop,{options}"), text(image), text(at)]);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Keeps segment `n`, as what somebody waits for.
fn keep(store: &Store, n: i64) -> Result<(), StoreError> {
    store.urgent_blocking(move |db| db.put_segment(&segment(1, n, n + 1)))
}

fn has(store: &Store, n: i64) -> bool {
    let found = store.read_blocking(move |db| db.segments(camera_id(1), StreamName::Main, at(n), at(n + 1)));
    found.is_ok_and(|found| !found.is_empty())
}

/// Who was waiting is told, and so is whoever looks at the hub.
fn assert_told(store: &Store, error: &StoreError) {
    assert!(matches!(error, StoreError::Engine { .. } | StoreError::Unavailable { .. }), "{error:?}");
    assert!(!error.is_damage(), "{error:?}");
    assert_eq!(Problem::from(error).kind, ProblemKind::DiskError, "{error:?}");
    assert!(matches!(store.health(), Health::Degraded { reason: Reason::DiskError, .. }), "{:?}", store.health());
}

#[test]
fn a_store_that_may_not_be_written_comes_back_when_it_may() {
    let disk = Disk::make("ext4", "noatime");
    let store = disk.open();
    keep(&store, 1).unwrap();
    run("chattr", &["+i", text(&disk.engine_file())]);
    let waiting = store.submit(Durability::Lazy, |db| db.put_segment(&segment(1, 2, 3)));
    let error = keep(&store, 3).unwrap_err();
    assert_told(&store, &error);
    assert_told(&store, &waiting.wait().unwrap_err());
    // It is tried again, and said again, as long as it is so.
    let error = keep(&store, 4).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");

    run("chattr", &["-i", text(&disk.engine_file())]);
    until(|| store.health() == Health::Ok);
    assert!(has(&store, 1));
    keep(&store, 5).unwrap();
    drop(store);
    let store = disk.open();
    assert!(has(&store, 1) && has(&store, 5) && store.read_blocking(|db| db.check()).unwrap().is_good());
}

#[test]
fn a_store_whose_disk_has_errors_comes_back_when_it_has_none() {
    // This file system goes on after an error.
    let disk = Disk::make("ext2", "errors=continue");
    let store = disk.open();
    keep(&store, 1).unwrap();
    disk.fail();
    let error = keep(&store, 2).unwrap_err();
    assert_told(&store, &error);

    disk.mend();
    until(|| store.health() == Health::Ok);
    assert!(has(&store, 1));
    keep(&store, 3).unwrap();
    drop(store);
    let store = disk.open();
    assert!(has(&store, 1) && has(&store, 3) && store.read_blocking(|db| db.check()).unwrap().is_good());
}

#[test]
fn a_store_whose_file_system_became_read_only_says_so_and_has_what_was_kept_when_it_is_mounted_again() {
    let disk = Disk::make("ext4", "noatime");
    let store = disk.open();
    keep(&store, 1).unwrap();
    // As ext4 does by itself when it cannot write its journal.
    run("mount", &["-o", "remount,abort", text(&disk.root())]);
    let error = keep(&store, 2).unwrap_err();
    assert_told(&store, &error);
    let error = keep(&store, 3).unwrap_err();
    assert!(matches!(error, StoreError::Engine { .. } | StoreError::Unavailable { .. }), "{error:?}");
    drop(store); // ends, although nothing can be written

    until(|| Command::new("umount").arg(disk.root()).status().is_ok_and(|status| status.success()));
    let _ = Command::new("e2fsck").args(["-fp", text(&disk.image())]).output(); // answers 1 where it put something right
    disk.mount("noatime");
    let store = disk.open();
    assert!(has(&store, 1) && !has(&store, 2));
    keep(&store, 4).unwrap();
    drop(store);
    disk.unmount();
}
