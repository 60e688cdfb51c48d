//! `image-build/imager`: what Raspberry Pi Imager is told of an image has what its documents want.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../image-build/imager");
/// Of "raw" and of "packed".
const RAW: &str = "d7439bee24773bcbfa2d0a97947ee36227b10d1022b1a55847e928965bb6bfde";
const PACKED: &str = "88cb8a087b6e8cebfc9ae5602f5a2159a6bcf923e7f2c56809bcda6cad1727a7";

fn imager(dir: &Path, board: &str, url: &str) -> Output {
    std::fs::write(dir.join("disk.raw"), "raw").unwrap();
    std::fs::write(dir.join("keepsight.img.zst"), "packed").unwrap();
    let mut command = Command::new(SCRIPT);
    command.args([board, "0.1.0", "disk.raw", "keepsight.img.zst", url]).current_dir(dir);
    command.env("SOURCE_DATE_EPOCH", "1767225600").output().expect("python3 runs: scripts/setup installs it")
}

#[test]
fn an_entry_has_every_field_that_imagers_documents_want() {
    let dir = tempfile::tempdir().unwrap();
    for (board, devices) in [("raspberry-pi-5", json!(["pi5-64bit"])), ("generic-x86-64", json!([]))] {
        let ran = imager(dir.path(), board, "https://example.org/k/");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let list: Value = serde_json::from_slice(&ran.stdout).unwrap();
        let [entry] = list["os_list"].as_array().unwrap().as_slice() else { panic!("{list}") };
        // Those that doc/schema-notes.md of raspberrypi/rpi-imager says each entry must include.
        for text in ["name", "description", "icon", "url", "extract_sha256", "release_date"] {
            assert!(entry[text].as_str().is_some_and(|t| !t.is_empty()), "{text}: {entry}");
        }
        assert_eq!(
            [&entry["url"], &entry["icon"], &entry["release_date"], &entry["init_format"]],
            ["https://example.org/k/keepsight.img.zst", "https://example.org/k/keepsight.svg", "2026-01-01", "none"]
        );
        assert_eq!([&entry["extract_size"], &entry["image_download_size"]], [3, 6]);
        assert_eq!([&entry["extract_sha256"], &entry["image_download_sha256"]], [RAW, PACKED]);
        assert_eq!(entry["devices"], devices);
    }
}

#[test]
fn an_address_that_is_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for url in ["http://example.org", "example.org", "https://", "https://a b"] {
        let ran = imager(dir.path(), "generic-x86-64", url);
        assert_eq!(ran.status.code(), Some(1), "{url}");
        assert!(String::from_utf8_lossy(&ran.stderr).contains("is no address for an image"), "{url}");
    }
}
