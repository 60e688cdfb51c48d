//! A small real file system on a loop device that fills, vanishes, comes back, is swapped and goes read-only under a
//! real hub. The hub says what is wrong, writes nowhere else, loses nothing it had kept, and goes on by itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;
use base::{Clock, SystemClock};
use camera_sim::{Options, Simulator};
use serde_json::json;
use system::{Disks, SystemDisks};
use testkit::client::{Client, PASSWORD};
use testkit::hub::{self, Home, HubProcess};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const MIB: u64 = 1 << 20;
/// A state shows, and recording goes on, within this.
const SOON: Duration = Duration::from_secs(15);

#[tokio::test]
async fn e2e_a_footage_disk_may_fill_vanish_return_and_fail() {
    let home = Home::new();
    let config = std::fs::read_to_string(home.config()).unwrap();
    std::fs::write(home.config(), config + "[storage]\nreserve = \"8 MiB\"\n").unwrap();
    let (right, other) = (Image::make(&home, "right.img", 64 * MIB), Image::make(&home, "other.img", 64 * MIB));
    let mut mount = Some(right.mount(&home.footage()));

    let simulator = testkit::cameras(3).await;
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut ids = Vec::new();
    for (i, camera) in simulator.addresses().iter().take(2).enumerate() {
        ids.push(owner.add_camera(&format!("Camera {i}"), &camera.main).await);
    }
    owner.wait_recording(&ids, SOON).await;
    process.stop().await;

    // Room is made from the oldest on, before it is needed. The reserve is 8 MiB; 8 MiB more are made ahead.
    let old: Vec<PathBuf> = (0..8).map(|n| old_segment(&home.footage(), &ids[n % 2], n)).collect();
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    owner.wait_recording(&ids, SOON).await;
    let filler = home.footage().join(".keepsight-filler");
    fill(&filler, free(&home) - 12 * MIB);
    testkit::wait_for("room is made", SOON, async || free(&home) >= 16 * MIB).await;
    let left: Vec<bool> = old.iter().map(|file| file.exists()).collect();
    assert!(!left[0] && left[7], "some went: {left:?}");
    assert!(left.windows(2).all(|w| w[0] <= w[1]), "the oldest of both cameras went: {left:?}");
    assert_eq!(states(&owner, &ids).await, ["recording", "recording"]);

    // Full, although all that may go is gone: the reserve is kept, and the gap has its reason.
    let full_at = SystemClock.wall();
    testkit::wait_for("all that may go is gone", SOON, async || {
        fill(&filler, u64::MAX); // what is freed is taken at once
        old.iter().all(|file| !file.exists())
    })
    .await;
    fill(&filler, u64::MAX);
    wait_state(&owner, &ids, "not_writing", "The disk is full").await;
    wait_storage(&owner, "disk_full").await;
    // For a while: what lasts less than a second is no gap.
    for id in &ids {
        more_pictures(&owner, id, 30).await;
    }
    std::fs::remove_file(&filler).unwrap();
    owner.wait_recording(&ids, SOON).await;
    wait_gap(&owner, &ids, "disk_full", full_at).await;
    let kept_from = SystemClock.wall();
    wait_longer(&owner, &ids, kept_from).await;

    // Gone: live pictures go on, and nothing is written to the folder that the disk was mounted on.
    let gone_at = SystemClock.wall();
    let before = said(&owner, &ids).await;
    drop(mount.take());
    wait_state(&owner, &ids, "not_writing", "another disk").await;
    wait_storage(&owner, "disk_missing").await;
    assert_eq!(names(&home.footage()), Vec::<String>::new(), "nothing on the system's disk");
    let mut live = owner.websocket(&format!("/api/v1/cameras/{}/live", ids[0])).await.expect("live pictures");
    live.collect(2).await;
    drop(live);
    // A new camera waits for the disk, a new epoch (as at the end of a grant) does not.
    let keys = |id: &str| std::fs::read_dir(home.footage().join(id).join("keys")).map_or(0, Iterator::count);
    let third = owner.add_camera("Third", &simulator.addresses()[2].main).await;
    let export = owner.post(&format!("/api/v1/cameras/{}/key", ids[0]), json!({"password": PASSWORD})).await;
    export.expect(200);
    assert_eq!(names(&home.footage()), Vec::<String>::new(), "nothing on the system's disk");

    // Another disk in its place, once without any mark and once with one of its own: nothing is written there.
    for mark in [None, Some("{\"format\":1,\"disk\":\"00000000000000000000000000\"}\n")] {
        let foreign = other.mount(&home.footage());
        if let Some(mark) = mark {
            std::fs::write(home.footage().join(".keepsight-disk"), mark).unwrap();
        }
        let had = names(&home.footage());
        more_pictures(&owner, &ids[0], 80).await; // four more key pictures
        assert_eq!(states(&owner, &ids).await, ["not_writing", "not_writing"]);
        assert_eq!(names(&home.footage()), had, "nothing on the other disk");
        drop(foreign);
    }
    assert_eq!(names(&home.footage()), Vec::<String>::new());

    // Back.
    mount = Some(right.mount(&home.footage()));
    owner.wait_recording(&ids, SOON).await;
    wait_gap(&owner, &ids, "disk_missing", gone_at).await;
    owner.wait_recording(std::slice::from_ref(&third), SOON).await;
    testkit::wait_for("the key files that were owed", SOON, async || keys(&third) == 1 && keys(&ids[0]) == 2).await;
    still_there(&owner, &ids, &before, kept_from).await;

    // The file system gives up and goes read-only, as after an I/O error.
    let broken_at = SystemClock.wall();
    wait_longer(&owner, &ids, broken_at).await;
    let before = said(&owner, &ids).await;
    run("mount", &["-o", "remount,abort", home.footage().to_str().unwrap()]);
    wait_state(&owner, &ids, "not_writing", "The disk did not take the data").await;
    // For a while, so that something is lost for this reason and not only for the next one.
    for id in &ids {
        more_pictures(&owner, id, 40).await;
    }
    drop(mount.take());
    run_any("e2fsck", &["-p", right.0.to_str().unwrap()]);
    mount = Some(right.mount(&home.footage()));
    owner.wait_recording(&ids, SOON).await;
    wait_gap(&owner, &ids, "disk_error", broken_at).await;
    still_there(&owner, &ids, &before, kept_from).await;

    // A hub that starts without its disk starts all the same.
    process.stop().await;
    drop(mount.take());
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    wait_state(&owner, &ids, "not_writing", "another disk").await;
    assert_eq!(names(&home.footage()), Vec::<String>::new());
    let mount = right.mount(&home.footage());
    owner.wait_recording(&ids, SOON).await;
    still_there(&owner, &ids, &before, kept_from).await;
    process.stop().await;
    drop(mount);
}

