//! Another library than the hub's own runs the model: ONNX Runtime as it is, and as it should not be. Through real children, which open
//! the real library, or one between (`runtimes/made_up.c`) that does something wrong with the model.

mod coded;
mod films;
mod street;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../../testkit/src/tools.rs"]
mod tools;

use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use base::{Shutdown, SystemClock};
use coded::{BOUND, wait_for};
use ort::sys::OrtApi;
use street::{model, painted, ready, shown};
use tools::onnx_runtime;
use vision::child::Life;
use vision::{Eyes, Model, MotionSettings, Objects, Outcome, Program, Provider, Runtime};

const CHILD: &str = env!("CARGO_BIN_EXE_vision");

/// A library with something wrong after so many pictures.
fn made_up(folder: &Path, wrong: &str, after: u32) -> PathBuf {
    let library = folder.join(format!("{wrong}-{after}.so"));
    let place = |name: &str, offset: usize| format!("-D{name}={}", offset / size_of::<usize>());
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-o"])
        .arg(&library)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runtimes/made_up.c"))
        .args([format!("-DREAL={:?}", onnx_runtime()), format!("-DMADE_UP={wrong}"), format!("-DAFTER={after}")])
        .arg(format!("-DBESIDE={:?}", folder.join("beside.so")))
        .args([
            place("COUNT", size_of::<OrtApi>()),
            place("RUN", offset_of!(OrtApi, Run)),
            place("DATA", offset_of!(OrtApi, GetTensorMutableData)),
            place("SHAPE", offset_of!(OrtApi, GetTensorTypeAndShape)),
            place("ELEMENTS", offset_of!(OrtApi, GetTensorShapeElementCount)),
            place("RELEASE", offset_of!(OrtApi, ReleaseTensorTypeAndShapeInfo)),
            place("STATUS", offset_of!(OrtApi, CreateStatus)),
            place("CREATE", offset_of!(OrtApi, CreateCUDAProviderOptions)),
            place("UPDATE", offset_of!(OrtApi, UpdateCUDAProviderOptions)),
            place("APPEND", offset_of!(OrtApi, SessionOptionsAppendExecutionProvider_CUDA_V2)),
            place("FORGET", offset_of!(OrtApi, ReleaseCUDAProviderOptions)),
        ])
        .status();
    assert!(made.unwrap().success());
    library
}

fn by(library: PathBuf, provider: Provider) -> Runtime {
    Runtime { library, provider, devices: vec!["/dev/null".into()] }
}

fn eyes(runtimes: Vec<Runtime>) -> Eyes {
    Eyes::start_with(runtimes, Program::at(CHILD), Arc::new(SystemClock), Shutdown::new()).unwrap()
}

/// Waits until it is known how the first of them did.
async fn outcome(eyes: &Eyes, is_it: impl Fn(&Outcome) -> bool) -> Outcome {
    let mut state = eyes.runtimes();
    let known = state.wait_for(|all| is_it(&all[0].outcome));
    let known = base::clock::timeout(&SystemClock, BOUND, known).await;
    known.unwrap_or_else(|| panic!("{:?}", eyes.runtimes().borrow())).unwrap()[0].outcome.clone()
}

