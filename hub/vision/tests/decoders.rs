//! Which decoder is chosen: real children, software decoders of this machine, and hardware that is made up.

mod coded;
mod films;

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Shutdown, SystemClock};
use coded::{ZERO, coded, film, fresh, wait_for};
use tempfile::TempDir;
use vision::{Codec, Decoder, Decoders, Eyes, MotionSettings, Program, Sight, Using, Watch};

const CHILD: &str = env!("CARGO_BIN_EXE_vision");
/// The made-up decoder.
const HARDWARE: &str = "madeuph264dec";
/// In that time the right one is chosen.
const WITHIN: Duration = Duration::from_secs(10);

/// Eyes whose children have a hardware decoder that is like this.
fn eyes(like: &str) -> (Eyes, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join(like);
    symlink(CHILD, &program).unwrap();
    (Eyes::start(Program::at(program), Arc::new(SystemClock), Shutdown::new()).unwrap(), folder)
}

/// What is known once all was tried; in time.
async fn tried(eyes: &Eyes) -> Decoders {
    let mut decoders = eyes.decoders();
    let tried = base::clock::timeout(&SystemClock, WITHIN, decoders.wait_for(Decoders::complete)).await;
    tried.expect("all are tried in time").expect("somebody tries").clone()
}

fn hardware(decoders: &Decoders) -> &Decoder {
    decoders.tried(Codec::H264).find(|decoder| decoder.name == HARDWARE).expect("it is there")
}

#[tokio::test]
async fn hardware_that_works_is_chosen_and_measured() {
    let (eyes, _folder) = eyes("works");
    let decoders = tried(&eyes).await;
    let best = decoders.best(Codec::H264).unwrap();
    assert_eq!((best.name.as_str(), best.hardware), (HARDWARE, true), "{decoders:?}");
    assert!(best.trial.is_ok(), "{best:?}");
}

#[tokio::test]
async fn the_software_of_this_machine_decodes_the_known_film() {
    // Of another name: no hardware.
    let (eyes, _folder) = eyes("vision");
    let decoders = tried(&eyes).await;
    for codec in [Codec::H264, Codec::H265] {
        let best = decoders.best(codec).unwrap_or_else(|| panic!("{codec:?}: {decoders:?}"));
        assert!(!best.hardware);
        assert!(best.trial.as_ref().is_ok_and(|m| m.pictures_per_second > 10 && !m.processor.is_zero()), "{best:?}");
    }
}

#[tokio::test]
async fn hardware_that_is_of_no_use_is_passed_over_with_the_reason() {
    for (like, why) in [
        ("fails-at-open", "it does not start"),
        ("hangs", "it did not finish in time"),
        ("crashes", "it took its process with it"),
        ("garbage", "picture 1 of"),
    ] {
        let (eyes, _folder) = eyes(like);
        let decoders = tried(&eyes).await;
        let best = decoders.best(Codec::H264).unwrap();
        assert!(!best.hardware, "{like}: {best:?}");
        let said = hardware(&decoders).said();
        assert!(said.starts_with(why), "{like}: {said}");
    }
}

#[tokio::test]
async fn hardware_that_is_slower_than_software_is_passed_over() {
    let (eyes, _folder) = eyes("slow");
    let decoders = tried(&eyes).await;
    assert!(!decoders.best(Codec::H264).unwrap().hardware);
    assert!(hardware(&decoders).said().starts_with("too slow"), "{decoders:?}");
}

/// Somebody walks in at a camera; what is used is given when the film is over, and when it was first found.
async fn watched(like: &str) -> (Watch, Vec<Using>, Option<f32>) {
    let (eyes, _folder) = eyes(like);
    tried(&eyes).await;
    looked_at(&eyes, 0).await
}

