//! The format is what `docs/format/segment.md` says, byte for byte: files of earlier versions stay readable.
//!
//! `KEEPSIGHT_BLESS=1` writes the vectors anew; that is only right with a new format number.

mod common;

use std::path::PathBuf;

use base::footage::SegmentDetails;
use common::{Camera, Rig, closed};
use footage::{FORMAT, Kept, SegmentReader, Shortened, open_any};
use serde_json::{Value, json};
use vault::Viewer;

fn vector(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/format/vectors")).join(name)
}

/// What a reader of another make can compare itself with.
fn describe(reader: &mut SegmentReader) -> Value {
    let summary = reader.verify();
    let index = reader.index().clone();
    let fragments: Vec<_> = index
        .fragments
        .iter()
        .map(|f| {
            let samples: Vec<_> = f
                .layout
                .runs
                .iter()
                .flat_map(|r| &r.samples)
                .map(|s| {
                    let mut start = vec![0; 9];
                    reader.read_at(f.offset + u64::from(s.offset) + 33, &mut start).unwrap();
                    let first = String::from_utf8_lossy(&start).into_owned();
                    json!([s.track.id(), s.offset, s.size, s.dts, s.cts_offset, s.duration, s.key, first])
                })
                .collect();
            json!({"offset": f.offset, "length": f.len, "samples": samples})
        })
        .collect();
    json!({
        "header": reader.header(),
        "end": summary.info.end,
        "closed": summary.info.details == SegmentDetails::Closed,
        "length_90k": summary.length_90k,
        "pictures": summary.pictures,
        "audio_frames": summary.sounds,
        "fragments": fragments,
    })
}

/// How much of the file is left in the second vector.
const CUT: usize = 140_000;

#[test]
fn the_vectors_read_as_they_are_described() {
    if std::env::var_os("KEEPSIGHT_BLESS").is_some() {
        bless();
    }
    let key = std::fs::read_to_string(vector("segment.key.txt")).unwrap();
    let viewer = Viewer::from_identities(&key).unwrap();
    let (_dir, cut) = cut();
    for (file, expected) in [(vector("segment.mp4.age"), "segment.json"), (cut, "segment-cut.json")] {
        let expected: Value = serde_json::from_slice(&std::fs::read(vector(expected)).unwrap()).unwrap();
        let mut reader = open_any(&viewer, &file).unwrap();
        assert!(describe(&mut reader) == expected, "{} reads otherwise", file.display());
        let cut = matches!(reader.shortened(), Some(Shortened::Cut { .. }));
        assert_eq!(expected["closed"], json!(!cut));
        assert_eq!(expected["header"]["format"], json!(FORMAT));
        assert_eq!(reader.fragments().count(), expected["fragments"].as_array().unwrap().len());
    }
}

fn cut() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("segment-cut.mp4.age");
    std::fs::write(&path, &std::fs::read(vector("segment.mp4.age")).unwrap()[..CUT]).unwrap();
    (dir, path)
}

/// Four half seconds; after the first one a `free` box, and in the third one the cut.
fn bless() {
    let rig = Rig::new(|_| {});
    let mut camera = Camera { picture: 4_000, ..rig.camera() };
    let writer = rig.stream(&camera);
    writer.push(camera.next()).unwrap();
    rig.wait(|k| matches!(k, Kept::Synced { .. }));
    for half in 1..4 {
        writer.push(camera.make(half)).unwrap(); // the clock stands still: nothing gets old
    }
    let info = closed(&rig.stop()).remove(0);
    std::fs::create_dir_all(vector("")).unwrap();
    std::fs::copy(rig.disk.segment_path(&info), vector("segment.mp4.age")).unwrap();
    let key = camera.viewer().export_key(camera.id, camera.secrets.epoch()).unwrap();
    std::fs::write(vector("segment.key.txt"), key.as_bytes()).unwrap();
    let viewer = Viewer::from_identities(&key).unwrap();
    let (_dir, cut) = cut();
    for (file, expected) in [(vector("segment.mp4.age"), "segment.json"), (cut, "segment-cut.json")] {
        let described = describe(&mut open_any(&viewer, &file).unwrap());
        std::fs::write(vector(expected), format!("{described:#}\n")).unwrap();
    }
}
