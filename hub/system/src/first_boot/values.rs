//! The values of a first-boot file, as types that cannot be wrong. What is said of a bad one never repeats it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Why a value cannot be used, to be read after its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadValue(String);

fn bad<T>(why: impl fmt::Display) -> Result<T, BadValue> {
    Err(BadValue(why.to_string()))
}

/// A text that one of the types below is made of, also when it is read from a file of the hub.
macro_rules! text_value {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = BadValue;
            fn try_from(text: String) -> Result<Self, BadValue> {
                Self::new(&text)
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.as_str().to_owned()
            }
        }
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

/// A machine's name, as routers list it: one label of a host name (RFC 1123).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MachineName(String);
text_value!(MachineName);

impl MachineName {
    /// 1 to 63 of a-z, 0-9 and -, not beginning or ending with -. Capitals become small.
    pub fn new(text: &str) -> Result<Self, BadValue> {
        let name = text.to_ascii_lowercase();
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=63).contains(&name.len()) || !name.bytes().all(allowed) || name.starts_with('-') || name.ends_with('-')
        {
            return bad("is made of 1 to 63 letters a-z, digits and -, and does not begin or end with -");
        }
        // Other machines take these for themselves.
        if name == "localhost" || name.bytes().all(|b| b.is_ascii_digit()) {
            return bad("is neither localhost nor a number");
        }
        Ok(Self(name))
    }
}

/// A time zone that the tz database knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ZoneName(String);
text_value!(ZoneName);

impl ZoneName {
    /// A zone's own name, however it is written.
    pub fn new(text: &str) -> Result<Self, BadValue> {
        let like = "is a name of the tz database, such as \"Europe/Berlin\" or \"UTC\"";
        let path = |b: u8| b.is_ascii_alphanumeric() || b"/_+-".contains(&b);
        if text.is_empty() || text.len() > 64 || !text.bytes().all(path) || text.starts_with('/') {
            return bad(like);
        }
        let zone = jiff::tz::TimeZone::get(text).or_else(|_| bad(like))?;
        // It becomes a file's name: the database's own, which no person wrote.
        zone.iana_name().map_or_else(|| bad(like), |name| Ok(Self(name.to_owned())))
    }
}

/// A Wi-Fi network's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ssid(String);
text_value!(Ssid);

impl Ssid {
    /// 1 to 32 bytes (IEEE 802.11).
    pub fn new(text: &str) -> Result<Self, BadValue> {
        if !(1..=32).contains(&text.len()) || text.chars().any(char::is_control) {
            return bad("is 1 to 32 bytes long, without control characters");
        }
        Ok(Self(text.to_owned()))
    }
}

/// A Wi-Fi network's password (8 to 63 characters of ASCII), or its key (64 hexadecimal digits).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(try_from = "String", into = "String")]
pub struct WifiPassword(String);
text_value!(WifiPassword);

impl WifiPassword {
    /// As IEEE 802.11 has it.
    pub fn new(text: &str) -> Result<Self, BadValue> {
        let length = text.chars().count();
        if length == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Self(text.to_owned()));
        }
        if !(8..=63).contains(&length) {
            return bad(format_args!(
                "has {length} characters; a Wi-Fi password has 8 to 63 (or is a key of 64 hexadecimal digits)"
            ));
        }
        if !text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            return bad("has a character in it that no Wi-Fi password has: only those of a US keyboard are allowed");
        }
        Ok(Self(text.to_owned()))
    }

    /// It is the key itself, not what one is made of.
    pub fn is_key(&self) -> bool {
        self.0.len() == 64
    }
}

impl fmt::Debug for WifiPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WifiPassword(…)")
    }
}

/// Every country that ISO 3166 has a pair of letters for.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT \
    BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM \
    FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO \
    JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT \
    MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA \
    SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US \
    UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// The country that the hub stands in: what its radio may do hangs on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country(String);
text_value!(Country);

impl Country {
    /// Two letters (ISO 3166-1 alpha-2).
    pub fn new(text: &str) -> Result<Self, BadValue> {
        let country = text.to_ascii_uppercase();
        if country == "UK" {
            return bad("is \"GB\" for the United Kingdom");
        }
        if !COUNTRIES.split_ascii_whitespace().any(|known| known == country) {
            return bad("is a country's two letters, such as \"DE\" or \"US\"");
        }
        Ok(Self(country))
    }
}

/// A public key that may sign in, as `ssh-keygen` writes it: kind, key, perhaps a comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SshKey(String);
text_value!(SshKey);

impl SshKey {
    /// The kinds that the hub's sshd takes.
    pub const KINDS: [&str; 7] = [
        "ssh-ed25519",
        "sk-ssh-ed25519@openssh.com",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ecdsa-sha2-nistp256@openssh.com",
        "ssh-rsa",
    ];

