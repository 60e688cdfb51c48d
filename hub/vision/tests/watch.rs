//! Watching a camera through real children, good and bad.

mod coded;
mod films;

use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Mono, Shutdown, SystemClock};
use coded::{BOUND, Coded, ZERO, coded, film, fresh, wait_for};
use films::FPS;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vision::child::Life;
use vision::{Eyes, Finding, MotionSettings, Program, Sight, Watch};

fn eyes(program: &str) -> Eyes {
    Eyes::start(Program::at(program), Arc::new(SystemClock), Shutdown::new()).unwrap()
}

const CHILD: &str = env!("CARGO_BIN_EXE_vision");

/// Hands in a film as fast as it is looked at: at the end all but the last picture have been answered.
async fn show(watch: &Watch, coded: &Coded, zero: Mono) {
    assert!(watch.feed.begin(&coded.init, zero));
    for unit in &coded.units {
        wait_for("pictures are looked at", || watch.feed.waiting() == 0).await;
        watch.feed.push(&fresh(unit, zero));
    }
    wait_for("the last one is looked at", || watch.feed.waiting() == 0).await;
}

/// What was found so far, in seconds of the film.
fn found(watch: &mut Watch) -> Vec<f32> {
    std::iter::from_fn(|| watch.findings.try_recv().ok()).map(seconds).collect()
}

fn seconds(finding: Finding) -> f32 {
    assert!(finding.since <= finding.at);
    finding.at.since(ZERO).as_secs_f32()
}

/// The children of this process.
fn children() -> Vec<Pid> {
    let mine = format!("PPid:\t{}", std::process::id());
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_mine = |pid: &i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|l| l == mine) && !status.contains("State:\tZ")
    };
    all.filter(is_mine).map(Pid::from_raw).collect()
}

/// Somebody walks in, and is found once there, in pictures of this coding.
async fn is_found(codec: &str) {
    let coded = coded(&film("walk-35--60"), codec, 0..16); // from 8.0 s to 15.4 s
    let mut watch = eyes(CHILD).watch(MotionSettings::default());
    wait_for("a child stands ready", || !children().is_empty()).await;
    show(&watch, &coded, ZERO).await;
    assert_eq!(*watch.sight.borrow(), Sight::Sees);
    let found = found(&mut watch);
    assert!(found.iter().all(|t| *t >= 8.0), "{found:?}");
    assert!(found.first().is_some_and(|t| *t < 13.0) && found.len() >= 8, "{found:?}");
    assert_eq!(watch.feed.dropped(), 0);
    drop(watch);
    wait_for("none is left behind", || children().is_empty()).await;
}

#[tokio::test]
async fn somebody_who_walks_in_is_found_in_h264() {
    is_found("H.264").await;
}

#[tokio::test]
async fn somebody_who_walks_in_is_found_in_pictures_that_come_out_of_order() {
    is_found("H.264, out of order").await;
}

#[tokio::test]
async fn somebody_who_walks_in_is_found_in_h265() {
    is_found("H.265").await;
}

#[tokio::test]
async fn somebody_who_walks_in_is_found_in_jpeg() {
    is_found("JPEG").await;
}

#[tokio::test]
async fn a_child_that_watches_can_touch_nothing_but_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "the hub's").unwrap();
    for life in [Life::Watch, Life::Hardware, Life::Objects(None)] {
        let attempts = eyes(CHILD).attempts(life.clone(), secret.to_str().unwrap()).await.unwrap();
        assert_eq!(attempts.len(), 16, "{life:?} lived to tell of all: {attempts:?}");
        let possible: Vec<_> = attempts.iter().filter(|a| a.possible).collect();
        assert!(possible.is_empty(), "{life:?}: {possible:?}");
    }
    let there: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(there, ["secret"]);
}

