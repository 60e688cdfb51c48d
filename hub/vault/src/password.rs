//! Passwords: strength, and the key that is derived from one.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base::{Problem, ProblemKind};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;
use zxcvbn::{Score, zxcvbn};

use crate::error::KeyError;
use crate::principal::{PrincipalIdentity, SealedIdentity};
use crate::recipients::SecretRecipient;
use crate::secret::{Secret, hidden};
use crate::text;
use crate::totp::{SealedTotp, TotpSecret};

const SALT_BYTES: usize = 16;

/// A password as somebody typed it. Wiped when dropped.
pub struct Password(Zeroizing<String>);

hidden!(Password);

/// A password is longer than [`Password::MAX_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the password is longer than {} bytes", Password::MAX_BYTES)]
pub struct PasswordTooLong;

/// A password that a thief of the disk could guess.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the password is too easy to guess: {detail}")]
pub struct WeakPassword {
    /// Why, and what would help, as sentences; empty if nothing in particular.
    pub detail: String,
}

impl From<WeakPassword> for Problem {
    fn from(weak: WeakPassword) -> Self {
        Problem { kind: ProblemKind::WeakPassword, detail: Some(weak.detail).filter(|d| !d.is_empty()) }
    }
}

impl Password {
    /// The longest password that is taken: hashing more would only cost time.
    pub const MAX_BYTES: usize = 1024;

    /// Takes what somebody typed; wipes it if it is too long.
    pub fn new(typed: String) -> Result<Self, PasswordTooLong> {
        let typed = Zeroizing::new(typed);
        if typed.len() > Self::MAX_BYTES { Err(PasswordTooLong) } else { Ok(Self(typed)) }
    }

    /// A new password of four random words, for people who do not want to think of one: 44 random bits, behind the slow
    /// derivation. The words are BIP-39's: short, and none is mistaken for another.
    pub fn four_words() -> Zeroizing<String> {
        let words = bip39::Language::English.word_list();
        let mut random = Zeroizing::new([0u8; 8]);
        base::random(&mut *random);
        let chosen = random.chunks_exact(2).map(|b| words[usize::from(u16::from_be_bytes([b[0], b[1]])) % words.len()]);
        Zeroizing::new(chosen.collect::<Vec<_>>().join(" "))
    }

    /// Is it hard to guess, for somebody who knows `user_inputs` (the person's name, the hub's)? It wraps a key that a
    /// thief of the disk can attack at leisure, so zxcvbn must give it 3 of 4 or better.
    pub fn check_strength(&self, user_inputs: &[&str]) -> Result<(), WeakPassword> {
        let found = zxcvbn(&self.0, user_inputs);
        if found.score() >= Score::Three {
            return Ok(());
        }
        let detail = found.feedback().map(|f| f.to_string().trim().to_owned()).unwrap_or_default();
        Err(WeakPassword { detail })
    }

    /// The key that the password is, with these parameters. Slow on purpose: about half a second and 64 MiB on a board.
    pub fn derive(&self, params: &PasswordParams) -> PasswordSecret {
        let argon = Params::new(params.m_kib, params.t, params.p, None)
            .map(|p| Argon2::new(Algorithm::Argon2id, Version::V0x13, p))
            .expect("bounds were checked when the parameters were made");
        let mut memory = Zeroizing::new(vec![Block::default(); argon.params().block_count()]);
        PasswordSecret(Secret::fill(|key| {
            argon
                .hash_password_into_with_memory(self.0.as_bytes(), &params.salt, key, memory.as_mut_slice())
                .expect("bounds were checked when the parameters were made");
        }))
    }
}