#[tokio::test]
async fn e2e_recording_goes_on_while_the_store_may_not_be_written() {
    let home = Home::new();
    let card = Image::make(&home, "card.img", 64 * MIB);
    let mount = card.mount(&home.data());
    let simulator = testkit::cameras(2).await;
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut ids = Vec::new();
    for (i, camera) in simulator.addresses().iter().enumerate() {
        ids.push(owner.add_camera(&format!("Camera {i}"), &camera.main).await);
    }
    owner.wait_recording(&ids, SOON).await;

    let began = SystemClock.wall();
    let engine = home.data().join("store/sled/db");
    run("chattr", &["+i", engine.to_str().unwrap()]);
    // The rows of the segments that follow on these meet it.
    testkit::wait_for("the hub says that its store does not work", Duration::from_secs(120), async || {
        owner.get("/api/v1/system").await.status != 200
    })
    .await;
    let answer = owner.get("/api/v1/system").await;
    assert_eq!(answer.problem(), "disk-error");
    for _ in 0..3 {
        let before = bytes_in(&home.footage());
        testkit::wait_for("footage is written", SOON, async || bytes_in(&home.footage()) > before).await;
    }

    run("chattr", &["-i", engine.to_str().unwrap()]);
    testkit::wait_for("the store is back", Duration::from_secs(60), async || {
        let answer = owner.get("/api/v1/system").await;
        answer.status == 200 && answer.json()["store"]["state"] == "ok"
    })
    .await;
    wait_longer(&owner, &ids, SystemClock.wall()).await;
    for id in &ids {
        let gaps = owner.timeline(id).await["gaps"].clone();
        let gaps: Vec<_> =
            gaps.as_array().expect("a list").iter().filter(|g| time(&g["start"]) > Some(began)).collect();
        assert!(gaps.is_empty(), "nothing is missing: {gaps:?}");
    }
    process.stop().await;
    drop(mount);
}

