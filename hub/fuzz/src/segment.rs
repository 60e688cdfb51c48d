//! Segment files: what a disk gives back. Once as the plaintext, sealed here so that it opens, and once as the sealed file.

use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;

use base::{CameraId, EpochId, PrincipalId};
use footage::{SegmentReader, open_any};
use vault::{EpochSecrets, FootageRecipient, PrincipalIdentity, Purpose, Viewer, seal};

/// Whose footage the seeds say they are.
pub const CAMERA: [u8; 16] = *b"the fuzzed one's";
/// Under which epoch.
pub const EPOCH: [u8; 16] = *b"and its epoch is";

/// The most samples that are read one by one.
const MAX_SAMPLES: usize = 256;

/// Reads `plain` as what stands inside a sealed file.
pub fn read(plain: &[u8]) {
    static KEYS: OnceLock<(FootageRecipient, Viewer)> = OnceLock::new();
    let (to, viewer) = KEYS.get_or_init(|| {
        let (camera, epoch) = (CameraId::from_bytes(CAMERA), EpochId::from_bytes(EPOCH));
        let secrets = EpochSecrets::generate(epoch, camera);
        let identity = PrincipalIdentity::generate();
        let wrapped = secrets.wrap(Purpose::Footage, &identity.recipient());
        let key = Viewer::new(PrincipalId::from_bytes([1; 16]), identity, vec![wrapped])
            .export_key(camera, epoch)
            .expect("what was wrapped for it is exported");
        (secrets.public().footage, Viewer::from_identities(&key).expect("what was exported is read"))
    });
    let mut sealer = seal(to, Vec::new()).expect("memory takes it");
    sealer.write_all(plain).expect("memory takes it");
    open(viewer, &sealer.finish().expect("memory takes it"));
}

/// Reads `bytes` as a sealed file, of the key of the format's test vectors.
pub fn read_sealed(bytes: &[u8]) {
    static KEY: OnceLock<Viewer> = OnceLock::new();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/format/vectors/segment.key.txt");
    let viewer = KEY.get_or_init(|| {
        let text = std::fs::read_to_string(&vectors).expect("the vectors are there");
        Viewer::from_identities(&text).expect("the vectors' key is one")
    });
    open(viewer, bytes);
}

fn open(viewer: &Viewer, sealed: &[u8]) {
    let file = crate::file(sealed);
    if let Ok(mut reader) = open_any(viewer, file.path()) {
        walk(&mut reader);
    }
}

/// Everything that the hub does with a segment.
fn walk(reader: &mut SegmentReader) {
    let in_order = reader.fragments().count();
    let index = reader.index().clone();
    let samples = index
        .fragments
        .iter()
        .flat_map(|f| f.layout.runs.iter().flat_map(move |r| r.samples.iter().map(move |s| (f.offset, s))));
    for (offset, sample) in samples.take(MAX_SAMPLES) {
        // An index may lie about what is there: then it is not there, and nothing else happens.
        let mut start = vec![0; sample.size.min(64) as usize];
        let _ = reader.read_at(offset.saturating_add(u64::from(sample.offset)), &mut start);
    }
    for fragment in index.fragments.iter().take(MAX_SAMPLES) {
        if let Some(at) = fragment.layout.first_picture_90k() {
            reader.seek(at);
            let _ = reader.next_fragment();
            let _ = reader.wall(at);
        }
    }
    reader.seek(i64::MIN);
    reader.seek(i64::MAX);
    let _ = reader.summary();
    let whole = reader.verify();
    // What is read in order and what is counted are the same.
    assert_eq!(reader.index().fragments.len(), in_order, "{whole:?}");
}
