//! Encoded clips on disk, so that they are encoded once. A cache: what cannot be read is made anew.
//!
//! Several processes may want one clip at once: the first makes it under a file lock, the others wait for it.
//!
//! A file is: 8 bytes of magic with the format's number; number of pictures and of audio frames, the length in bytes of each,
//! and each picture's place in the order of showing, 32 bits little-endian; then the pictures (each NAL unit after its
//! 32-bit big-endian length) and the frames; FNV-1a checksum of all before it, 64 bits little-endian.

use std::fs::OpenOptions;
use std::path::Path;

use base::fs;
use base::fs::FsError;
use bytes::{Buf, Bytes};
use nix::fcntl::{Flock, FlockArg};

use crate::SimError;
use crate::encode::{Encoded, Recipe, encode, is_key, sound};
use crate::options::{self, CLIP_SECONDS};

/// Change the number when the format, the pictures or the encoder's settings change.
const MAGIC: &[u8; 8] = b"KSCLIP2\n";
const MAX_BYTES: u64 = 256 << 20;

/// The clip from the cache folder, or made, and then kept there.
pub(crate) fn clip(folder: Option<&Path>, recipe: Recipe) -> Result<Encoded, SimError> {
    let Some(folder) = folder else { return encode(recipe) };
    let path = folder.join(file_name(recipe));
    if let Some(clip) = read(&path, recipe) {
        return Ok(clip);
    }
    let locked = match lock(folder, &path.with_extension("lock")) {
        Ok(locked) => locked,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "clips are not kept");
            return encode(recipe);
        }
    };
    if let Some(clip) = read(&path, recipe) {
        return Ok(clip); // somebody else made it while we waited
    }
    let clip = encode(recipe)?;
    if let Err(error) = fs::write_atomic(&path, &to_bytes(&clip), 0o644) {
        tracing::warn!(error = &error as &dyn std::error::Error, "a clip is not kept");
    }
    drop(locked);
    Ok(clip)
}

/// All that the clip depends on.
fn file_name(recipe: Recipe) -> String {
    let Recipe { camera, codec, size, fps, kbit, key_seconds, audio } = recipe;
    let version = MAGIC[6] as char;
    format!("{version}-{codec}-{}-{size}-{fps}fps-{kbit}kbit-{key_seconds}s-{audio}.clip", options::name(camera))
}

fn lock(folder: &Path, path: &Path) -> Result<Flock<std::fs::File>, FsError> {
    fs::create_dir(folder, 0o755)?;
    let open = OpenOptions::new().create(true).write(true).truncate(false).open(path);
    let file = open.map_err(FsError::on("open", path))?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| FsError::on("lock", path)(e.into()))
}

fn read(path: &Path, recipe: Recipe) -> Option<Encoded> {
    match fs::read(path, MAX_BYTES) {
        Ok(bytes) => {
            let clip = from_bytes(bytes.into()).filter(|clip| fits(clip, recipe));
            if clip.is_none() {
                tracing::warn!(path = %path.display(), "a damaged clip is made anew");
            }
            clip
        }
        Err(error) => {
            if !error.is_not_found() {
                tracing::warn!(error = &error as &dyn std::error::Error, "a clip is made anew");
            }
            None
        }
    }
}

fn fits(clip: &Encoded, recipe: Recipe) -> bool {
    clip.pictures.len() == (recipe.fps * CLIP_SECONDS) as usize
        && clip.pictures.first().is_some_and(|p| is_key(recipe.codec, p))
        && clip.audio.len() == sound(recipe.audio).map_or(0, |format| format.frames())
}

fn to_bytes(clip: &Encoded) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    let lengths = clip.pictures.iter().map(|p| p.iter().map(|nal| 4 + nal.len()).sum());
    let numbers = [clip.pictures.len(), clip.audio.len()].into_iter().chain(lengths);
    let numbers = numbers.chain(clip.audio.iter().map(Bytes::len)).map(|number| number as u32);
    for number in numbers.chain(clip.shown.iter().copied()) {
        out.extend(number.to_le_bytes());
    }
    for nal in clip.pictures.iter().flatten() {
        out.extend((nal.len() as u32).to_be_bytes());
        out.extend_from_slice(nal);
    }
    for frame in &clip.audio {
        out.extend_from_slice(frame);
    }
    let sum = checksum(&out);
    out.extend(sum.to_le_bytes());
    out
}

fn from_bytes(mut bytes: Bytes) -> Option<Encoded> {
    let body = bytes.len().checked_sub(8)?;
    let sum = bytes.split_off(body);
    if checksum(&bytes).to_le_bytes() != sum[..] || !bytes.starts_with(MAGIC) {
        return None;
    }
    bytes.advance(MAGIC.len());
    let pictures = bytes.try_get_u32_le().ok()? as usize;
    let frames = bytes.try_get_u32_le().ok()? as usize;
    if bytes.len() / 4 < pictures.checked_mul(2)?.checked_add(frames)? {
        return None;
    }
    let lengths: Vec<usize> = (0..pictures + frames).map(|_| bytes.get_u32_le() as usize).collect();
    let shown = (0..pictures).map(|_| bytes.get_u32_le()).collect();
    let mut units = Vec::with_capacity(lengths.len());
    for length in lengths {
        units.push((bytes.len() >= length).then(|| bytes.split_to(length))?);
    }
    let audio = units.split_off(pictures);
    let pictures = units.into_iter().map(split_nal_units).collect::<Option<_>>()?;
    Some(Encoded { pictures, shown, audio })
}

fn split_nal_units(mut picture: Bytes) -> Option<Vec<Bytes>> {
    let mut nals = Vec::new();
    while !picture.is_empty() {
        let length = picture.try_get_u32().ok()? as usize;
        nals.push((picture.len() >= length).then(|| picture.split_to(length))?);
    }
    Some(nals)
}

/// FNV-1a over words of 8 bytes, the last filled with zeroes.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(0xcbf2_9ce4_8422_2325, |sum, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn units(max: usize) -> impl Strategy<Value = Vec<Bytes>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50).prop_map(Bytes::from), 0..max)
    }

    proptest! {
        #[test]
        fn a_clip_is_read_as_it_was_written(pictures in prop::collection::vec(units(4), 0..10), audio in units(5)) {
            let shown = (0..pictures.len() as u32).rev().collect();
            let clip = Encoded { pictures, shown, audio };
            prop_assert_eq!(from_bytes(to_bytes(&clip).into()), Some(clip));
        }

        #[test]
        fn a_damaged_clip_is_no_clip(audio in units(5), at: prop::sample::Index, flip in 1u8..) {
            let pictures = vec![vec![Bytes::from_static(b"\x67a"), Bytes::from_static(b"\x65b")]];
            let clip = Encoded { pictures, shown: vec![0], audio };
            let mut bytes = to_bytes(&clip);
            let cut = at.index(bytes.len());
            prop_assert_eq!(from_bytes(Bytes::copy_from_slice(&bytes[..cut])), None);
            bytes[cut] ^= flip;
            prop_assert_eq!(from_bytes(bytes.into()), None);
        }

        #[test]
        fn lengths_that_lie_are_refused(numbers in prop::collection::vec(any::<u32>(), 0..20)) {
            let mut bytes = MAGIC.to_vec();
            bytes.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
            let sum = checksum(&bytes);
            bytes.extend(sum.to_le_bytes());
            from_bytes(bytes.into());
        }
    }
}