#[tokio::test]
async fn a_child_that_is_killed_or_hangs_costs_at_most_five_seconds() {
    let walk = film("walk-20--60"); // from 8.0 s to 20.6 s
    let coded = coded(&walk, "H.264", 0..20);
    for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
        let mut watch = eyes(CHILD).watch(MotionSettings::default());
        assert!(watch.feed.begin(&coded.init, ZERO));
        let (began, mut hurt) = (SystemClock.mono(), None);
        let mut all = Vec::new();
        for unit in &coded.units {
            // In real time: five seconds are five seconds.
            let due = began + Duration::from_micros(unit.dts as u64 * 100 / 9);
            SystemClock.sleep(due.since(SystemClock.mono())).await;
            watch.feed.push(&fresh(unit, ZERO));
            all.extend(found(&mut watch));
            if hurt.is_none() && all.iter().any(|t| *t >= 10.0) {
                let child = children()[0];
                kill(child, signal).unwrap();
                hurt = Some(unit.dts as f32 / 90_000.0);
            }
        }
        let hurt = hurt.expect("somebody is found before anything happens");
        let next = all.iter().find(|t| **t > hurt + 1.0);
        assert!(next.is_some_and(|t| *t <= hurt + 5.0), "{signal}: at {hurt}, then {all:?}");
        assert_eq!(watch.feed.dropped(), 0, "{signal}");
        drop(watch);
        wait_for("none is left behind", || children().is_empty()).await;
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_blinds_until_what_can_comes_again() {
    let walk = film("walk-35--60");
    let good = coded(&walk, "H.264", 0..16);
    let mut broken = Coded { init: good.init.clone(), units: good.units.clone() };
    for (i, unit) in broken.units.iter_mut().enumerate() {
        // A length that lies, then noise.
        unit.data = (0..2_000u32).map(|n| (n.wrapping_mul(2_654_435_761).wrapping_add(i as u32) >> 13) as u8).collect();
    }
    let mut watch = eyes(CHILD).watch(MotionSettings::default());
    show(&watch, &broken, ZERO).await;
    let sight = &mut watch.sight;
    assert!(base::clock::timeout(&SystemClock, BOUND, sight.wait_for(|s| *s == Sight::Blind)).await.is_some());
    assert!(found(&mut watch).is_empty());
    let later = ZERO + Duration::from_secs(100);
    show(&watch, &good, later).await;
    assert_eq!(*watch.sight.borrow(), Sight::Sees);
    let found = found(&mut watch);
    assert!(found.iter().any(|t| (108.0..116.0).contains(t)), "{found:?}");
}

#[tokio::test]
async fn pictures_that_claim_to_be_huge_take_no_more_memory_than_a_child_has_and_cost_only_themselves() {
    let mut coded = coded(&film("walk-35--60"), "JPEG", 0..16);
    for unit in &mut coded.units[..2 * FPS] {
        // SOF0 (ISO/IEC 10918-1 §B.2.2): marker, length, precision, height, width.
        let mut data = unit.data.to_vec();
        let frame = data.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        data[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
        unit.data = data.into();
    }
    let mut watch = eyes(CHILD).watch(MotionSettings::default());
    show(&watch, &coded, ZERO).await;
    assert_eq!(*watch.sight.borrow(), Sight::Sees);
    let found = found(&mut watch);
    assert!(found.iter().any(|t| (8.0..16.0).contains(t)), "{found:?}");
}

#[tokio::test]
async fn without_a_child_nothing_waits_and_it_is_said() {
    let coded = coded(&film("walk-35--60"), "JPEG", 0..2);
    for program in ["/bin/true", "/nothing/there"] {
        let mut watch = eyes(program).watch(MotionSettings::default());
        assert!(watch.feed.begin(&coded.init, ZERO));
        let began = SystemClock.mono();
        for i in 0..2_000 {
            let mut unit = coded.units[0].clone();
            unit.dts = i * 90_000;
            watch.feed.push(&fresh(&unit, ZERO));
        }
        assert!(SystemClock.mono().since(began) < Duration::from_secs(1), "nobody is waited for");
        assert!(watch.feed.dropped() > 1_000);
        let blind = base::clock::timeout(&SystemClock, BOUND, watch.sight.wait_for(|s| *s == Sight::Blind)).await;
        assert!(blind.is_some(), "{program}");
    }
}