/// I/O errors, then no disk at all, each for long enough that what comes meanwhile is more than may be held in memory.
#[tokio::test]
async fn e2e_a_disk_that_fails_is_said_and_takes_no_memory() {
    let home = Home::new();
    let config = std::fs::read_to_string(home.config()).unwrap();
    std::fs::write(home.config(), config + "[storage]\nreserve = \"8 MiB\"\n").unwrap();
    // The image is in a file system that heeds "immutable" for open files too, as not every /tmp does.
    let below = Image::make(&home, "below.img", 256 * MIB).mount(&home.scratch("below"));
    let disk = Image::make(&home, "below/disk.img", 192 * MIB);
    let mut mount = Some(disk.mount(&home.footage()));
    let cameras = Options { size: "1280x720".parse().unwrap(), bitrate_kbit: Some(8_000), ..Options::small(2) };
    let simulator = Simulator::start(cameras, Arc::new(SystemClock)).await.unwrap();
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut ids = Vec::new();
    for (i, camera) in simulator.addresses().iter().enumerate() {
        ids.push(owner.add_camera(&format!("Camera {i}"), &camera.main).await);
    }
    owner.wait_recording(&ids, SOON).await;
    let kept_from = SystemClock.wall();
    wait_longer(&owner, &ids, kept_from).await;
    let before = process.size().rss;

    for (reason, detail) in [("disk_error", "The disk did not take the data"), ("disk_missing", "another disk")] {
        let said = said(&owner, &ids).await;
        let lost_at = SystemClock.wall();
        if reason == "disk_error" {
            // From now on every write to the device fails.
            run("chattr", &["+i", disk.0.to_str().unwrap()]);
        } else {
            drop(mount.take());
        }
        wait_state(&owner, &ids, "not_writing", detail).await;
        wait_storage(&owner, reason).await;
        let mut most = 0;
        for _ in 0..7 {
            more_pictures(&owner, &ids[0], 30).await;
            most = process.size().rss.max(most);
        }
        let grown = most.saturating_sub(before) / MIB;
        assert!(grown <= HELD_MIB * 2, "{reason}: {grown} MiB more than with a disk");
        assert_eq!(states(&owner, &ids).await, ["not_writing", "not_writing"]);

        if reason == "disk_error" {
            run("chattr", &["-i", disk.0.to_str().unwrap()]);
            drop(mount.take());
            run_any("e2fsck", &["-p", disk.0.to_str().unwrap()]);
        }
        mount = Some(disk.mount(&home.footage()));
        owner.wait_recording(&ids, SOON).await;
        wait_gap(&owner, &ids, reason, lost_at).await;
        still_there(&owner, &ids, &said, kept_from).await;
    }
    process.stop().await;
    drop((mount, below));
}

/// What a camera without a disk may hold in memory: its queue of 16 MiB, its live ring, and what is on its way.
const HELD_MIB: u64 = 32;

/// Bytes of all files.
fn bytes_in(dir: &Path) -> u64 {
    names(dir).iter().filter_map(|path| std::fs::metadata(path).ok()).filter(|m| m.is_file()).map(|m| m.len()).sum()
}

/// The last one to let go of a disk waits for what was written to it, which on a busy machine takes its time.
const LET_GO: Duration = Duration::from_secs(120);

/// A file with an ext4 file system in it.
struct Image(PathBuf);

/// A mounted one; unmounted as a pulled cable does it, whoever uses it.
struct Mount {
    at: PathBuf,
    image: PathBuf,
}

impl Image {
    fn make(home: &Home, name: &str, bytes: u64) -> Image {
        let file = home.scratch(name);
        std::fs::File::create(&file).and_then(|f| f.set_len(bytes)).expect("room for an image");
        run("mkfs.ext4", &["-q", "-F", "-m", "0", file.to_str().unwrap()]);
        Image(file)
    }
    fn mount(&self, at: &Path) -> Mount {
        std::fs::create_dir_all(at).expect("a folder to mount on");
        run("mount", &["-o", "loop", self.0.to_str().unwrap(), at.to_str().unwrap()]);
        Mount { at: at.to_owned(), image: self.0.clone() }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run_any("umount", &["-l", self.at.to_str().unwrap()]);
        // Another mount while the hub still has a file open there would be two systems on one image.
        let deadline = SystemClock.mono() + LET_GO;
        while !output("losetup", &["-j", self.image.to_str().unwrap()]).is_empty() {
            assert!(
                std::thread::panicking() || SystemClock.mono() < deadline,
                "the hub does not let go of a lost disk"
            );
            if SystemClock.mono() >= deadline {
                return;
            }
            std::thread::yield_now();
        }
    }
}

fn run(program: &str, args: &[&str]) {
    let done = Command::new(program).args(args).output();
    let done = done.unwrap_or_else(|e| panic!("{program} is needed (packages e2fsprogs, mount, util-linux): {e}"));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {args:?} needs root and loop devices: {said}");
}

fn run_any(program: &str, args: &[&str]) {
    let _ = Command::new(program).args(args).output();
}