fn runs_it(eyes: &Eyes) -> Option<Provider> {
    match &*eyes.objects().borrow() {
        Objects::Ready(about) => about.by,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn where_it_costs_less_another_library_runs_the_model_and_tells_the_same() {
    for name in ["small.onnx", "small-ssd.onnx"] {
        let described = if name == "small.onnx" { "" } else { "labels = [\"person\", \"car\"]\nscore = 0.3" };
        let eyes = eyes(vec![by(onnx_runtime(), Provider::Cpu)]);
        ready(&eyes, model(name, described)).await;
        let cost = outcome(&eyes, |outcome| matches!(outcome, Outcome::Used(_))).await;
        assert_eq!(runs_it(&eyes), Some(Provider::Cpu), "{cost:?}");
        let told = shown(&mut eyes.watch(MotionSettings::default()), &painted(16, street::street)).await;
        assert!(!told.is_empty() && told.iter().all(|(_, object)| object == "person"), "{told:?}");
        // Another model is another question.
        eyes.tell_objects(None);
        outcome(&eyes, |outcome| *outcome == Outcome::Untried).await;
        ready(&eyes, model("small.onnx", "")).await;
        outcome(&eyes, |outcome| matches!(outcome, Outcome::Used(_))).await;
    }
}

#[tokio::test]
async fn what_is_of_no_use_from_the_beginning_is_said_and_the_hubs_own_runs_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.so");
    std::fs::write(&text, "no library").unwrap();
    let libc = PathBuf::from("libc.so.6");
    let wrong = |wrong| made_up(folder.path(), wrong, 0);
    for (what, library, provider, said) in [
        ("none", folder.path().join("none.so"), Provider::Cpu, "Its library cannot be opened"),
        ("a text", text, Provider::Cpu, "Its library cannot be opened"),
        ("without a folder", libc, Provider::Cpu, "Its library has no absolute path"),
        ("without CUDA", onnx_runtime(), Provider::Cuda, "It cannot be started"),
        ("without TensorRT", onnx_runtime(), Provider::TensorRt, "It cannot be started"),
        ("garbage", wrong("GARBAGE"), Provider::Cpu, "It gives something else than the hub's own"),
        ("a crash", wrong("CRASHES"), Provider::Cpu, "Its process ended"),
    ] {
        let eyes = eyes(vec![by(library, provider)]);
        ready(&eyes, model("small.onnx", "")).await;
        let failed = outcome(&eyes, |outcome| matches!(outcome, Outcome::Failed(_))).await;
        assert!(matches!(&failed, Outcome::Failed(why) if why.starts_with(said)), "{what}: {failed:?}");
        assert_eq!(runs_it(&eyes), None, "{what}");
    }
    let eyes = eyes(vec![by(wrong("SLOW"), Provider::Cpu)]);
    ready(&eyes, model("small.onnx", "")).await;
    outcome(&eyes, |outcome| matches!(outcome, Outcome::NoBetter(_))).await;
    assert_eq!(runs_it(&eyes), None);
}

/// No card is here. What one's driver wants is: libraries that are loaded when it is used, its devices, what the kernel says, threads.
#[tokio::test]
async fn what_the_driver_of_a_card_wants_it_has_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let more = onnx_runtime().with_file_name("libonnxruntime_providers_shared.so");
    std::fs::copy(more, folder.path().join("beside.so")).unwrap();
    let card = || by(made_up(folder.path(), "CARD", 0), Provider::Cuda);
    let with_card = eyes(vec![card()]);
    ready(&with_card, model("small.onnx", "")).await;
    outcome(&with_card, |outcome| matches!(outcome, Outcome::Used(_))).await;
    assert_eq!(runs_it(&with_card), Some(Provider::Cuda));
    let told = shown(&mut with_card.watch(MotionSettings::default()), &painted(16, street::street)).await;
    assert!(!told.is_empty() && told.iter().all(|(_, object)| object == "person"), "{told:?}");

    let without_device = eyes(vec![Runtime { devices: vec![], ..card() }]);
    ready(&without_device, model("small.onnx", "")).await;
    let failed = outcome(&without_device, |outcome| matches!(outcome, Outcome::Failed(_))).await;
    assert!(matches!(&failed, Outcome::Failed(why) if why.ends_with("its device cannot be opened")), "{failed:?}");
}

#[tokio::test]
async fn of_several_the_first_that_is_of_use_runs_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let eyes = eyes(vec![
        by(folder.path().join("none.so"), Provider::TensorRt),
        by(onnx_runtime(), Provider::Cpu),
        by(made_up(folder.path(), "GARBAGE", 0), Provider::Cpu),
    ]);
    ready(&eyes, model("small.onnx", "")).await;
    let mut state = eyes.runtimes();
    let used = state.wait_for(|all| matches!(all[1].outcome, Outcome::Used(_)));
    let all = base::clock::timeout(&SystemClock, BOUND, used).await.expect("it is used").unwrap().clone();
    assert!(matches!(all[0].outcome, Outcome::Failed(_)) && all[2].outcome == Outcome::Untried, "{all:?}");
}

