//! Footage outlives this software: anyone's `age` opens it. Needs the package `age`, which scripts/setup installs.

mod home;

use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use home::{Camera, plain, viewer};
use vault::Purpose::Footage;
use vault::*;

/// Runs one of age's programs to its end; fails the test if it is missing or fails.
fn run(program: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("`{program}` cannot be run ({e}): scripts/setup installs it (package age)"));
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|threads| {
        threads.spawn(move || stdin.write_all(input)); // age may end before it has read all: its exit code tells
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{program} {args:?} failed: {}", output.status);
    output.stdout
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_age_program_opens_footage_from_the_recovery_kit_alone() {
    let dir = tempfile::tempdir().unwrap();
    let kit = RecoveryKit::generate();
    let camera = Camera::new(1);
    let (kit_key, keys) = (dir.path().join("kit"), dir.path().join("keys"));
    std::fs::write(&kit_key, kit.secret_key().as_bytes()).unwrap();

    let opened = run("age", &["-d", "-i", text(&kit_key)], &camera.epoch().kit_file(&kit.recipient()));
    std::fs::write(&keys, &opened).unwrap();
    for len in [0, 1, 65_536, 200_000] {
        assert!(run("age", &["-d", "-i", text(&keys)], &camera.seal(&plain(len))) == plain(len), "{len}");
    }
    let small = seal_small(&camera.epoch().public().footage, b"a thumbnail");
    assert_eq!(run("age", &["-d", "-i", text(&keys)], &small), b"a thumbnail");
    // What age gave is a key file of ours.
    let viewer = Viewer::from_identities(std::str::from_utf8(&opened).unwrap()).unwrap();
    assert!(viewer.granted(camera.id, Footage));
}

#[test]
fn an_exported_key_is_an_identity_file_of_age() {
    let dir = tempfile::tempdir().unwrap();
    let camera = Camera::new(1);
    let exported = viewer(&[(&camera, &[Footage])]).export_key(camera.id, camera.epoch().epoch()).unwrap();
    let keys = dir.path().join("keys");
    std::fs::write(&keys, exported.as_bytes()).unwrap();
    assert!(run("age", &["-d", "-i", text(&keys)], &camera.seal(&plain(100_000))) == plain(100_000));
    let recipient = run("age-keygen", &["-y", text(&keys)], &[]);
    assert_eq!(String::from_utf8(recipient).unwrap().trim(), camera.epoch().public().footage.to_string());
}

#[test]
fn age_keygen_takes_the_kits_key_and_finds_the_same_recipient() {
    for _ in 0..8 {
        let kit = RecoveryKit::generate();
        let from_words = RecoveryKit::parse_file(&kit.words()).unwrap().kit;
        let recipient = run("age-keygen", &["-y"], from_words.secret_key().as_bytes());
        assert_eq!(String::from_utf8(recipient).unwrap().trim(), kit.recipient().to_string());
    }
}

#[test]
fn what_the_age_program_seals_opens_here() {
    let camera = Camera::new(1);
    let viewer = viewer(&[(&camera, &[Footage])]);
    let recipient = camera.epoch().public().footage.to_string();
    for len in [0, 1, 65_536, 200_000] {
        let sealed = run("age", &["-r", &recipient], &plain(len));
        let mut opened = viewer.open(camera.id, Footage, None, Cursor::new(sealed)).unwrap();
        let mut bytes = Vec::new();
        opened.read_to_end(&mut bytes).unwrap();
        assert!(bytes == plain(len), "{len}");
        assert_eq!(opened.ending(), Some(Ending::Whole));
    }
}

#[test]
fn a_key_made_by_age_keygen_is_read_here() {
    let made = String::from_utf8(run("age-keygen", &[], &[])).unwrap();
    assert!(Viewer::from_identities(&made).is_ok());
    let kit = RecoveryKit::parse_file(&made).unwrap().kit;
    assert!(made.contains(&kit.recipient().to_string()));
}
