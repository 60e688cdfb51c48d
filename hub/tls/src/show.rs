//! How people check that they trust the right hub: four words, and a profile for iPhones.

use std::num::NonZeroU32;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::pbkdf2::{PBKDF2_HMAC_SHA256, derive};
use bip39::Language;

/// Four words of BIP-39's English list (44 bits) that name a root certificate. Whoever wants another certificate with
/// the same words must try about 2^44 of them; each try is made 100,000 times as costly as a plain hash.
pub(crate) fn fingerprint_words(root_der: &[u8]) -> [&'static str; 4] {
    const ROUNDS: NonZeroU32 = NonZeroU32::new(100_000).unwrap();
    let mut bits = [0; 8];
    derive(PBKDF2_HMAC_SHA256, ROUNDS, b"keepsight fingerprint words 1", root_der, &mut bits);
    let bits = u64::from_be_bytes(bits);
    [53, 42, 31, 20].map(|shift| Language::English.word_list()[(bits >> shift) as usize & 2047])
}

/// The SHA-256 of a root certificate, as certificate viewers show it: `AB:CD:…`.
pub(crate) fn fingerprint_sha256(root_der: &[u8]) -> String {
    let bytes: Vec<String> = digest(&SHA256, root_der).as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

/// A configuration profile that installs the root on iPhones and iPads. It still has to be switched on in Settings,
/// General, About, Certificate Trust Settings.
pub(crate) fn ios_profile(root_pem: &str, root_der: &[u8], host: &str) -> String {
    let base64: String = root_pem.lines().filter(|line| !line.starts_with("-----")).collect();
    // The same root is always the same profile, so that a second one replaces the first.
    let (profile, payload) = (uuid("profile", root_der), uuid("payload", root_der));
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>PayloadType</key><string>Configuration</string>
  <key>PayloadVersion</key><integer>1</integer>
  <key>PayloadIdentifier</key><string>keepsight.{host}</string>
  <key>PayloadUUID</key><string>{profile}</string>
  <key>PayloadDisplayName</key><string>Keepsight hub {host}</string>
  <key>PayloadDescription</key><string>Lets this device recognise your own Keepsight hub. It is good for the hub's own names only.</string>
  <key>PayloadContent</key>
  <array>
    <dict>
      <key>PayloadType</key><string>com.apple.security.root</string>
      <key>PayloadVersion</key><integer>1</integer>
      <key>PayloadIdentifier</key><string>keepsight.{host}.root</string>
      <key>PayloadUUID</key><string>{payload}</string>
      <key>PayloadDisplayName</key><string>Keepsight hub {host}</string>
      <key>PayloadContent</key><data>{base64}</data>
    </dict>
  </array>
</dict>
</plist>
"#
    )
}

/// A UUID (version 8, RFC 9562) from a hash.
fn uuid(what: &str, root_der: &[u8]) -> String {
    let hash = digest(&SHA256, &[what.as_bytes(), root_der].concat());
    let mut bytes: [u8; 16] = std::array::from_fn(|i| hash.as_ref()[i]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = bytes.map(|byte| format!("{byte:02X}")).concat();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_certificate_never_change() {
        // Frozen: people may have written them down.
        assert_eq!(fingerprint_words(b"certificate").join(" "), "pulp plate return resist");
        assert_ne!(fingerprint_words(b"certificate"), fingerprint_words(b"certificatf"));
    }

    #[test]
    fn a_uuid_has_its_form() {
        let uuid = uuid("profile", b"root");
        assert_eq!(uuid.len(), 36);
        assert_eq!((&uuid[14..15], uuid.matches('-').count()), ("8", 4));
    }
}
