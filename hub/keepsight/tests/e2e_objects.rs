//! Who moves is told by the owner's model: from what an owner uploads to the event in the list. The model is one in which nothing is
//! learnt (`scripts/make-small-model`): what is bright is a person, as is the bar in the simulated cameras' pictures.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base::SystemClock;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use testkit::client::{Answer, Client};
use testkit::hub::{self, Home, HubProcess};
use testkit::wait_for;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const SOON: Duration = Duration::from_secs(30);

fn model(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vision/tests/models").join(name);
    STANDARD.encode(std::fs::read(path).unwrap())
}

async fn put(owner: &Client, body: Value) -> Answer {
    owner.request(Method::PUT, "/api/v1/objects", Some(body)).await
}

async fn objects(owner: &Client) -> Value {
    owner.get("/api/v1/objects").await.expect(200).json()
}

async fn is_used(owner: &Client) {
    wait_for("it is used", SOON, async || objects(owner).await["state"] == "ok").await;
}

#[tokio::test]
async fn e2e_a_person_is_told_of_by_the_owners_model_and_without_one_there_is_motion() {
    let home = Home::new();
    let cameras = testkit::cameras(1).await;
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let camera = owner.add_camera("Door", &cameras.addresses()[0].main).await;
    owner.wait_recording(std::slice::from_ref(&camera), SOON).await;

    let none = objects(&owner).await;
    assert_eq!((&none["state"], &none["model_bytes"], &none["labels"]), (&json!("none"), &Value::Null, &json!([])));
    let fact = async || owner.get("/api/v1/system").await.expect(200).json()["machine"]["objects"].clone();
    assert_eq!(fact().await["said"], "There is no model: whatever moves is motion");

    // What is none changes nothing, and says why.
    let refused = put(&owner, json!({"model": STANDARD.encode("person")})).await.expect(422);
    assert_eq!(refused.problem(), "bad-model");
    assert!(refused.json()["detail"].as_str().unwrap().contains("no ONNX file"), "{}", refused.json());
    put(&owner, json!({"model": "?"})).await.expect(400);
    assert_eq!(put(&owner, json!({"description": ""})).await.expect(422).problem(), "bad-model");
    assert_eq!(put(&owner, json!({"model": model("small-ssd.onnx")})).await.expect(422).problem(), "bad-model");
    assert_eq!(objects(&owner).await, none);

    put(&owner, json!({"model": model("small.onnx")})).await.expect(200);
    is_used(&owner).await;
    let used = objects(&owner).await;
    assert_eq!(
        (&used["labels"], &used["width"], &used["description"]),
        (&json!(["person", "car"]), &json!(64), &json!(""))
    );
    assert!(used["pictures_per_second"].as_f64().unwrap() > 1.0, "{used}");
    let said = fact().await;
    assert!(said["state"] == "ok" && said["said"].as_str().unwrap().contains("pictures a second and core"), "{said}");

    let path = format!("/api/v1/cameras/{camera}");
    owner.request(Method::PATCH, &path, Some(json!({"motion": {}}))).await.expect(200);
    let mut told = owner.listen("/api/v1/events/stream").await;
    let person = async {
        loop {
            let (_, event) = told.next().await.expect("it has not ended");
            if event["kind"] == "person" {
                return event;
            }
        }
    };
    let event = base::clock::timeout(&SystemClock, SOON, person).await.expect("a person is told of");
    assert_eq!((&event["detail"]["objects"], &event["camera"]), (&json!(["person"]), &json!(camera)));
    let list = owner.get("/api/v1/events?kind=person").await.expect(200).json();
    assert_eq!(list["items"][0]["id"], event["id"], "the same event, known better: {list}");

    // It holds after a restart; other words for the same model too; and it is forgotten when that is wanted.
    process.stop().await;
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let owner = hub::owner(&home).await;
    is_used(&owner).await;
    put(&owner, json!({"description": "labels = [\"somebody\", \"something\"]"})).await.expect(200);
    wait_for("other words", SOON, async || objects(&owner).await["labels"] == json!(["somebody", "something"])).await;
    owner.request(Method::DELETE, "/api/v1/objects", None).await.expect(204);
    wait_for("none", SOON, async || objects(&owner).await == none).await;
    process.stop().await;
}

/// A hub on a machine whose board names these libraries.
async fn on_a_board(home: &Home, detectors: &str) -> HubProcess {
    let board = format!("name = \"pc\"\ntitle = \"A PC\"\narch = \"amd64\"\ndetectors = [{detectors}]\n");
    let share = home.scratch("share");
    std::fs::create_dir_all(share.join("keepsight")).unwrap();
    std::fs::write(share.join("keepsight/board.toml"), board).unwrap();
    std::os::unix::fs::symlink(testkit::tools::onnx_runtime(), share.join("keepsight/libonnxruntime.so")).unwrap();
    let mut command = Command::new("unshare");
    let over = "mount -t overlay overlay -o lowerdir=\"$0\":/usr/share /usr/share && exec \"$@\"";
    command.args(["--mount", "sh", "-c", over]).arg(share).arg(KEEPSIGHT);
    HubProcess::start_with(command, home).await
}

#[tokio::test]
async fn e2e_the_library_that_the_board_names_runs_the_model_and_what_is_of_no_use_is_said() {
    let home = Home::new();
    let cameras = testkit::cameras(1).await;
    let named = "{ library = \"/usr/nowhere/libonnxruntime.so\", provider = \"tensorrt\", devices = [\"/dev/null\"] }, \
                 { library = \"/usr/share/keepsight/libonnxruntime.so\", provider = \"cpu\" }";
    let _process = on_a_board(&home, named).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let camera = owner.add_camera("Door", &cameras.addresses()[0].main).await;
    owner.wait_recording(std::slice::from_ref(&camera), SOON).await;
    let states = async || {
        let all = objects(&owner).await["runtimes"].as_array().unwrap().clone();
        all.iter().map(|runtime| runtime["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states().await, ["untried", "untried"], "there is no model");

    put(&owner, json!({"model": model("small.onnx")})).await.expect(200);
    wait_for("it runs the model", SOON, async || states().await == ["failed", "used"]).await;
    let used = objects(&owner).await;
    let [failed, runs] = &used["runtimes"].as_array().unwrap()[..] else { panic!("{used}") };
    assert!(failed["problem"].as_str().unwrap().starts_with("Its library cannot be opened"), "{failed}");
    assert_eq!((&failed["name"], &runs["name"]), (&json!("ONNX Runtime with TensorRT"), &json!("ONNX Runtime")));
    assert_eq!((&used["run_by"], &used["ms_per_picture"]), (&runs["name"], &runs["ms_per_picture"]));
    let fact = owner.get("/api/v1/system").await.expect(200).json()["machine"]["objects"].clone();
    let said = fact["said"].as_str().unwrap();
    assert!(fact["state"] == "ok" && said.contains("; by ONNX Runtime, "), "{fact}");
    assert!(said.contains("Not ONNX Runtime with TensorRT: Its library cannot be opened"), "{fact}");

    owner.request(Method::PATCH, &format!("/api/v1/cameras/{camera}"), Some(json!({"motion": {}}))).await.expect(200);
    wait_for("a person is told of", SOON, async || {
        let list = owner.get("/api/v1/events?kind=person").await.expect(200).json();
        list["items"].as_array().is_some_and(|items| !items.is_empty())
    })
    .await;
}
