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
use coded::BOUND;
use ort::sys::OrtApi;
use street::{model, painted, ready, shown};
use tools::onnx_runtime;
use vision::child::Life;
use vision::{Eyes, MotionSettings, Objects, Outcome, Program, Provider, Runtime};

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

#[tokio::test]
async fn a_child_with_another_library_can_touch_nothing_either() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "the hub's").unwrap();
    for provider in [Provider::Cpu, Provider::Cuda] {
        // Where the library lies is read by who may load more of it; the hub's files are not there.
        let life = Life::Objects(Some(by(onnx_runtime(), provider)));
        let attempts = eyes(vec![]).attempts(life, secret.to_str().unwrap()).await.unwrap();
        let possible: Vec<_> = attempts.iter().filter(|a| a.possible).map(|a| a.what.as_str()).collect();
        // Hardware's has four gigabytes.
        let expected: &[&str] = if provider.is_hardware() { &["take a gigabyte of memory"] } else { &[] };
        assert_eq!((attempts.len(), &possible[..]), (16, expected), "{provider:?}");
    }
}