/// One that was good at first fails while somebody walks: the hub's own goes on, and tells of who walks then.
async fn fails_later(wrong: &str, said: &str) {
    let folder = tempfile::tempdir().unwrap();
    let eyes = eyes(vec![by(made_up(folder.path(), wrong, 7), Provider::Cpu)]);
    ready(&eyes, model("small.onnx", "")).await;
    outcome(&eyes, |outcome| matches!(outcome, Outcome::Used(_))).await;
    let mut watch = eyes.watch(MotionSettings::default());
    let walks = painted(30, |t| {
        let walker = (t >= 5.0).then(|| (((t - 5.0) % 12.0 * 55.0) as i32 - 30, 220, 30, 90, 245));
        walker.into_iter().collect()
    });
    let failed = |all: &[vision::Tried]| matches!(&all[0].outcome, Outcome::Failed(why) if why == said);
    let mut rounds = 0;
    while !failed(&eyes.runtimes().borrow()) {
        shown(&mut watch, &walks).await;
        rounds += 1;
        assert!(rounds < 12, "{:?}", eyes.runtimes().borrow());
    }
    let told = shown(&mut eyes.watch(MotionSettings::default()), &walks).await;
    assert!(told.iter().any(|(_, object)| object == "person"), "{told:?}");
    assert_eq!(runs_it(&eyes), None);
}

#[tokio::test]
async fn one_that_crashes_later_gives_way() {
    fails_later("CRASHES", "It took its process with it").await;
}

#[tokio::test]
async fn one_that_hangs_later_gives_way() {
    fails_later("HANGS", "It took longer than ten seconds for a picture").await;
}

#[tokio::test]
async fn one_that_becomes_slow_gives_way() {
    fails_later("WAITS", "It became slow").await;
}

/// An accelerator of Hailo's, with something wrong after so many pictures: a library in place of HailoRT, and a file for the device.
fn hailo(folder: &Path, wrong: &str, after: u32) -> Runtime {
    let (library, device) = (folder.join(format!("{wrong}-{after}.so")), folder.join("hailo0"));
    std::fs::write(&device, [0; 4_096]).unwrap();
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-pthread", "-o"])
        .arg(&library)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runtimes/hailo.c"))
        .args([format!("-DDEVICE={device:?}"), format!("-DMADE_UP={wrong}"), format!("-DAFTER={after}")])
        .status();
    assert!(made.unwrap().success());
    Runtime { library, provider: Provider::Hailo, devices: vec![device] }
}

/// A model for it. What is in it only Hailo's own compiler knows.
fn compiled(description: &str) -> Model {
    Model { file: b"\x01HEFgood, and more".to_vec().into(), description: description.into() }
}

const LABELS: &str = "labels = [\"Person\", \"car\"]";

#[tokio::test]
async fn what_was_compiled_for_an_accelerator_is_run_by_that_and_everything_else_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let eyes = eyes(vec![by(onnx_runtime(), Provider::Cpu), hailo(folder.path(), "NOTHING", 0)]);
    ready(&eyes, compiled(LABELS)).await;
    assert_eq!(runs_it(&eyes), Some(Provider::Hailo));
    let told = shown(&mut eyes.watch(MotionSettings::default()), &painted(16, street::street)).await;
    assert!(!told.is_empty() && told.iter().all(|(_, object)| object == "person"), "{told:?}");
    let tried = eyes.runtimes().borrow().clone();
    assert!(matches!(tried[1].outcome, Outcome::Used(_)) && tried[0].outcome == Outcome::Untried, "{tried:?}");

    ready(&eyes, model("small.onnx", "")).await;
    outcome(&eyes, |outcome| matches!(outcome, Outcome::Used(_))).await;
    assert_eq!((runs_it(&eyes), &eyes.runtimes().borrow()[1].outcome), (Some(Provider::Cpu), &Outcome::Untried));
}

