//! Range headers: what a player, or anybody, sends.

use api::range::Asked;

/// Reads `bytes` as the length of a file (8 bytes, big-endian) and a header.
pub fn read(bytes: &[u8]) {
    let Some((len, header)) = bytes.split_first_chunk() else { return };
    let len = u64::from_be_bytes(*len);
    match Asked::read(Some(&String::from_utf8_lossy(header)), len) {
        Asked::Part(part) => assert!(part.start < part.end && part.end <= len, "{part:?} of {len}"),
        Asked::Whole | Asked::Beyond => {}
    }
}