impl TryFrom<String> for Password {
    type Error = PasswordTooLong;
    fn try_from(typed: String) -> Result<Self, PasswordTooLong> {
        Self::new(typed)
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

/// How a password becomes a key: Argon2id's parameters and a random salt. Public, kept beside what it opens; bounds
/// are checked when it is read, so that a bad row cannot make the hub run out of memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawParams")]
pub struct PasswordParams {
    #[serde(with = "text::base64")]
    salt: [u8; SALT_BYTES],
    m_kib: u32,
    t: u32,
    p: u32,
}

/// Parameters outside of what any hub wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("password parameters out of bounds")]
pub struct BadPasswordParams;

impl PasswordParams {
    /// A new salt, 64 MiB, three passes, one lane: RFC 9106's second choice, with the lanes a small board has.
    #[expect(clippy::new_without_default, reason = "random: a default would be a surprise")]
    pub fn new() -> Self {
        Self { salt: new_salt(), m_kib: 64 * 1024, t: 3, p: 1 }
    }
    /// For tests only: as weak as Argon2 allows, so that a test does not wait.
    pub fn light() -> Self {
        Self { salt: new_salt(), m_kib: 8, t: 1, p: 1 }
    }
    /// Memory it takes, in KiB.
    pub fn m_kib(&self) -> u32 {
        self.m_kib
    }
}

#[derive(Deserialize)]
struct RawParams {
    #[serde(with = "text::base64")]
    salt: [u8; SALT_BYTES],
    m_kib: u32,
    t: u32,
    p: u32,
}

impl TryFrom<RawParams> for PasswordParams {
    type Error = BadPasswordParams;
    fn try_from(raw: RawParams) -> Result<Self, BadPasswordParams> {
        let RawParams { salt, m_kib, t, p } = raw;
        // 8 blocks per lane is Argon2's own least.
        let good = (1..=8).contains(&p) && (1..=16).contains(&t) && (8 * p..=1024 * 1024).contains(&m_kib);
        if good { Ok(Self { salt, m_kib, t, p }) } else { Err(BadPasswordParams) }
    }
}

fn new_salt() -> [u8; SALT_BYTES] {
    let mut salt = [0; SALT_BYTES];
    base::random(&mut salt);
    salt
}

/// The key that a password became.
pub struct PasswordSecret(Secret);

hidden!(PasswordSecret);

impl PasswordSecret {
    /// To which the principal's identity is sealed.
    pub fn recipient(&self) -> SecretRecipient {
        SecretRecipient(self.0.recipient())
    }
    /// Opens the principal's identity: [`KeyError::WrongKey`] is a wrong password.
    pub fn unlock(&self, sealed: &SealedIdentity) -> Result<PrincipalIdentity, KeyError> {
        sealed.unlock(&self.0)
    }
    /// Opens the secret of one-time codes: who gave the password, and nobody else, can check a code.
    pub fn unlock_totp(&self, sealed: &SealedTotp) -> Result<TotpSecret, KeyError> {
        sealed.unlock(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn password(text: &str) -> Password {
        Password::new(text.to_owned()).unwrap()
    }

    #[test]
    fn four_generated_words_are_strong_and_never_the_same() {
        let passwords: Vec<_> = (0..20).map(|_| Password::four_words()).collect();
        for password in &passwords {
            assert_eq!(password.split(' ').count(), 4);
            assert_eq!(Password::new(password.to_string()).unwrap().check_strength(&["Olivia"]), Ok(()));
        }
        assert!((1..20).all(|i| passwords[i] != passwords[i - 1]));
    }

    #[test]
    fn the_right_password_opens_and_a_wrong_one_does_not() {
        let params = PasswordParams::light();
        let identity = PrincipalIdentity::generate();
        let sealed = identity.seal_for(&password("four unrelated words").derive(&params).recipient());
        let stored: PasswordParams = serde_json::from_str(&serde_json::to_string(&params).unwrap()).unwrap();
        assert_eq!(stored, params);
        let opened = password("four unrelated words").derive(&stored).unlock(&sealed).unwrap();
        assert_eq!(opened.recipient(), identity.recipient());
        assert_eq!(password("four unrelated word").derive(&stored).unlock(&sealed).unwrap_err(), KeyError::WrongKey);
        let other_salt = password("four unrelated words").derive(&PasswordParams::light());
        assert_eq!(other_salt.unlock(&sealed).unwrap_err(), KeyError::WrongKey);
    }

    #[test]
    fn real_parameters_take_what_they_say() {
        let params = PasswordParams::new();
        assert_eq!((params.m_kib, params.t, params.p), (65_536, 3, 1));
        let key = password("x").derive(&params);
        assert_eq!(key.recipient(), password("x").derive(&params).recipient());
    }

    #[test]
    fn strength_is_judged_with_what_others_know_of_the_person() {
        assert!(password("correct-horse-battery-staple").check_strength(&[]).is_ok());
        assert!(password("").check_strength(&[]).is_err());
        let weak = password("password1").check_strength(&[]).unwrap_err();
        assert_eq!(
            Problem::from(weak).to_string(),
            "The password is too easy to guess. This is a very common password. Add another word or two. Uncommon words are better. Choose a longer one: four unrelated words are good."
        );
        let name = "Bartholomew Featherstone";
        assert!(password("bartholomew featherstone").check_strength(&[name]).is_err());
    }

    #[test]
    fn the_longest_password_is_taken_and_a_longer_one_is_not() {
        let mut text = "é".repeat(Password::MAX_BYTES / 2);
        let longest = password(&text);
        let _ = longest.check_strength(&["a"]);
        longest.derive(&PasswordParams::light());
        text.push('x');
        assert_eq!(Password::new(text.clone()).unwrap_err(), PasswordTooLong);
        assert!(serde_json::from_value::<Password>(text.into()).is_err());
    }

    #[test]
    fn parameters_outside_the_bounds_are_refused() {
        let good = serde_json::to_value(PasswordParams::light()).unwrap();
        for (key, bad) in [
            ("m_kib", 7u64.into()),
            ("m_kib", (1024 * 1024 + 1).into()),
            ("t", 0.into()),
            ("t", 17.into()),
            ("p", 0.into()),
            ("p", 2.into()), // needs 16 KiB
            ("salt", serde_json::Value::from("AAAA")),
            ("salt", "*".into()),
        ] {
            let mut params = good.clone();
            params[key] = bad;
            assert!(serde_json::from_value::<PasswordParams>(params.clone()).is_err(), "{params}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_password_can_be_judged_and_derived(text in "\\PC{0,64}", name in "\\PC{0,16}") {
            let params = PasswordParams::light();
            let _ = password(&text).check_strength(&[&name]);
            prop_assert_eq!(password(&text).derive(&params).recipient(), password(&text).derive(&params).recipient());
        }
    }
}
