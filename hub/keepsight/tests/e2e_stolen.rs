//! Promise 2: a hub that is off is stolen, with every file of `<data>` and `<footage>`, and shows no picture. Whatever lies
//! there is tried as a key, and the commonest passwords against a member's.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bech32::{Bech32, Hrp};
use serde_json::{Value, json};
use store::{SecretKind, Store};
use testkit::client::PASSWORD;
use testkit::hub::{self, Home, HubProcess, TestHub};
use testkit::people::{self, invited};
use testkit::search::files;
use vault::{Password, RecoveryKit, SessionToken};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const KEY_BYTES: usize = 32;

/// What would open something: the public half of every key that the store knows.
struct Locks {
    recipients: HashSet<String>,
    sessions: HashSet<String>,
}

impl Locks {
    fn of(home: &Home) -> Locks {
        let dir = home.data().join("store");
        let hub = Store::whose(&dir).expect("the store says whose it is");
        let store = Store::open(&dir, hub, std::sync::Arc::new(base::SystemClock)).expect("the store opens");
        let locks = store.read_blocking(|db| {
            let (mut recipients, mut sessions) = (HashSet::new(), HashSet::new());
            recipients.insert(db.hub_row()?.claim.expect("it is claimed").recovery.recipient.to_string());
            for principal in db.principals()? {
                recipients.insert(principal.recipient.to_string());
                for secret in db.secrets_of(principal.id)? {
                    recipients.insert(secret.recipient.to_string());
                    sessions.insert(secret.recipient.to_string());
                }
            }
            for camera in db.cameras()? {
                for epoch in db.epochs_of(camera.id)? {
                    recipients.extend([epoch.public.live.to_string(), epoch.public.footage.to_string()]);
                }
            }
            Ok(Locks { recipients, sessions })
        });
        let locks = locks.expect("the store is whole");
        store.close_blocking();
        locks
    }

    /// Do these bytes open anything, as a secret key or as a session's or a program's token?
    fn opened_by(&self, key: &[u8; KEY_BYTES]) -> bool {
        let text = bech32::encode_upper::<Bech32>(Hrp::parse_unchecked("AGE-SECRET-KEY-"), key).expect("it fits");
        let kit = RecoveryKit::parse_file(&text).expect("any 32 bytes are a key").kit;
        if self.recipients.contains(&kit.recipient().to_string()) {
            return true;
        }
        let token = SessionToken::parse(&base64url(key)).expect("any 32 bytes are a token");
        self.sessions.contains(&token.recipient().to_string())
    }
}

fn base64url(bytes: &[u8]) -> String {
    const SYMBOLS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let word = part.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        (0..=part.len()).for_each(|n| text.push(char::from(SYMBOLS[(word >> (18 - 6 * n)) as usize & 63])));
    }
    text
}

