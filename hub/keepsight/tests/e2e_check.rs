//! `keepsight check` and `keepsight store`, by the real binary, on a hub that has recorded.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use testkit::hub::{Home, TestHub, owner};

/// A hub that has recorded one camera, stopped.
struct Stopped {
    home: Home,
    camera: String,
    kit: PathBuf,
}

impl Stopped {
    async fn new() -> Stopped {
        let cameras = testkit::cameras(1).await;
        let test = TestHub::claimed().await;
        let camera = test.owner.add_camera("Porch", &cameras.addresses()[0].main).await;
        test.owner.wait_recording(std::slice::from_ref(&camera), Duration::from_secs(20)).await;
        let kit = test.home.scratch("kit.json");
        fs::write(&kit, test.kit.to_string()).unwrap();
        for command in [&["check", "--repair"][..], &["store", "import", "x"]] {
            let running = keepsight(&test.home, command);
            assert_eq!(running.status.code(), Some(1));
            assert!(text(&running.stderr).contains("A hub is running with this configuration"), "{running:?}");
        }
        let audit = test.hub.store().urgent(|db| db.append_audit(store::Actor::Console, "test", "third").map(drop));
        audit.await.unwrap();
        test.hub.stop().await;
        Stopped { home: test.home, camera, kit }
    }
    /// `keepsight check --json`; its exit code and report.
    fn check(&self, more: &[&str]) -> (i32, Value) {
        let out = keepsight(&self.home, &[&["check", "--json"], more].concat());
        let report = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {out:?}"));
        (out.status.code().unwrap(), report)
    }
    fn check_bytes(&self) -> (i32, Value) {
        self.check(&["--key", self.kit.to_str().unwrap()])
    }
    fn segments(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for day in fs::read_dir(self.home.footage().join(&self.camera)).unwrap().map(|e| e.unwrap().path()) {
            if !day.ends_with("keys") {
                found.extend(fs::read_dir(day).unwrap().map(|e| e.unwrap().path()));
            }
        }
        found.sort();
        found
    }
}