fn output(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output().expect("it runs");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// A file that looks like a segment of a day long past, 2 MiB long.
fn old_segment(footage: &Path, camera: &str, n: usize) -> PathBuf {
    let dir = footage.join(camera).join("2025-03-01");
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join(format!("20250301T0{n}0000.000Z-0000000000000000000000000{n}.main.mp4.age"));
    std::fs::write(&file, vec![0; 2 * MIB as usize]).unwrap();
    file
}

fn free(home: &Home) -> u64 {
    SystemDisks.facts(&home.footage()).expect("the disk is there").free
}

/// Writes up to so many bytes, or until nothing goes on the disk any more.
fn fill(file: &Path, mut bytes: u64) {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    let block = vec![0; 64 * 1024];
    while bytes > 0 && file.write_all(&block[..bytes.min(block.len() as u64) as usize]).is_ok() {
        bytes = bytes.saturating_sub(block.len() as u64);
    }
}

/// What stands in a folder, and in the folders in it.
fn names(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        names.push(entry.path().display().to_string());
        if entry.path().is_dir() && entry.file_name() != "lost+found" {
            names.extend(self::names(&entry.path()));
        }
    }
    names.sort();
    names
}

async fn states(owner: &Client, ids: &[String]) -> Vec<String> {
    let mut states = Vec::new();
    for id in ids {
        states.push(owner.camera(id).await["state"].as_str().unwrap_or("").to_owned());
    }
    states
}

async fn wait_state(owner: &Client, ids: &[String], state: &str, detail: &str) {
    for id in ids {
        testkit::wait_for(&format!("{state}: {detail}"), SOON, async || {
            let camera = owner.camera(id).await;
            camera["state"] == state && camera["detail"].as_str().is_some_and(|d| d.contains(detail))
        })
        .await;
    }
}

/// The storage as a whole says the same.
async fn wait_storage(owner: &Client, reason: &str) {
    testkit::wait_for(&format!("the storage says {reason}"), Duration::from_secs(20), async || {
        let system = owner.get("/api/v1/system").await.expect(200).json();
        let health = &system["storage"]["health"];
        health["state"] == "degraded" && health["reason"] == reason
    })
    .await;
}

async fn pictures(owner: &Client, id: &str) -> u64 {
    let metrics = owner.get("/metrics").await.expect(200);
    let text = String::from_utf8_lossy(&metrics.body).into_owned();
    let line = text.lines().find(|l| l.contains("pictures") && l.contains(id) && !l.starts_with('#'));
    line.and_then(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).expect("pictures are counted") as u64
}

fn time(v: &serde_json::Value) -> Option<Timestamp> {
    v.as_str()?.parse().ok()
}

/// What the hub says is on disk.
async fn said(owner: &Client, ids: &[String]) -> Vec<Timestamp> {
    let mut said = Vec::new();
    for id in ids {
        said.push(time(&owner.camera(id).await["last_fragment_at"]).expect("it records"));
    }
    said
}

/// Waits until two seconds from `from` on are on disk.
async fn wait_longer(owner: &Client, ids: &[String], from: Timestamp) {
    testkit::wait_for("two seconds more are kept", SOON, async || {
        said(owner, ids).await.iter().all(|end| end.duration_since(from).as_secs_f64() > 2.0)
    })
    .await;
}

/// Waits until so many more pictures came.
async fn more_pictures(owner: &Client, id: &str, count: u64) {
    let before = pictures(owner, id).await;
    testkit::wait_for("more pictures", SOON, async || pictures(owner, id).await > before + count).await;
}

async fn wait_gap(owner: &Client, ids: &[String], reason: &str, from: Timestamp) {
    for id in ids {
        testkit::wait_for(&format!("a gap with the reason {reason}"), SOON, async || {
            let timeline = owner.timeline(id).await;
            let gaps = timeline["gaps"].as_array().expect("a list");
            gaps.iter().any(|g| g["reason"] == reason && time(&g["end"]).is_some_and(|end| end > from))
        })
        .await;
    }
}

/// Everything that was said to be kept since `from` still plays.
async fn still_there(owner: &Client, ids: &[String], before: &[Timestamp], from: Timestamp) {
    for (id, said) in ids.iter().zip(before) {
        let spans = owner.segments(id).await;
        let after: Vec<_> = spans.iter().filter(|(_, end)| *end > from).collect();
        let covered = after.iter().any(|(start, end)| start < said && end >= said);
        assert!(covered, "kept up to {said} was said; there is {after:?}");
        for (start, end) in after.into_iter().filter(|(start, _)| start <= said) {
            owner.playback(id, *start, *end).await.expect(200);
        }
    }
}