    /// One line, without options before the kind: what would be allowed to whom is not decided here.
    pub fn new(text: &str) -> Result<Self, BadValue> {
        let line = text.trim();
        if line.contains("PRIVATE KEY") {
            return bad("is a private key, which is to stay where it is: give the line of the .pub file");
        }
        if line.len() > 4096 || line.chars().any(char::is_control) {
            return bad("is one line of at most 4096 bytes: that of a .pub file");
        }
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let (kind, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if !Self::KINDS.contains(&kind) {
            return bad(format_args!("begins with the kind of key, one of {}", Self::KINDS.join(", ")));
        }
        let whole = STANDARD.decode(key).ok().and_then(|blob| inner_kind(&blob).map(|inner| inner == kind.as_bytes()));
        if whole != Some(true) {
            return bad("is not a whole key: copy the line of the .pub file again");
        }
        let comment = words.collect::<Vec<_>>().join(" ");
        Ok(Self(format!("{kind} {key} {comment}").trim_end().to_owned()))
    }
}

/// The kind that a key says of itself, if its parts fill it exactly (RFC 4253, 6.6: each a length and its bytes).
fn inner_kind(blob: &[u8]) -> Option<&[u8]> {
    let mut kind = None;
    let mut parts = 0;
    let mut rest = blob;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk()?;
        let (part, next) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        kind.get_or_insert(part);
        parts += 1;
        rest = next;
    }
    kind.filter(|_| parts >= 2)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Made for these tests by ssh-keygen; nobody has the other half.
    pub(in super::super) const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMKZPML4KJp7aPajOV7VNOMbA5LYL3RUSnkzWJvajjjB ada@laptop";

    #[test]
    fn names_are_those_that_a_network_takes() {
        for good in ["a", "Keepsight-Garage", "cam2", &"x".repeat(63)] {
            assert_eq!(MachineName::new(good).unwrap().as_str(), good.to_lowercase());
        }
        for wrong in ["", "-a", "a-", "a b", "a.b", "häuschen", "a_b", "localhost", "12", &"x".repeat(64)] {
            assert!(MachineName::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_zone_is_one_of_the_database_by_its_own_name() {
        assert_eq!(ZoneName::new("Europe/Berlin").unwrap().as_str(), "Europe/Berlin");
        assert_eq!(ZoneName::new("europe/berlin").unwrap().as_str(), "Europe/Berlin");
        for wrong in ["", "Berlin", "../etc/passwd", "/etc/passwd", "Europe/../Europe/Berlin", "Europe/Berlin\n"] {
            assert!(ZoneName::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wifi_is_as_the_standard_has_it_at_its_bounds() {
        assert!(Ssid::new(&"ü".repeat(16)).is_ok() && Ssid::new(&"ü".repeat(17)).is_err());
        assert!(Ssid::new("").is_err() && Ssid::new("a\nb").is_err());
        for (length, good) in [(7, false), (8, true), (63, true), (64, false), (65, false)] {
            assert_eq!(WifiPassword::new(&"x".repeat(length)).is_ok(), good, "{length}");
        }
        let key = WifiPassword::new(&"0aF1".repeat(16)).unwrap();
        assert!(key.is_key() && !WifiPassword::new("password").unwrap().is_key());
        assert_eq!(
            WifiPassword::new("geheim").unwrap_err().to_string(),
            "has 6 characters; a Wi-Fi password has 8 to 63 (or is a key of 64 hexadecimal digits)"
        );
        assert!(WifiPassword::new("schlüssel").unwrap_err().to_string().contains("US keyboard"));
        assert_eq!(format!("{:?}", WifiPassword::new("password").unwrap()), "WifiPassword(…)");
        assert_eq!(Country::new("de").unwrap().as_str(), "DE");
        assert_eq!(Country::new("uk").unwrap_err().to_string(), "is \"GB\" for the United Kingdom");
        for wrong in ["", "D", "DEU", "XX", "AD AE", "A "] {
            assert!(Country::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_is_whole_and_public_and_has_no_options() {
        assert_eq!(SshKey::new(&format!("  {ED25519}\n")).unwrap().as_str(), ED25519);
        let [kind, key] = [ED25519.split(' ').next().unwrap(), ED25519.split(' ').nth(1).unwrap()];
        assert_eq!(SshKey::new(&format!("{kind}  {key}")).unwrap().as_str(), format!("{kind} {key}"));
        for (wrong, said) in [
            ("", "begins with the kind"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "is a private key"),
            (&format!("command=\"x\" {ED25519}"), "begins with the kind"),
            (&format!("ssh-dss {key}"), "begins with the kind"),
            (&format!("ssh-rsa {key}"), "is not a whole key"),
            (&format!("{kind} {}", &key[..key.len() - 4]), "is not a whole key"),
            (kind, "is not a whole key"),
            (&format!("{ED25519}\n{ED25519}"), "is one line"),
        ] {
            let error = SshKey::new(wrong).unwrap_err().to_string();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused_without_being_repeated(text in "\\PC{12,80}") {
            let said = [
                MachineName::new(&text).err(), ZoneName::new(&text).err(), Ssid::new(&text).err(),
                WifiPassword::new(&text).err(), Country::new(&text).err(), SshKey::new(&text).err(),
            ];
            for error in said.into_iter().flatten() {
                prop_assert!(!error.to_string().contains(&text));
            }
        }

        #[test]
        fn what_was_taken_is_taken_again_as_it_is(text in "[ -~]{8,63}") {
            let password = WifiPassword::new(&text).unwrap();
            prop_assert_eq!(WifiPassword::new(password.as_str()).unwrap(), password);
        }
    }
}
