//! The recovery kit: the printed sheet that opens everything.

use std::fmt;

use base::{CameraId, EpochId, HubId};
use bip39::{Language, Mnemonic};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::{Zeroize, Zeroizing};

use crate::camera_keys::EpochSecrets;
use crate::error::{BadKeyFile, KeyError};
use crate::recipients::RecoveryRecipient;
use crate::secret::{Secret, hidden};
use crate::signing::VerifyingKey;
use crate::{key_file, small};

const WORDS: usize = 24;
/// The longest recovery file that is read.
const MAX_BYTES: usize = 64 * 1024;

/// A secret key that opens every epoch's key file: made at the claim, shown once, never stored.
pub struct RecoveryKit(Secret);

hidden!(RecoveryKit);

impl RecoveryKit {
    /// A new one.
    pub fn generate() -> Self {
        Self(Secret::generate())
    }
    /// The secret as 24 English BIP-39 words with one space between.
    pub fn words(&self) -> Zeroizing<String> {
        let mnemonic = Mnemonic::from_entropy(self.0.expose()).expect("32 bytes are 24 words");
        let mut words = Zeroizing::new(String::with_capacity(WORDS * 9)); // the longest word has 8 letters
        for (i, word) in mnemonic.words().enumerate() {
            if i > 0 {
                words.push(' ');
            }
            words.push_str(word);
        }
        words
    }
    /// The same secret as age takes it: `AGE-SECRET-KEY-1…`.
    pub fn secret_key(&self) -> Zeroizing<String> {
        self.0.text()
    }
    /// The public key: every epoch's key file is sealed to it.
    pub fn recipient(&self) -> RecoveryRecipient {
        RecoveryRecipient(self.0.recipient())
    }

    /// Opens a key file that was found beside the footage of a camera, at the place of an epoch; what is of another
    /// camera or epoch inside is an error.
    pub fn open_kit_file(&self, camera: CameraId, epoch: EpochId, file: &[u8]) -> Result<EpochSecrets, KeyError> {
        let plain = small::open(&self.0, file)?;
        let text = std::str::from_utf8(&plain).map_err(|_| KeyError::Damaged)?;
        let keys = key_file::parse(text).map_err(|_| KeyError::Damaged)?;
        EpochSecrets::from_keys(camera, epoch, &keys)
    }

    /// Reads what a person kept: the claim's answer (whole, or its `recovery_kit` part), the 24 words, or the
    /// `AGE-SECRET-KEY-1…` line. Blank lines, lines that begin with `#` and numbers before words do not matter.
    pub fn parse_file(text: &str) -> Result<RecoveryFile, BadKeyFile> {
        if text.len() > MAX_BYTES {
            return Err(BadKeyFile { detail: "It is too long" });
        }
        if text.trim_start().starts_with('{') {
            return parse_json(text);
        }
        let mut lines = Zeroizing::new(String::with_capacity(text.len()));
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            lines.push_str(line);
            lines.push(' ');
        }
        let kit = parse_words(&lines).or_else(|bad| Secret::parse(lines.trim()).map(Self).ok_or(bad))?;
        Ok(RecoveryFile { kit, hub_id: None, verifying_key: None })
    }
}

/// What [`RecoveryKit::parse_file`] found.
#[derive(Debug)]
pub struct RecoveryFile {
    /// The kit.
    pub kit: RecoveryKit,
    /// Whose kit it is; only the claim's JSON says it.
    pub hub_id: Option<HubId>,
    /// What the hub's manifests are checked with; only the claim's JSON says it.
    pub verifying_key: Option<VerifyingKey>,
}

fn parse_words(text: &str) -> Result<RecoveryKit, BadKeyFile> {
    // As they were printed: "1. abandon", "1) abandon" or "abandon".
    let mut words = Zeroizing::new(String::with_capacity(text.len()));
    let mut count = 0;
    for word in text.split_whitespace().filter(|word| !word.starts_with(|c: char| c.is_ascii_digit())) {
        count += 1;
        words.extend(word.chars().map(|c| c.to_ascii_lowercase()));
        words.push(' ');
    }
    if count != WORDS {
        return Err(BadKeyFile { detail: "It holds neither a key nor 24 words" });
    }
    let mnemonic = Mnemonic::parse_in_normalized(Language::English, words.trim_end()).map_err(|e| BadKeyFile {
        detail: match e {
            bip39::Error::InvalidChecksum => "The 24 words do not fit together: one of them is another, or their order",
            _ => "One of the 24 words is not in the list of BIP-39 words",
        },
    })?;
    let (mut entropy, len) = mnemonic.to_entropy_array();
    let secret = Secret::from_slice(&entropy[..len]);
    entropy.zeroize();
    secret.map(RecoveryKit).ok_or(BadKeyFile { detail: "It holds neither a key nor 24 words" })
}

