//! Objects, told apart by small models in which nothing is learnt (`scripts/make-small-model`): what is bright is a person, what is dark
//! a car. Through real children, from coded pictures on.

mod coded;
mod films;
mod street;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base::{Shutdown, SystemClock};
use coded::BOUND;
use street::{model, models, painted, ready, shown, street};
use vision::{Eyes, Model, MotionSettings, Objects, Program};

const CHILD: &str = env!("CARGO_BIN_EXE_vision");

fn eyes() -> Eyes {
    Eyes::start(Program::at(CHILD), Arc::new(SystemClock), Shutdown::new()).unwrap()
}

#[tokio::test]
async fn who_walks_past_a_parked_car_is_a_person_and_the_car_is_told_of_when_it_drives_off() {
    let film = painted(34, street);
    let (eyes, eyes_of_another) = (eyes(), eyes());
    ready(&eyes, model("small.onnx", "")).await;
    let told = shown(&mut eyes.watch(MotionSettings::default()), &film).await;
    let of = |object: &str| told.iter().filter(|(_, o)| o == object).map(|(at, _)| *at).collect::<Vec<_>>();
    let (persons, cars) = (of("person"), of("car"));
    assert_eq!(persons.len() + cars.len(), told.len(), "{told:?}");
    assert!(persons.len() >= 4 && persons[0] < 12.0 && persons.iter().all(|t| (8.0..22.0).contains(t)), "{told:?}");
    assert!(!cars.is_empty() && cars.iter().all(|t| *t >= 26.0), "parked until then: {told:?}");

    // Without a model what moves is motion.
    let mut watch = eyes_of_another.watch(MotionSettings::default());
    assert_eq!(*eyes_of_another.objects().borrow(), Objects::None);
    assert_eq!(shown(&mut watch, &painted(12, street)).await, []);
}

#[tokio::test]
async fn a_model_of_the_other_family_with_names_of_its_owners_tells_the_same() {
    let film = painted(16, street);
    let eyes = eyes();
    let described = model("small-ssd.onnx", "labels = [\"Somebody\", \"A car\"]\nscore = 0.3");
    let (about, _) = eyes.try_model(&described).await.unwrap();
    assert_eq!((about.labels, about.width, about.height), (vec!["somebody".into(), "a car".into()], 64, 64));
    ready(&eyes, described).await;
    let told = shown(&mut eyes.watch(MotionSettings::default()), &film).await;
    assert!(!told.is_empty() && told.iter().all(|(_, object)| object == "somebody"), "{told:?}");
}

#[tokio::test]
async fn what_is_no_model_is_refused_in_words_and_nothing_else_ends() {
    let eyes = eyes();
    let good = model("small.onnx", "");
    let ssd = model("small-ssd.onnx", "");
    let cut = Model { file: good.file.slice(..good.file.len() / 2), ..good.clone() };
    let noise: Vec<u8> = (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let with = |onnx: &[u8]| Model { file: onnx.to_vec().into(), description: String::new() };
    for (what, bad, word) in [
        ("a text", with(b"person, car"), "no ONNX file"),
        ("nothing", with(b""), "no ONNX file"),
        ("noise", with(&noise), "no ONNX file"),
        ("half of one", cut, "no ONNX file"),
        ("without names", ssd.clone(), "give labels in the description"),
        (
            "with too many names",
            Model { description: "family = \"yolov8\"\nlabels = [\"a\", \"b\", \"c\"]".into(), ..good.clone() },
            "there are 3 labels",
        ),
        (
            "of another size than is said",
            Model { description: "width = 640".into(), ..good.clone() },
            "description says 640",
        ),
        (
            "of another family than is said",
            Model { description: "family = \"yolox\"".into(), ..good.clone() },
            "[1, 84, 5 + labels]",
        ),
        ("with a typing error", Model { description: "lables = []".into(), ..good.clone() }, "unknown field `lables`"),
    ] {
        let why = eyes.try_model(&bad).await.err().expect(what);
        assert!(why.contains(word), "{what}: {why}");
    }
    let (about, _) = eyes.try_model(&good).await.unwrap();
    assert_eq!(about.labels, ["person", "car"]);
    assert!(about.per_picture < Duration::from_secs(1));

    // In use, it is told too, and another one helps.
    eyes.tell_objects(Some(ssd));
    let mut state = eyes.objects();
    let failed = state.wait_for(|state| matches!(state, Objects::Failed(_)));
    let failed = base::clock::timeout(&SystemClock, BOUND, failed).await.expect("it is told");
    assert!(matches!(&*failed.unwrap(), Objects::Failed(why) if why.contains("give labels")));
    ready(&eyes, good).await;
}

#[tokio::test]
async fn a_model_that_wants_more_memory_than_there_is_costs_itself_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("python3").arg(maker()).arg(folder.path()).arg("huge").status().unwrap();
    assert!(made.success());
    let onnx = std::fs::read(folder.path().join("huge.onnx")).unwrap();
    let why = eyes().try_model(&Model { file: onnx.into(), description: String::new() }).await.err().unwrap();
    assert!(why.contains("more memory than it may have"), "{why}");
}

fn maker() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/make-small-model")
}

#[test]
fn the_committed_models_are_what_their_maker_makes() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Command::new("python3").arg(maker()).arg(folder.path()).status().unwrap().success());
    for name in ["small.onnx", "small-ssd.onnx"] {
        let made = std::fs::read(folder.path().join(name)).unwrap();
        assert!(made == std::fs::read(models().join(name)).unwrap(), "{name}: run scripts/make-small-model");
    }
}
