//! What says which update there is: `BOARD.json`, beside the bundle that it names (docs/updates.md).
//!
//! Nobody signs it: whoever can change it can offer a version that is not there, or hide one. What is installed is judged
//! by RAUC, by the signature in the bundle, and by the version that RAUC found in it ([`super::Updates`]).

use base::{Problem, ProblemKind};
use semver::Version;
use serde::Deserialize;

/// Format number of the manifests that this program reads.
const FORMAT: u32 = 1;
/// Longer ones are something else.
pub const MAX_MANIFEST_BYTES: u64 = 16 * 1024;
/// Longer names of files are nobody's.
const MAX_NAME: usize = 128;
/// No slot is larger.
const MAX_BUNDLE_BYTES: u64 = 8 << 30;

/// An update as it is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Which version.
    pub version: Version,
    /// Which hubs it is for.
    pub compatible: String,
    /// The oldest version that may be updated to it.
    pub minimum: Option<Version>,
    /// The bundle's file name, beside the manifest.
    pub bundle: String,
    /// Its bytes.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
}

/// As it is written. What a later format adds is passed over, as long as it keeps the number.
#[derive(Deserialize)]
struct Written {
    version: Version,
    compatible: String,
    minimum: Option<Version>,
    bundle: String,
    size: u64,
    sha256: String,
}

#[derive(Deserialize)]
struct Numbered {
    format: u32,
}

impl Manifest {
    /// Reads one.
    ///
    /// # Errors
    /// It is something else, of a later format, or names a bundle that cannot lie beside it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(ManifestError::Bad("it is longer than a manifest is"));
        }
        let numbered: Numbered = serde_json::from_slice(bytes).map_err(ManifestError::Unreadable)?;
        if numbered.format != FORMAT {
            return Err(ManifestError::Format(numbered.format));
        }
        let written: Written = serde_json::from_slice(bytes).map_err(ManifestError::Unreadable)?;
        if !is_bundle_name(&written.bundle) {
            return Err(ManifestError::Bad("bundle is not the name of a .raucb file beside it"));
        }
        if !(1..=MAX_BUNDLE_BYTES).contains(&written.size) {
            return Err(ManifestError::Bad("size is none that a bundle has"));
        }
        let sha256 = hex(&written.sha256).ok_or(ManifestError::Bad("sha256 is not 64 hexadecimal digits"))?;
        if written.compatible.is_empty() || written.compatible.len() > MAX_NAME {
            return Err(ManifestError::Bad("compatible is none"));
        }
        Ok(Self {
            version: written.version,
            compatible: written.compatible,
            minimum: written.minimum,
            bundle: written.bundle,
            size: written.size,
            sha256,
        })
    }
}

/// A plain name: no folder, nothing hidden, nothing that means something in an address.
fn is_bundle_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    name.len() <= MAX_NAME
        && name.bytes().all(plain)
        && name.strip_suffix(".raucb").is_some_and(|stem| !stem.is_empty() && !stem.starts_with('.'))
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// A manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not JSON, or lacks something.
    #[error("it cannot be read: {0}")]
    Unreadable(#[source] serde_json::Error),
    /// Its format is another one.
    #[error("it has format {0}, this version reads {FORMAT}")]
    Format(u32),
    /// One of its values cannot be.
    #[error("{0}")]
    Bad(&'static str),
}

impl ManifestError {
    /// The same for a person; `place` is where it lies.
    pub fn problem(&self, place: &str) -> Problem {
        Problem::with(ProblemKind::UpdateSource, format_args!("{place} is no manifest of an update: {self}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHA: &str = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";

    fn text() -> String {
        format!(
            r#"{{"format": 1, "version": "0.3.0", "compatible": "keepsight-pc", "minimum": "0.2.0",
                "bundle": "keepsight-pc-0.3.0.raucb", "size": 166600000, "sha256": "{SHA}", "notes": "later"}}"#
        )
    }

    #[test]
    fn a_manifest_says_version_board_and_bundle() {
        let manifest = Manifest::parse(text().as_bytes()).unwrap();
        assert_eq!((&manifest.version, &manifest.minimum), (&Version::new(0, 3, 0), &Some(Version::new(0, 2, 0))));
        assert_eq!((manifest.bundle.as_str(), manifest.size), ("keepsight-pc-0.3.0.raucb", 166_600_000));
        assert_eq!((manifest.sha256[0], manifest.sha256[15], manifest.sha256[31]), (0, 0xff, 0xff));
        let least = text().replace(r#""minimum": "0.2.0","#, "");
        assert_eq!(Manifest::parse(least.as_bytes()).unwrap().minimum, None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (from, to, said) in [
            ("\"format\": 1", "\"format\": 2", "it has format 2, this version reads 1"),
            ("\"0.3.0\"", "\"next\"", "it cannot be read: unexpected character 'n' while parsing major version number"),
            ("\"size\"", "\"bytes\"", "it cannot be read: missing field `size`"),
            ("166600000", "0", "size is none that a bundle has"),
            ("166600000", "8589934593", "size is none that a bundle has"),
            ("FF\"", "F\"", "sha256 is not 64 hexadecimal digits"),
            ("FF\"", "+F\"", "sha256 is not 64 hexadecimal digits"),
            ("keepsight-pc-0.3.0.raucb", "../a.raucb", "bundle is not the name of a .raucb file beside it"),
            ("keepsight-pc-0.3.0.raucb", "a%2f.raucb", "bundle is not the name of a .raucb file beside it"),
            ("keepsight-pc-0.3.0.raucb", ".raucb", "bundle is not the name of a .raucb file beside it"),
            ("keepsight-pc-0.3.0.raucb", "a.raucb?x", "bundle is not the name of a .raucb file beside it"),
        ] {
            let error = Manifest::parse(text().replace(from, to).as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(said), "{to}: {error}");
        }
        let long = format!("{}{}", text(), " ".repeat(MAX_MANIFEST_BYTES as usize));
        assert_eq!(Manifest::parse(long.as_bytes()).unwrap_err().to_string(), "it is longer than a manifest is");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_manifest_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Manifest::parse(&bytes);
        }
        /// Whatever a manifest calls its bundle: it is a file beside it.
        #[test]
        fn a_bundle_lies_beside_its_manifest(name in "\\PC{0,40}|[a-z./%?#:-]{0,20}\\.raucb") {
            let text = text().replace("\"keepsight-pc-0.3.0.raucb\"", &serde_json::to_string(&name).unwrap());
            if let Ok(manifest) = Manifest::parse(text.as_bytes()) {
                let folder = url::Url::parse("https://example.org/updates/").unwrap();
                let bundle = folder.join(&manifest.bundle).unwrap();
                prop_assert_eq!(bundle.as_str(), format!("https://example.org/updates/{name}"));
                prop_assert!(!name.contains('/'));
            }
        }
    }
}
