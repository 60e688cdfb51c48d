//! One-time codes: RFC 6238 with what every app for them takes, SHA-1, six digits, thirty seconds.

use aws_lc_rs::hmac;
use base::Timestamp;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::KeyError;
use crate::recipients::SecretRecipient;
use crate::secret::{Secret, hidden};
use crate::text::BASE32_OTP;
use crate::{small, text};

const TAG: &[u8] = b"keepsight totp 1\n";
/// RFC 4226 §4: 160 bits are recommended.
const SECRET_BYTES: usize = 20;
const STEP_S: i64 = 30;
const DIGITS: usize = 6;

/// A text is not the secret of one-time codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a secret of one-time codes: it must be 32 letters and digits")]
pub struct BadTotpSecret;

/// What a person's device makes one-time codes of. Kept only as a [`SealedTotp`].
pub struct TotpSecret(Zeroizing<[u8; SECRET_BYTES]>);

hidden!(TotpSecret);

impl TotpSecret {
    /// A new one.
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        base::random(&mut *bytes);
        Self(bytes)
    }

    /// Reads what [`Self::reveal`] wrote.
    pub fn parse(text: &str) -> Result<Self, BadTotpSecret> {
        let bytes = BASE32_OTP.decode(text.as_bytes()).ok_or(BadTotpSecret)?;
        let bytes: &[u8; SECRET_BYTES] = bytes.as_slice().try_into().map_err(|_| BadTotpSecret)?;
        Ok(Self(Zeroizing::new(*bytes)))
    }

    /// The secret as people type it into an app: 32 letters and digits.
    pub fn reveal(&self) -> Zeroizing<String> {
        BASE32_OTP.encode(&*self.0)
    }

    /// The same as an `otpauth:` address, which apps read from a QR code.
    pub fn uri(&self, account: &str) -> Zeroizing<String> {
        // As long as it can get, so that it does not grow and leave copies behind.
        let mut uri = Zeroizing::new(String::with_capacity(128 + 3 * account.len()));
        uri.push_str("otpauth://totp/Keepsight:");
        for byte in account.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => uri.push(byte.into()),
                _ => uri.push_str(&format!("%{byte:02X}")),
            }
        }
        uri.push_str("?secret=");
        uri.push_str(&self.reveal());
        uri.push_str("&issuer=Keepsight&algorithm=SHA1&digits=6&period=30");
        uri
    }

    /// The code of a time.
    pub fn code(&self, at: Timestamp) -> Zeroizing<String> {
        self.code_of(step(at))
    }

    /// Is a code right at a time, give or take one step, and of a later step than those that were `used`? Answers its
    /// step, which is used from then on: each code is good once.
    pub fn check(&self, code: &str, at: Timestamp, used: u64) -> Option<u64> {
        let typed: Zeroizing<String> = Zeroizing::new(code.chars().filter(|c| !c.is_whitespace()).collect());
        let now = step(at);
        let mut found = None;
        for step in [now.saturating_sub(1), now, now + 1] {
            let right = bool::from(self.code_of(step).as_bytes().ct_eq(typed.as_bytes()));
            if right && step > used {
                found = Some(step);
            }
        }
        found
    }

    /// Seals it to a password: only who gives that can check a code.
    pub fn seal_for(&self, secret: &SecretRecipient) -> SealedTotp {
        SealedTotp(small::seal_tagged(&secret.0, TAG, &[&*self.0]))
    }

    /// RFC 4226 §5.3.
    fn code_of(&self, step: u64) -> Zeroizing<String> {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &*self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let at = usize::from(tag[tag.len() - 1] & 0xf);
        let number = u32::from_be_bytes([tag[at], tag[at + 1], tag[at + 2], tag[at + 3]]) & 0x7fff_ffff;
        Zeroizing::new(format!("{:0DIGITS$}", number % 10_u32.pow(DIGITS as u32)))
    }
}