/// Likewise, once all was tried or not, from this second of the film on.
async fn looked_at(eyes: &Eyes, from: usize) -> (Watch, Vec<Using>, Option<f32>) {
    let coded = coded(&film("walk-20--60"), "H.264", from..20); // from 8.0 s to 20.6 s
    let mut watch = eyes.watch(MotionSettings::default());
    assert!(watch.feed.begin(&coded.init, ZERO));
    let (began, mut used, mut found) = (SystemClock.mono(), Vec::new(), None);
    for unit in &coded.units {
        // In real time: what hangs takes some.
        let due = began + Duration::from_micros(unit.dts as u64 * 100 / 9);
        SystemClock.sleep(due.since(SystemClock.mono())).await;
        watch.feed.push(&fresh(unit, ZERO));
        while let Ok(finding) = watch.findings.try_recv() {
            found.get_or_insert(finding.at.since(ZERO).as_secs_f32());
        }
        let now = watch.using.borrow().clone();
        if let Some(now) = now.filter(|now| used.last() != Some(now)) {
            used.push(now);
        }
    }
    (watch, used, found)
}

#[tokio::test]
async fn a_camera_is_decoded_by_the_hardware_that_was_chosen() {
    let (watch, used, _) = watched("works").await;
    let chosen = Using { codec: Codec::H264, name: HARDWARE.into(), hardware: true, instead_of: None };
    assert_eq!(used, [chosen]);
    assert_eq!(*watch.sight.borrow(), Sight::Sees);
}

#[tokio::test]
async fn a_camera_that_had_to_begin_before_all_was_tried_has_the_best_though_something_moves_all_the_time() {
    let (eyes, _folder) = eyes("hangs"); // for longer than a camera waits
    let (watch, used, _) = looked_at(&eyes, 9).await;
    let [using] = &used[..] else { panic!("{used:?}") };
    assert!(!using.hardware, "{using:?}");
    assert_eq!(*watch.sight.borrow(), Sight::Sees);
}

#[tokio::test]
async fn hardware_that_fails_at_a_camera_gives_way_to_software_and_what_moves_is_found() {
    let (fails, hangs, crashes) =
        tokio::join!(watched("fails-later"), watched("hangs-later"), watched("crashes-later"));
    for (like, (watch, used, found), how) in [
        ("fails-later", fails, "it could not decode what comes"),
        ("hangs-later", hangs, "it gave no picture in time"),
        ("crashes-later", crashes, "it took its process with it"),
    ] {
        let [first, then] = &used[..] else { panic!("{like}: {used:?}") };
        assert!(first.hardware && !then.hardware, "{like}: {used:?}");
        assert_eq!(then.instead_of, Some((HARDWARE.into(), how.into())), "{like}");
        // It fails in the first seconds, when every picture is looked at: software is there before somebody walks in.
        assert!(found.is_some_and(|t| (8.0..16.0).contains(&t)), "{like}: {found:?}");
        assert_eq!(*watch.sight.borrow(), Sight::Sees);
    }
}

#[tokio::test]
async fn a_driver_that_stands_still_keeps_nobody_from_software() {
    // Since before the trial: it is not even known which hardware there is.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("stuck"), "").unwrap();
    symlink(CHILD, folder.path().join("works")).unwrap();
    let stuck = Eyes::start(Program::at(folder.path().join("works")), Arc::new(SystemClock), Shutdown::new()).unwrap();
    let decoders = tried(&stuck).await;
    for codec in [Codec::H264, Codec::H265] {
        assert!(decoders.best(codec).is_some_and(|best| !best.hardware), "{decoders:?}");
    }

    // Since after it: the camera's child does not come up, and the next one has software.
    let (eyes, folder) = eyes("works");
    assert!(tried(&eyes).await.best(Codec::H264).unwrap().hardware);
    std::fs::write(folder.path().join("stuck"), "").unwrap();
    let (watch, used, found) = looked_at(&eyes, 0).await;
    let [using] = &used[..] else { panic!("{used:?}") };
    assert!(!using.hardware, "{using:?}");
    assert_eq!(using.instead_of, Some((HARDWARE.into(), "its process does not start".into())));
    assert!(found.is_some_and(|t| (8.0..16.0).contains(&t)), "{found:?}");
    assert_eq!(*watch.sight.borrow(), Sight::Sees);
}

#[tokio::test]
async fn without_a_child_nothing_is_known_and_nothing_waits() {
    let eyes = Eyes::start(Program::at("/bin/true"), Arc::new(SystemClock), Shutdown::new()).unwrap();
    let watch = eyes.watch(MotionSettings::default());
    wait_for("it is said", || *watch.sight.borrow() == Sight::Blind).await;
    assert_eq!(eyes.decoders().borrow().best(Codec::H264), None);
}