fn parse_json(text: &str) -> Result<RecoveryFile, BadKeyFile> {
    let mut claim: Json =
        serde_json::from_str(text).map_err(|_| BadKeyFile { detail: "It is not the JSON of a claim" })?;
    let kit = claim.recovery_kit.take().unwrap_or_else(|| claim.kit());
    let from_words = kit.words.as_ref().map(|words| parse_words(&words.0)).transpose()?;
    let from_secret = match &kit.secret {
        None => None,
        Some(key) => {
            let secret = Secret::parse(key.0.trim());
            Some(secret.map(RecoveryKit).ok_or(BadKeyFile { detail: "Its secret is not an AGE-SECRET-KEY" })?)
        }
    };
    let found = match (from_words, from_secret) {
        (Some(words), Some(secret)) if words.0.expose() != secret.0.expose() => {
            return Err(BadKeyFile { detail: "Its words and its secret are of different kits" });
        }
        (words, secret) => words.or(secret).ok_or(BadKeyFile { detail: "It holds neither a key nor 24 words" })?,
    };
    Ok(RecoveryFile { kit: found, hub_id: kit.hub_id, verifying_key: kit.verifying_key })
}

/// Either of the two texts of [`RecoveryKit::parse_file`]. Written out: serde's `untagged` and `flatten` would keep
/// copies of the secrets.
#[derive(Deserialize)]
struct Json {
    recovery_kit: Option<KitJson>,
    words: Option<Wiped>,
    secret: Option<Wiped>,
    hub_id: Option<HubId>,
    verifying_key: Option<VerifyingKey>,
}

#[derive(Deserialize)]
struct KitJson {
    words: Option<Wiped>,
    secret: Option<Wiped>,
    hub_id: Option<HubId>,
    verifying_key: Option<VerifyingKey>,
}

impl Json {
    fn kit(self) -> KitJson {
        let Self { recovery_kit: _, words, secret, hub_id, verifying_key } = self;
        KitJson { words, secret, hub_id, verifying_key }
    }
}

/// A string, or a list of strings with a space after each.
struct Wiped(Zeroizing<String>);