/// Steps since 1970; none before.
fn step(at: Timestamp) -> u64 {
    u64::try_from(at.as_second().div_euclid(STEP_S)).unwrap_or(0)
}

/// A [`TotpSecret`] sealed to its person's password: an age file of less than 800 bytes; base64url in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedTotp(#[serde(with = "text::base64")] pub Vec<u8>);

impl SealedTotp {
    pub(crate) fn unlock(&self, with: &Secret) -> Result<TotpSecret, KeyError> {
        let plain = small::open_tagged(with, TAG, &self.0)?;
        let bytes: &[u8; SECRET_BYTES] = plain.as_slice().try_into().map_err(|_| KeyError::Damaged)?;
        Ok(TotpSecret(Zeroizing::new(*bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Password, PasswordParams, PrincipalIdentity, SealedIdentity};
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn of_the_standard() -> TotpSecret {
        TotpSecret(Zeroizing::new(*b"12345678901234567890"))
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, the last six of its eight digits.
        for (second, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(*of_the_standard().code(at(second)), code);
        }
    }

    #[test]
    fn a_code_is_good_for_a_step_before_and_after_and_once() {
        let (secret, now) = (TotpSecret::generate(), 1_700_000_010);
        let code = |second| secret.code(at(second));
        let check = |code: &str, used| secret.check(code, at(now), used);
        let step = step(at(now));
        assert_eq!(check(&code(now), 0), Some(step));
        assert_eq!(check(&code(now - 30), 0), Some(step - 1));
        assert_eq!(check(&code(now + 30), 0), Some(step + 1));
        assert_eq!(check(&format!("{} {}", &code(now)[..3], &code(now)[3..]), 0), Some(step), "as apps show it");
        assert_eq!(check(&code(now), step), None, "it was used");
        assert_eq!(check(&code(now - 30), step), None, "so was a later one");
        assert_eq!(check(&code(now + 30), step), Some(step + 1));
        assert_eq!(check(&code(now - 60), 0).or(check(&code(now + 60), 0)), None);
        for bad in ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦"] {
            assert_eq!(check(bad, 0), None);
        }
    }

    #[test]
    fn only_the_password_opens_the_sealed_secret() {
        let params = PasswordParams::light();
        let derive = |text: &str| Password::new(text.to_owned()).unwrap().derive(&params);
        let (right, wrong) = (derive("four unrelated words"), derive("others"));
        let secret = TotpSecret::generate();
        let sealed = secret.seal_for(&right.recipient());
        assert_eq!(right.unlock_totp(&sealed).unwrap().reveal(), secret.reveal());
        assert_eq!(wrong.unlock_totp(&sealed).unwrap_err(), KeyError::WrongKey);
        // An identity is no secret of codes, nor the other way round.
        let identity = PrincipalIdentity::generate().seal_for(&right.recipient());
        assert_eq!(right.unlock_totp(&SealedTotp(identity.0)).unwrap_err(), KeyError::Damaged);
        assert_eq!(right.unlock(&SealedIdentity(sealed.0.clone())).unwrap_err(), KeyError::Damaged);
        let json = serde_json::to_string(&sealed).unwrap();
        assert!(json.len() < 1_200, "{}", json.len());
        assert_eq!(serde_json::from_str::<SealedTotp>(&json).unwrap(), sealed);
    }

    #[test]
    fn its_address_is_one_that_apps_read() {
        let uri = of_the_standard().uri("Ünal & Co");
        assert_eq!(
            *uri,
            "otpauth://totp/Keepsight:%C3%9Cnal%20%26%20Co?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Keepsight&algorithm=SHA1&digits=6&period=30"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[A-Z2-7]{32}|\\PC{0,40}", code in "\\PC{0,12}") {
            if let Ok(secret) = TotpSecret::parse(&text) {
                prop_assert_eq!(&*secret.reveal(), &text);
                let _ = secret.check(&code, Timestamp::MIN, 0);
                let _ = secret.check(&code, Timestamp::MAX, u64::MAX);
            }
        }
    }
}