/// Values of a run of symbols, `bits` each, as bytes, from any symbol on.
fn decoded(run: &[u8], bits: u32, value: impl Fn(u8) -> Option<u32>) -> Vec<Vec<u8>> {
    let per_group = (8 / gcd(8, bits)) as usize;
    (0..per_group.min(run.len()))
        .map(|skip| {
            let (mut held, mut held_bits, mut bytes) = (0u32, 0, Vec::new());
            for value in run[skip..].iter().filter_map(|symbol| value(*symbol)) {
                held = (held << bits) | value;
                held_bits += bits;
                if held_bits >= 8 {
                    held_bits -= 8;
                    bytes.push((held >> held_bits) as u8);
                }
            }
            bytes
        })
        .collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn base64_value(symbol: u8) -> Option<u32> {
    let value = match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'-' | b'+' => 62,
        b'_' | b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

fn hex_value(symbol: u8) -> Option<u32> {
    char::from(symbol).to_digit(16)
}

/// Everything in a file that could be 32 secret bytes: as they are, in base 64, in hexadecimal.
fn candidates(content: &[u8]) -> HashSet<[u8; KEY_BYTES]> {
    let mut texts = vec![content.to_vec()];
    for run in content.split(|b| base64_value(*b).is_none()).filter(|run| run.len() >= 43) {
        texts.extend(decoded(run, 6, base64_value));
    }
    for run in content.split(|b| hex_value(*b).is_none()).filter(|run| run.len() >= 64) {
        texts.extend(decoded(run, 4, hex_value));
    }
    let windows = texts.iter().flat_map(|text| text.windows(KEY_BYTES));
    // A key is random: one in which few bytes differ, or that is all text, is none.
    let different = |w: &[u8]| {
        let seen = w.iter().fold([0u128; 2], |mut seen, b| {
            seen[usize::from(b >> 7)] |= 1 << (b & 127);
            seen
        });
        seen.iter().map(|seen| seen.count_ones()).sum::<u32>()
    };
    let random = |w: &&[u8]| different(w) >= 20 && w.iter().any(|b| !(0x20..0x7f).contains(b));
    windows.filter(random).map(|w| w.try_into().expect("as long as a window")).collect()
}

/// In which of the files something lies that opens anything.
fn keys_in(paths: &[PathBuf], locks: &Locks) -> Vec<PathBuf> {
    let has_key = |path: &&PathBuf| {
        let content = std::fs::read(path).expect("every file is looked at");
        candidates(&content).iter().any(|key| locks.opened_by(key))
    };
    paths.iter().filter(has_key).cloned().collect()
}

#[tokio::test]
async fn e2e_a_stolen_hub_that_is_off_shows_no_picture_with_whatever_lies_on_it() {
    let home = Home::new();
    let cameras = testkit::cameras(1).await;
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, kit) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let camera = owner.add_camera("Front door", &cameras.addresses()[0].main).await;
    let grants = json!([{"camera": camera, "rights": ["live", "playback"]}]);
    let (milo, _) = invited(&owner, "Milo", grants.clone()).await;
    let waiting = json!({"name": "Nora", "grants": grants});
    let invitation = owner.post("/api/v1/invitations", waiting).await.expect(201).json();
    let token = owner.post("/api/v1/tokens", json!({"name": "Panel", "grants": grants})).await.expect(201).json();
    owner.wait_recording(std::slice::from_ref(&camera), Duration::from_secs(20)).await;
    testkit::wait_for("some seconds are recorded", Duration::from_secs(20), async || {
        let (from, to) = milo.segments(&camera).await[0];
        to.duration_since(from).as_secs() >= 3
    })
    .await;
    process.stop().await;

    let locks = Locks::of(&home);
    assert!(locks.recipients.len() >= 12, "{} locks", locks.recipients.len());
    let all: Vec<_> = [home.data(), home.footage()].iter().flat_map(|folder| files(folder)).collect();
    let (sealed, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|p| p.to_string_lossy().ends_with(".mp4.age"));
    assert!(!sealed.is_empty() && others.len() > 8, "{others:?}");
    assert_eq!(keys_in(&others, &locks), Vec::<PathBuf>::new(), "nothing that lies there opens anything");

    // The search does find what lies there, in each way that a secret may lie.
    let secret = kit["secret"].as_str().unwrap();
    let (_, kit_key) = bech32::decode(secret).unwrap();
    let text = |value: &Value| value.as_str().unwrap().as_bytes().to_vec();
    let hex = kit_key.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes();
    for secret in [kit_key, hex, text(&token["token"]), text(&invitation["secret"])] {
        let planted = home.scratch("planted");
        std::fs::write(&planted, [&[0x5a; 1_003][..], b"\"", &secret, b"\"", &[0xa5; 300]].concat()).unwrap();
        assert_eq!(keys_in(std::slice::from_ref(&planted), &locks), [planted]);
    }

    // Every file as a key file for every picture, as a thief with this very program would try.
    for film in &sealed {
        for key in others.iter().filter(|p| std::fs::metadata(p).unwrap().len() < 64 * 1024) {
            let args = ["open", film.to_str().unwrap(), "--key", key.to_str().unwrap()];
            let out = Command::new(KEEPSIGHT).args(args).output().unwrap();
            assert!(!out.status.success() && out.stdout.is_empty(), "{} with {}", film.display(), key.display());
        }
        // And with the kit it opens: the trial was a fair one.
        let kit_file = home.scratch("kit.txt");
        std::fs::write(&kit_file, secret).unwrap();
        let keys = home.footage().join(&camera).join("keys");
        let opened = files(&keys).iter().any(|epoch| {
            let out = Command::new("age").arg("-d").arg("-i").arg(&kit_file).arg(epoch).output().expect("age runs");
            let identity = home.scratch("epoch.txt");
            std::fs::write(&identity, &out.stdout).unwrap();
            let args = ["open", film.to_str().unwrap(), "--key", identity.to_str().unwrap()];
            Command::new(KEEPSIGHT).args(args).output().unwrap().status.success()
        });
        assert!(opened, "{}", film.display());
    }
}

/// The commonest passwords, the commonest first: the list that the strength is judged with has them, from leaks.
fn commonest(count: usize) -> Vec<String> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let metadata: Value = serde_json::from_slice(&out.stdout).expect("cargo says JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    let manifest = packages.iter().find(|package| package["name"] == "zxcvbn").expect("zxcvbn judges passwords");
    let source = Path::new(manifest["manifest_path"].as_str().unwrap()).with_file_name("src/frequency_lists.rs");
    let source = std::fs::read_to_string(source).expect("the list is in its source");
    let list = source.split_once("const PASSWORDS: &str = \"").expect("the list of passwords").1;
    let list = list.split_once('"').expect("its end").0;
    list.split(',').take(count).map(str::to_owned).collect()
}

#[tokio::test]
async fn e2e_of_the_10000_commonest_passwords_none_is_taken_and_none_opens_a_member() {
    let passwords = commonest(10_000);
    assert_eq!((passwords.len(), &passwords[0][..]), (10_000, "123456"));
    let hub = TestHub::claimed().await;
    // Derived as lightly as may be, so that all can be tried; as they are derived on a hub each takes half a second.
    people::member(&hub, "Milo").await;
    let home = hub.home;
    hub.hub.stop().await;
    let dir = home.data().join("store");
    let id = Store::whose(&dir).unwrap();
    let store = Store::open(&dir, id, std::sync::Arc::new(base::SystemClock)).unwrap();
    let secret = store.read_blocking(|db| db.password_of(db.principal_by_name("Milo")?.expect("he is there").id));
    let secret = secret.unwrap().expect("he has a password");
    let SecretKind::Password { params, .. } = &secret.kind else { panic!("it is a password") };
    let opens =
        |password: &str| Password::new(password.to_owned()).unwrap().derive(params).unlock(&secret.sealed).is_ok();
    assert!(opens(PASSWORD), "the trial is a fair one");
    for password in &passwords {
        assert!(Password::new(password.clone()).unwrap().check_strength(&["Milo"]).is_err(), "{password} is taken");
        assert!(!opens(password), "{password} opens");
    }
    store.close_blocking();
}