/// Waits until the model tells these apart first.
async fn tells(eyes: &Eyes, label: &str) {
    let mut state = eyes.objects();
    let is_ready = state.wait_for(|state| matches!(state, Objects::Ready(about) if about.labels[0] == label));
    assert!(base::clock::timeout(&SystemClock, BOUND, is_ready).await.is_some(), "{:?}", eyes.objects().borrow());
}

/// It does for one process at a time: what runs on it rests while another file is tried, whatever it was doing, and is there again, without
/// a word of failure, unless the other one takes its place.
#[tokio::test]
async fn another_file_is_tried_whatever_the_one_before_does_and_that_comes_back() {
    const OTHER: &str = "labels = [\"a\", \"b\"]";
    let folder = tempfile::tempdir().unwrap();
    let runtime = hailo(folder.path(), "SLOW_START", 0);
    let device = runtime.devices[0].clone();
    let taken = || u32::from_le_bytes(std::fs::read(&device).unwrap()[4..8].try_into().unwrap());
    let eyes = eyes(vec![runtime]);
    let mut states = eyes.objects();
    let failures = tokio::spawn(async move {
        let failed = states.wait_for(|state| matches!(state, Objects::Failed(_))).await;
        failed.map(|state| state.clone()).ok()
    });

    // While it is being started, which takes two seconds.
    eyes.tell_objects(Some(compiled(LABELS)));
    wait_for("the accelerator is taken", || taken() == 1).await;
    let (about, rest) = eyes.try_model(&compiled(OTHER)).await.unwrap();
    assert_eq!((&about.labels[0][..], about.by), ("a", Some(Provider::Hailo)));
    drop(rest);
    tells(&eyes, "person").await;

    // Refused, and given up halfway.
    assert!(eyes.try_model(&Model { file: b"\x01HEF".to_vec().into(), ..compiled(OTHER) }).await.is_err());
    tells(&eyes, "person").await;
    let before = taken();
    let other = compiled(OTHER);
    tokio::select! {
        _ = eyes.try_model(&other) => panic!("it takes two seconds"),
        () = wait_for("the accelerator is taken", || taken() > before) => {}
    }
    tells(&eyes, "person").await;

    // The other one takes its place, and this one is not started in between.
    let (_, rest) = eyes.try_model(&other).await.unwrap();
    let before = taken();
    eyes.tell_objects(Some(other.clone()));
    drop(rest);
    tells(&eyes, "a").await;
    assert_eq!(taken(), before + 1);

    // Removed while it is being started.
    eyes.tell_objects(Some(compiled(LABELS)));
    wait_for("the accelerator is taken", || taken() > before + 1).await;
    eyes.tell_objects(None);
    drop(eyes.try_model(&other).await.unwrap());
    failures.abort();
    assert!(failures.await.is_err_and(|e| e.is_cancelled()), "it was never told as failed");
}

