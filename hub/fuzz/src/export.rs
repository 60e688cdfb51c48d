//! Export files: what a person brings to `keepsight store import`, and what a rescue finds.

use store::ExportHeader;
use store::engine::MemoryEngine;

const MAGIC: &[u8] = b"keepsight-store-export\n";

/// Reads `bytes` as an export file; and, since no mutation finds a checksum, as the frames of one: length of the frame
/// (2 bytes, big-endian), frame, and so on.
pub fn read(bytes: &[u8]) {
    take(bytes);
    take(&framed(bytes));
}

fn take(bytes: &[u8]) {
    let file = crate::file(bytes);
    let head = ExportHeader::read(file.path());
    let whole = ExportHeader::read_whole(file.path());
    assert!(head.is_ok() || whole.is_err(), "a file without a head was read as a whole");

    let dir = crate::folder();
    let store = crate::store(dir.path(), MemoryEngine::default()).expect("a new store opens");
    let taken = store.import(file.path());
    assert!(whole.is_ok() || taken.is_err(), "rows were taken from a file that is not whole");
    store.read_blocking(|db| db.check()).expect("a check finds what is bad and goes on");
    store.close_blocking();
}

fn framed(mut bytes: &[u8]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    while let Some((len, rest)) = bytes.split_first_chunk() {
        let (frame, rest) = rest.split_at(usize::from(u16::from_be_bytes(*len)).min(rest.len()));
        file.extend((frame.len() as u32).to_be_bytes());
        file.extend(crc32fast::hash(frame).to_be_bytes());
        file.extend(frame);
        bytes = rest;
    }
    file
}