impl<'de> Deserialize<'de> for Wiped {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Wiped;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or a list of strings")
            }
            fn visit_str<E>(self, text: &str) -> Result<Wiped, E> {
                Ok(Wiped(Zeroizing::new(text.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Wiped, A::Error> {
                let mut text = Zeroizing::new(String::with_capacity(WORDS * 9));
                while let Some(Wiped(word)) = list.next_element()? {
                    text.push_str(&word);
                    text.push(' ');
                }
                Ok(Wiped(text))
            }
        }
        from.deserialize_any(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SimClock;
    use proptest::prelude::*;

    const ZERO_WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art";

    fn kit_of(bytes: [u8; 32]) -> RecoveryKit {
        RecoveryKit(Secret::from_slice(&bytes).unwrap())
    }

    fn detail(text: &str) -> &'static str {
        RecoveryKit::parse_file(text).unwrap_err().detail
    }

    #[test]
    fn words_are_those_of_bip_39() {
        // Of the standard's own test vectors.
        assert_eq!(*kit_of([0; 32]).words(), ZERO_WORDS);
        assert_eq!(
            *kit_of([0x7f; 32]).words(),
            "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth title"
        );
    }

    proptest! {
        #[test]
        fn words_key_and_json_are_one_secret(bytes: [u8; 32]) {
            let kit = kit_of(bytes);
            let (words, key) = (kit.words(), kit.secret_key());
            let inner = serde_json::json!({ "words": *words, "secret": *key });
            let list = serde_json::json!({ "words": words.split(' ').collect::<Vec<_>>() });
            let mut printed = "# Keepsight recovery kit\n\n".to_owned();
            for (i, word) in words.split(' ').enumerate() {
                printed += &format!("{:2}. {}{}", i + 1, word.to_uppercase(), if i % 4 == 3 { "\n" } else { "  " });
            }
            for text in [
                words.to_string(),
                key.to_string(),
                format!("# created by hand\n\n  {}\n", key.to_lowercase()),
                printed,
                inner.to_string(),
                list.to_string(),
                serde_json::json!({ "recovery_kit": inner, "other": 1 }).to_string(),
            ] {
                let found = RecoveryKit::parse_file(&text).unwrap();
                prop_assert_eq!(found.kit.0.expose(), &bytes, "{}", text);
                prop_assert!(found.hub_id.is_none() && found.verifying_key.is_none());
            }
        }

        #[test]
        fn any_text_is_read_or_refused(
            text in "\\PC{0,200}|\\{\"(words|secret|recovery_kit)\":\\PC{0,40}\\}|(abandon |zoo |[a-z]{3,8} ){22,26}",
        ) {
            let _ = RecoveryKit::parse_file(&text);
        }
    }

    #[test]
    fn the_claims_json_also_says_whose_kit_it_is() {
        let kit = RecoveryKit::generate();
        let hub = HubId::new(&SimClock::default());
        let key = crate::HubSigningKey::load(&crate::HubSigningKey::generate()).unwrap().verifying_key();
        let inner = serde_json::json!({ "words": *kit.words(), "secret": *kit.secret_key(), "hub_id": hub, "verifying_key": key });
        for json in [inner.clone(), serde_json::json!({ "recovery_kit": inner })] {
            let found = RecoveryKit::parse_file(&format!("\n{json:#}\n")).unwrap();
            assert_eq!(found.kit.recipient(), kit.recipient());
            assert_eq!((found.hub_id, found.verifying_key), (Some(hub), Some(key)));
        }
    }

    #[test]
    fn what_is_no_kit_is_refused_with_what_is_wrong() {
        let [a, b] = [RecoveryKit::generate(), RecoveryKit::generate()];
        assert_eq!(detail(""), "It holds neither a key nor 24 words");
        assert_eq!(detail("abandon abandon"), "It holds neither a key nor 24 words");
        assert_eq!(
            detail(&ZERO_WORDS.replace("art", "abandon")),
            "The 24 words do not fit together: one of them is another, or their order"
        );
        assert_eq!(
            detail(&ZERO_WORDS.replace("art", "aart")),
            "One of the 24 words is not in the list of BIP-39 words"
        );
        assert_eq!(detail(&a.secret_key()[1..]), "It holds neither a key nor 24 words");
        assert_eq!(detail("{}"), "It holds neither a key nor 24 words");
        assert_eq!(detail("{\"recovery_kit\": {}}"), "It holds neither a key nor 24 words");
        assert_eq!(detail("{\"recovery_kit\": 1}"), "It is not the JSON of a claim");
        assert_eq!(detail("{\"secret\": \"x\"}"), "Its secret is not an AGE-SECRET-KEY");
        let mixed = serde_json::json!({ "words": *a.words(), "secret": *b.secret_key() });
        assert_eq!(detail(&mixed.to_string()), "Its words and its secret are of different kits");
        assert_eq!(detail(&" ".repeat(MAX_BYTES + 1)), "It is too long");
    }

    #[test]
    fn a_kit_opens_the_key_files_sealed_to_it_at_their_own_place() {
        let clock = SimClock::default();
        let (camera, epoch) = (CameraId::new(&clock), EpochId::new(&clock));
        let (kit, other) = (RecoveryKit::generate(), RecoveryKit::generate());
        let secrets = EpochSecrets::generate(epoch, camera);
        let file = secrets.kit_file(&kit.recipient());
        let opened = kit.open_kit_file(camera, epoch, &file).unwrap();
        assert_eq!((opened.camera(), opened.public()), (camera, secrets.public()));
        assert_eq!(other.open_kit_file(camera, epoch, &file).unwrap_err(), KeyError::WrongKey);
        assert_eq!(kit.open_kit_file(CameraId::new(&clock), epoch, &file).unwrap_err(), KeyError::Mismatch);
        assert_eq!(kit.open_kit_file(camera, EpochId::new(&clock), &file).unwrap_err(), KeyError::Mismatch);
        assert_eq!(kit.open_kit_file(camera, epoch, &file[..file.len() - 1]).unwrap_err(), KeyError::Damaged);
        let text = |keys: &[_]| small::seal(&kit.recipient().0, key_file::write(keys).as_bytes());
        let [live, footage] = secrets.keys();
        for keys in [vec![live.clone()], vec![live.clone(), live.clone()], vec![footage.clone(), live, footage]] {
            assert_eq!(kit.open_kit_file(camera, epoch, &text(&keys)).unwrap_err(), KeyError::Damaged);
        }
    }
}