fn keepsight(home: &Home, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keepsight"));
    command.args(arguments).arg("--config").arg(home.config()).env_remove("KEEPSIGHT_LOG").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn says(report: &Value, list: &str, words: &str) -> bool {
    report[list].as_array().unwrap().iter().any(|line| line.as_str().unwrap().contains(words))
}

#[tokio::test]
async fn e2e_check_finds_what_was_done_to_the_footage() {
    let hub = Stopped::new().await;
    let (code, report) = hub.check_bytes();
    assert_eq!((code, &report["problems"]), (0, &serde_json::json!([])), "{report:#}");
    assert!(report["verified"].as_u64() >= Some(1) && report["verified_bytes"].as_u64() > Some(10_000), "{report:#}");
    let plain = keepsight(&hub.home, &["check"]);
    assert_eq!((plain.status.code(), text(&plain.stderr)), (Some(0), String::new()));
    assert!(text(&plain.stdout).starts_with("ok       audit log: "), "{}", text(&plain.stdout));

    let segment = hub.segments().remove(0);
    let whole = fs::read(&segment).unwrap();

    // One bit in the middle: only reading every byte finds it.
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&segment, &flipped).unwrap();
    assert_eq!(hub.check(&[]).0, 0);
    let (code, report) = hub.check_bytes();
    assert_eq!((code, &report["damaged"]), (1, &1.into()), "{report:#}");
    assert!(says(&report, "problems", segment.to_str().unwrap()), "{report:#}");

    // Shorter than it was when it was closed.
    fs::write(&segment, &whole[..whole.len() / 2]).unwrap();
    let (code, report) = hub.check(&[]);
    assert_eq!((code, &report["changed"]), (1, &1.into()), "{report:#}");

    // Gone, then forgotten by a repair.
    fs::remove_file(&segment).unwrap();
    let (code, report) = hub.check(&[]);
    assert_eq!((code, &report["missing"]), (1, &1.into()), "{report:#}");
    assert_eq!(hub.check(&["--repair"]).0, 1, "the loss is said once more");
    assert_eq!(hub.check(&[]).0, 0);

    // Back again, beside something that is nobody's: notices; a repair takes it in.
    fs::write(&segment, &whole).unwrap();
    fs::write(hub.home.footage().join("holiday.txt"), "").unwrap();
    let (code, report) = hub.check(&["--repair"]);
    assert_eq!((code, &report["unknown"], &report["strange"]), (0, &1.into(), &1.into()), "{report:#}");
    let (code, report) = hub.check_bytes();
    assert_eq!((code, &report["unknown"]), (0, &0.into()), "{report:#}");

    // A kit of another hub opens nothing.
    let other = hub.home.scratch("other.txt");
    fs::write(&other, &*vault::RecoveryKit::generate().secret_key()).unwrap();
    let out = keepsight(&hub.home, &["check", "--json", "--key", other.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    assert!(text(&out.stderr).contains("wrong-key"), "{out:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_a_hub_that_records_is_checked_and_exported_by_its_socket() {
    let cameras = testkit::cameras(2).await;
    let test = TestHub::claimed().await;
    let mut ids = Vec::new();
    for (name, camera) in ["Porch", "Garden"].iter().zip(cameras.addresses()) {
        ids.push(test.owner.add_camera(name, &camera.main).await);
    }
    test.owner.wait_recording(&ids, Duration::from_secs(20)).await;
    let kit = test.home.scratch("kit.json");
    fs::write(&kit, test.kit.to_string()).unwrap();
    let run = |arguments: &[&str]| keepsight(&test.home, arguments);
    let report = |arguments: &[&str], code: i32| -> Value {
        let out = run(arguments);
        assert_eq!(out.status.code(), Some(code), "{out:?}");
        serde_json::from_slice(&out.stdout).unwrap()
    };
    // A new epoch closes and opens segments meanwhile.
    test.hub.recorder().new_epoch(ids[0].parse().unwrap()).await.unwrap();
    let whole = report(&["check", "--json", "--key", kit.to_str().unwrap()], 0);
    assert_eq!((&whole["problems"], &whole["cut_short"]), (&serde_json::json!([]), &0.into()), "{whole:#}");
    assert!(whole["segments"].as_u64() >= Some(2) && whole["verified_bytes"].as_u64() > Some(10_000), "{whole:#}");
    assert!(whole["audit_entries"].as_u64() >= Some(1), "{whole:#}");
    assert!(text(&run(&["store", "check"]).stdout).contains("audit log: "));

    // What was done to its files is found while it runs.
    let strange = test.home.footage().join("holiday.txt");
    fs::write(&strange, "").unwrap();
    assert_eq!(report(&["check", "--json"], 0)["strange"], 1);
    fs::remove_file(strange).unwrap();

    // An export of a running hub is as good as any.
    let exports = ["settings", "history", "audit"].map(|name| test.home.scratch(name));
    for (file, kind) in exports.iter().zip([None, Some("--history"), Some("--audit")]) {
        let arguments: Vec<_> = ["store", "export", file.to_str().unwrap()].into_iter().chain(kind).collect();
        assert_eq!(run(&arguments).status.code(), Some(0));
    }
    for id in &ids {
        assert_eq!(test.owner.camera(id).await["recording"], true, "it went on recording");
    }
    test.hub.stop().await;
    let files = exports.each_ref().map(|file| file.to_str().unwrap());
    let out = keepsight(&test.home, &[&["store", "import"], &files[..]].concat());
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    let out = keepsight(&test.home, &["check", "--json", "--repair", "--key", kit.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(0), "{out:?}");
}

#[tokio::test]
async fn e2e_check_finds_a_damaged_store_and_repairs_it() {
    let hub = Stopped::new().await;
    let log = hub.home.data().join("store/sled/db");
    fs::OpenOptions::new().write(true).open(log).unwrap().set_len(900).unwrap();
    let (code, report) = hub.check(&[]);
    assert_eq!(code, 1);
    assert!(says(&report, "problems", "check --repair"), "{report:#}");
    let (code, report) = hub.check(&["--repair", "--key", hub.kit.to_str().unwrap()]);
    assert_eq!(code, 0, "{report:#}");
    assert!(says(&report, "notices", "store.damaged-") && says(&report, "notices", "audit log"), "{report:#}");
    let (code, report) = hub.check_bytes();
    assert_eq!((code, &report["unknown"]), (0, &0.into()), "the index is as the footage tree: {report:#}");

    // And the hub runs with it: what was recorded before is played.
    let running = testkit::hub::HubProcess::start(Path::new(env!("CARGO_BIN_EXE_keepsight")), &hub.home).await;
    let owner = owner(&hub.home).await;
    let (from, to) = owner.segments(&hub.camera).await[0];
    let film = owner.playback(&hub.camera, from, to).await.expect(200);
    assert!(film.body.len() > 10_000);
    running.stop().await;
}

#[tokio::test]
async fn e2e_a_store_goes_out_and_comes_in_again_and_a_cut_audit_log_does_not() {
    let hub = Stopped::new().await;
    let [settings, history, audit] = ["settings", "history", "audit"].map(|name| hub.home.scratch(name));
    let run = |arguments: &[&str]| keepsight(&hub.home, arguments);
    let ok = |arguments: &[&str]| {
        let out = run(arguments);
        assert_eq!(out.status.code(), Some(0), "{arguments:?}: {}", text(&out.stderr));
        text(&out.stdout)
    };
    let [settings, history, audit] = [&settings, &history, &audit].map(|path| path.to_str().unwrap());
    ok(&["store", "export", settings]);
    assert!(ok(&["store", "export", history, "--history"]).contains("rows were written"));
    assert!(ok(&["store", "export", audit, "--audit"]).contains("rows were written"));
    assert!(ok(&["store", "import", settings, history, audit]).contains("store.before-import-"));
    assert!(ok(&["store", "check"]).contains("audit log: "));
    ok(&["check", "--repair"]);
    assert_eq!(hub.check_bytes().0, 0);

    // Not without the settings, and not from half a file.
    assert_eq!(run(&["store", "import", history]).status.code(), Some(2));
    assert_eq!(run(&["store", "import"]).status.code(), Some(2));
    let half = hub.home.scratch("half");
    let bytes = fs::read(settings).unwrap();
    fs::write(&half, &bytes[..bytes.len() / 2]).unwrap();
    let out = run(&["store", "import", half.to_str().unwrap()]);
    assert!(out.status.code() == Some(1) && text(&out.stderr).contains("not a whole export"), "{out:?}");
    assert_eq!(run(&["store", "check"]).status.code(), Some(0), "the store was left as it is");

    // An audit log with a break is not taken in.
    let broken = hub.home.scratch("broken");
    fs::write(&broken, without_first_audit_entry(&fs::read(audit).unwrap())).unwrap();
    let out = run(&["store", "import", settings, broken.to_str().unwrap()]);
    assert!(out.status.code() == Some(1) && text(&out.stderr).contains("entry 0 is missing"), "{out:?}");
    assert_eq!(run(&["store", "check"]).status.code(), Some(0), "the store was left as it is");
}

/// What somebody does to the audit log who can write the store's files and knows them: takes an entry out, or changes it, and
/// puts checksum, count and sum right, none of which is a secret.
fn tamper(store: &Path, entry: u64, change: impl FnOnce(&str) -> Option<String>) {
    use store::engine::{Batch, Engine, SledEngine, Tree};
    let mut engine = SledEngine::open(&store.join("sled"), 32 << 20).unwrap();
    let seal = |tree: Tree, key: &[u8], content: &[u8]| {
        // Version, tree, length of the key, key, content.
        let covered = [&[1, tree.number()], &(key.len() as u32).to_be_bytes()[..], key, content].concat();
        [&[1][..], &crc32(&covered).to_be_bytes(), content].concat()
    };
    let checksum = |row: &[u8]| u64::from(u32::from_be_bytes(row[1..5].try_into().unwrap()));
    let key = entry.to_be_bytes().to_vec();
    let row = engine.get(Tree::Audit, &key).unwrap().expect("the entry is there");
    let json = change(std::str::from_utf8(&row[5..]).unwrap());
    let new = json.map(|json| seal(Tree::Audit, &key, json.as_bytes()));

    // After the number of commits come, for each tree, the count of its rows and the sum of their checksums.
    let mut commits = engine.get(Tree::Meta, b"commits").unwrap().expect("there were commits")[5..].to_vec();
    let at = 8 + 16 * usize::from(Tree::Audit.number());
    let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
    let rows = number(&commits[at..at + 8]) - u64::from(new.is_none());
    let sum =
        number(&commits[at + 8..at + 16]).wrapping_sub(checksum(&row)).wrapping_add(new.as_deref().map_or(0, checksum));
    commits[at..at + 8].copy_from_slice(&rows.to_be_bytes());
    commits[at + 8..at + 16].copy_from_slice(&sum.to_be_bytes());

    let mut batch = Batch::default();
    batch.set(Tree::Audit, key, Some(new));
    batch.set(Tree::Meta, b"commits".to_vec(), Some(Some(seal(Tree::Meta, b"commits", &commits))));
    engine.apply(&batch).unwrap();
    engine.flush().unwrap();
}

#[tokio::test]
async fn e2e_a_changed_audit_log_is_found_in_words() {
    let hub = Stopped::new().await;
    let store = hub.home.data().join("store");
    let finds = |words: &str| {
        for command in [&["store", "check", "--json"][..], &["check", "--json"]] {
            let out = keepsight(&hub.home, command);
            let report: Value = serde_json::from_slice(&out.stdout).unwrap();
            assert_eq!(out.status.code(), Some(1), "{command:?}: {report:#}");
            assert!(says(&report, "problems", "audit log was damaged or changed after its first"), "{report:#}");
            assert!(says(&report, "problems", words), "{report:#}");
        }
    };
    tamper(&store, 2, |json| Some(json.replace("\"third\"", "\"nothing\"")));
    finds("entry 2 was changed");
    tamper(&store, 0, |_| None);
    finds("entry 0 is missing");
}

/// An export, whole by its own rules, with one row less.
fn without_first_audit_entry(export: &[u8]) -> Vec<u8> {
    const MAGIC: usize = b"keepsight-store-export\n".len();
    let audit = store::engine::Tree::Audit.number();
    let (mut out, mut at, mut cut) = (export[..MAGIC].to_vec(), MAGIC, false);
    while at < export.len() {
        let len = u32::from_be_bytes(export[at..at + 4].try_into().unwrap()) as usize;
        let mut payload = export[at + 8..at + 8 + len].to_vec();
        at += 8 + len;
        if !cut && payload[..2] == [b'r', audit] {
            cut = true;
            continue;
        }
        if payload[0] == b'e' {
            let rows = u64::from_be_bytes(payload[1..].try_into().unwrap()) - 1;
            payload[1..].copy_from_slice(&rows.to_be_bytes());
        }
        out.extend_from_slice(&(len as u32).to_be_bytes());
        out.extend_from_slice(&crc32(&payload).to_be_bytes());
        out.extend_from_slice(&payload);
    }
    assert!(cut, "the claim is in the audit log");
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
    })
}