#[tokio::test]
async fn what_an_accelerator_cannot_run_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = |file: &[u8]| Model { file: file.to_vec().into(), description: LABELS.into() };
    let board = |runtime: Runtime| vec![runtime];
    let made = |wrong| board(hailo(folder.path(), wrong, 0));
    let elsewhere = Runtime { library: folder.path().join("none.so"), ..hailo(folder.path(), "NOTHING", 0) };
    let closed = Runtime { devices: vec![], ..hailo(folder.path(), "NOTHING", 0) };
    for (runtimes, model, said) in [
        (vec![], compiled(LABELS), "the board's file names no HailoRT"),
        (board(by(onnx_runtime(), Provider::Cpu)), compiled(LABELS), "the board's file names no HailoRT"),
        (board(elsewhere), compiled(LABELS), "Its library cannot be opened"),
        (
            board(closed),
            compiled(LABELS),
            "no accelerator that can be used: HailoRT says 74 HAILO_OUT_OF_PHYSICAL_DEVICES",
        ),
        (board(by(onnx_runtime(), Provider::Hailo)), compiled(LABELS), "Its library cannot be opened"),
        (made("GONE"), compiled(LABELS), "no accelerator that can be used"),
        (made("NOTHING"), file(b"\x01HEF"), "no HEF file, or a damaged one: HailoRT says 26"),
        (made("NOTHING"), file(&[b"\x01HEF", &[7; 100_000][..]].concat()), "no HEF file, or a damaged one"),
        (made("NOTHING"), compiled(""), "give labels in the description"),
        (made("NOTHING"), compiled("labels = [\"a\"]"), "It tells 2 things apart, and there are 1 labels"),
        (made("NOTHING"), compiled("family = \"yolov8\""), "family is not of a model that was compiled"),
        (made("TWO_OUTPUTS"), compiled(LABELS), "non-maximum suppression: HailoRT says 5 HAILO_INSUFFICIENT_BUFFER"),
        (made("NO_BOXES"), compiled(LABELS), "compile it with non-maximum suppression"),
        (made("LARGER"), compiled(LABELS), "172 bytes come out of it"),
        (made("GREY"), compiled(LABELS), "Its picture is 320×320×1"),
        (made("FAILS"), compiled(LABELS), "It fails: HailoRT says 4 HAILO_TIMEOUT"),
        (made("GARBAGE"), compiled(LABELS), "Other numbers come out of it"),
        (made("CRASHES"), compiled(LABELS), "Its process ended"),
    ] {
        let eyes = eyes(runtimes);
        let why = eyes.try_model(&model).await.err().unwrap();
        assert!(why.contains(said), "{why}, and not {said}");
        // One that was kept before is told of likewise, and motion goes on.
        eyes.tell_objects(Some(model));
        let mut state = eyes.objects();
        let failed = state.wait_for(|state| matches!(state, Objects::Failed(why) if why.contains(said)));
        assert!(base::clock::timeout(&SystemClock, BOUND, failed).await.is_some(), "{:?}", eyes.objects().borrow());
    }
}

#[tokio::test]
async fn an_accelerator_that_fails_later_is_started_again() {
    for wrong in ["CRASHES", "HANGS", "FAILS", "GARBAGE"] {
        let folder = tempfile::tempdir().unwrap();
        // Four pictures are looked at until it is ready.
        let eyes = eyes(vec![hailo(folder.path(), wrong, 8)]);
        ready(&eyes, compiled(LABELS)).await;
        let walks = painted(30, |t| {
            let walker = (t >= 5.0).then(|| (((t - 5.0) % 12.0 * 55.0) as i32 - 30, 220, 30, 90, 245));
            walker.into_iter().collect()
        });
        let mut watch = eyes.watch(MotionSettings::default());
        let mut state = eyes.objects();
        state.mark_unchanged();
        let mut rounds = 0;
        while !state.has_changed().unwrap() {
            shown(&mut watch, &walks).await;
            rounds += 1;
            assert!(rounds < 6, "{wrong}");
        }
        let again = state.wait_for(|state| matches!(state, Objects::Ready(_)));
        assert!(
            base::clock::timeout(&SystemClock, BOUND, again).await.is_some(),
            "{wrong}: {:?}",
            eyes.objects().borrow()
        );
    }
}

#[tokio::test]
async fn a_child_with_another_library_can_touch_nothing_either() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "the hub's").unwrap();
    for provider in [Provider::Cpu, Provider::Cuda, Provider::Hailo] {
        // Where the library lies is read by who may load more of it; the hub's files are not there.
        let life = Life::Objects(Some(by(onnx_runtime(), provider)));
        let attempts = eyes(vec![]).attempts(life, secret.to_str().unwrap()).await.unwrap();
        let possible: Vec<_> = attempts.iter().filter(|a| a.possible).map(|a| a.what.as_str()).collect();
        // Hardware's has four gigabytes.
        let expected: &[&str] = if provider.is_hardware() { &["take a gigabyte of memory"] } else { &[] };
        assert_eq!((attempts.len(), &possible[..]), (16, expected), "{provider:?}");
    }
}
